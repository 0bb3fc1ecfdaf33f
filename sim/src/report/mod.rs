//! What people get to see: a failure as a story, a campaign as a few numbers.

mod html;
mod links;
mod picture;
mod story;

use std::fmt::Write;
use std::time::Duration;

pub use html::html;
pub use story::story;

use crate::backend::Outcome;
use crate::campaign::Findings;
use crate::history::Event;
use crate::scenario::Profile;

/// The command that plays a seed again and prints everything.
pub fn replay_command(profile: Profile, seed: u64) -> String {
    let profile = format!("{profile:?}").to_lowercase();
    format!("cargo sim run --profile {profile} --seed {seed} --trace")
}

/// A failed run: what does not hold, the seed, what happened around it, and the command
/// that plays it again.
pub fn failure(outcome: &Outcome, replay: &str) -> String {
    let Some(violation) = &outcome.violation else { return String::new() };
    let invariant = violation.invariant;
    let mut text = String::new();
    let at = outcome.events.last().map_or(Duration::ZERO, |event| event.at);
    let lines = [
        format!("FAILED   {invariant}"),
        format!("         {}", invariant.sentence()),
        format!("seen     {}", violation.evidence),
        format!(
            "when     {:.6} s after the start, at event {}",
            at.as_secs_f64(),
            outcome.event_count
        ),
        format!("seed     {}", outcome.seed),
        format!("replay   {replay}"),
    ];
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("story    ");
    text.push_str(&story(&outcome.events));
    text
}

/// All events, one or more lines each.
pub fn transcript(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let _ = writeln!(text, "{event}");
    }
    text
}

/// A campaign in numbers. `cpu` is what it took of all cores together.
pub fn summary(findings: &Findings, took: Duration, cpu: Option<Duration>) -> String {
    let mut text = String::new();
    let failed = findings.failures.len() as u64;
    let _ = write!(text, "{} passed, {failed} failed", findings.runs - failed);
    let _ = match findings.skipped.len() {
        0 => writeln!(text),
        skipped => writeln!(text, ", {skipped} skipped"),
    };
    let mut rates = |what: &str, span: Duration| {
        let seconds = span.as_secs_f64().max(1e-9);
        let _ = writeln!(
            text,
            "{what}: {:.1} seeds/s, {:.0} hub inputs/s, {:.0} simulated s/s ({:.1} s)",
            findings.runs as f64 / seconds,
            findings.hub_inputs as f64 / seconds,
            findings.simulated.as_secs_f64() / seconds,
            seconds,
        );
    };
    rates("by the clock", took);
    // The system counts CPU time in hundredths of a second.
    if let Some(cpu) = cpu.filter(|cpu| *cpu >= Duration::from_millis(500)) {
        rates("by CPU time ", cpu);
    }
    for (seed, skipped) in &findings.skipped {
        let _ = writeln!(text, "seed {seed}: {skipped}");
    }
    for (seed, outcome) in &findings.failures {
        if let Some(violation) = &outcome.violation {
            let _ = writeln!(text, "seed {seed}: {}", violation.invariant);
        }
    }
    text
}

/// The violated invariants by seed, for programs.
pub fn json(findings: &Findings) -> String {
    let failures: Vec<serde_json::Value> = findings
        .failures
        .iter()
        .filter_map(|(seed, outcome)| {
            let violation = outcome.violation.as_ref()?;
            Some(serde_json::json!({
                "seed": seed,
                "invariant": violation.invariant,
                "evidence": violation.evidence,
                "event": outcome.event_count,
            }))
        })
        .collect();
    serde_json::json!({
        "runs": findings.runs,
        "events": findings.events,
        "hubInputs": findings.hub_inputs,
        "failures": failures,
    })
    .to_string()
}
