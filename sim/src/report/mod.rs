//! What people get to see: a failure as a story, a campaign as a few numbers.

mod campaign;
mod html;
mod links;
mod picture;
mod story;

use std::fmt::Write;
use std::time::Duration;

pub use campaign::{annotations, json, junit, summary};
pub use html::html;
pub use story::story;

use crate::backend::{Backend, Outcome};
use crate::history::{Event, What};
use crate::invariants::Shadow;
use crate::scenario::Profile;

/// The command that plays a seed again and prints everything.
pub fn replay_command(profile: Profile, backend: Backend, seed: u64) -> String {
    let mut command = format!("cargo sim run --profile {} --seed {seed}", profile_word(profile));
    if backend != Backend::default() {
        command.push_str(&format!(" --backend {backend}"));
    }
    command + " --trace"
}

/// As the command line has it.
fn profile_word(profile: Profile) -> String {
    format!("{profile:?}").to_lowercase()
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
    let tries = earlier_tries(&outcome.standstills).map(|tries| format!("tries    {tries}"));
    for line in lines.into_iter().chain(tries) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("story    ");
    text.push_str(&story(&outcome.events));
    text
}

/// What a run came to; `replay` is the command that plays it again.
pub fn verdict(outcome: &Outcome, replay: &str) -> String {
    if outcome.violation.is_some() {
        return failure(outcome, replay);
    }
    let passed = format!("passed: {} events in {:.1?}", outcome.event_count, outcome.simulated);
    match earlier_tries(&outcome.standstills) {
        Some(tries) => format!("{passed}, {tries}"),
        None => passed,
    }
}

/// What is said of a run that was tried before.
pub fn earlier_tries(standstills: &[Duration]) -> Option<String> {
    let longest = standstills.iter().max()?;
    let (count, tries) = match standstills.len() {
        1 => (1, "try"),
        count => (count, "tries"),
    };
    Some(format!("after {count} {tries} in which the machine stood still for up to {longest:.1?}"))
}

/// All events, one or more lines each, and the digest of the hub's state at each milestone.
pub fn transcript(events: &[Event]) -> String {
    let mut text = String::new();
    let mut shadow = Shadow::default();
    for event in events {
        let _ = writeln!(text, "{event}");
        if let What::Hub(hub) = &event.what {
            shadow.put_off(&hub.input);
        }
        shadow.apply(event);
        if matches!(event.what, What::Run(_)) {
            let _ = writeln!(text, "                state {:016x}", shadow.digest());
        }
    }
    text
}
