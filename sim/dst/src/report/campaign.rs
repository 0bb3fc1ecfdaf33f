//! A campaign for people, and for programs: text, JSON, JUnit, annotations.

use std::fmt::Write;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::{failure, profile_word as word, replay_command};
use crate::System;
use crate::backend::Backend;
use crate::campaign::{DistinctFailure, ENFORCED_FROM, Findings, Plan, Stopped, Verdict};
use crate::coverage::Situation;
use crate::verdict::Invariant;

/// Seeds that are told of failures that are alike.
const SEEDS_MAX: usize = 20;

/// A campaign in numbers. `cpu` is what it took of all cores together.
pub fn summary<S: System>(
    findings: &Findings<S>,
    plan: &Plan<S>,
    took: Duration,
    cpu: Option<Duration>,
) -> String {
    let mut text = String::new();
    let failed = findings.failures.len() as u64;
    let _ = write!(text, "{} passed, {failed} failed", findings.runs - failed);
    let _ = match findings.skipped.len() {
        0 => writeln!(text),
        skipped => writeln!(text, ", {skipped} skipped"),
    };
    if findings.standstills > 0 {
        let tries = findings.standstills;
        let _ = writeln!(text, "{tries} tries more, in which the machine stood still, say nothing");
    }
    if plan.backend == Backend::Both {
        let (seeds, steps) = (findings.compared, findings.compared_steps);
        let _ = writeln!(text, "both showed the same to actors: {seeds} seeds, {steps} steps");
    }
    if let Some(stopped) = findings.stopped {
        let _ = writeln!(text, "stopped before the last seed: {}", reason(stopped));
    }
    rates(&mut text, findings, "by the clock", took);
    // The system counts CPU time in hundredths of a second.
    if let Some(cpu) = cpu.filter(|cpu| *cpu >= Duration::from_millis(500)) {
        rates(&mut text, findings, "by CPU time ", cpu);
    }
    situations(&mut text, findings, plan);
    for (seed, skipped) in findings.skipped.iter().take(SEEDS_MAX) {
        let _ = writeln!(text, "seed {seed}: {skipped}");
    }
    for distinct in findings.distinct_failures() {
        let DistinctFailure { first, seeds } = &distinct;
        let _ = writeln!(
            text,
            "{}, broken by {}: {} seeds: {}",
            first.violation.invariant,
            first.broken_by,
            seeds.len(),
            some_seeds(seeds)
        );
    }
    text
}

fn rates<S: System>(text: &mut String, findings: &Findings<S>, what: &str, span: Duration) {
    let seconds = span.as_secs_f64().max(1e-9);
    let _ = writeln!(
        text,
        "{what}: {:.1} seeds/s, {:.0} hub inputs/s, {:.0} simulated s/s ({:.1} s)",
        findings.runs as f64 / seconds,
        findings.hub_inputs as f64 / seconds,
        findings.simulated.as_secs_f64() / seconds,
        seconds,
    );
}

fn situations<S: System>(text: &mut String, findings: &Findings<S>, plan: &Plan<S>) {
    let (required, missing) = (plan.required(), findings.missing(plan));
    let shapes = findings.shapes.len();
    if required.is_empty() {
        let met = findings.sightings.iter().filter(|(_, sighting)| sighting.runs > 0).count();
        let _ = writeln!(text, "{met} situations came up, none had to, {shapes} shapes");
        return;
    }
    let met = required.len() - missing.len();
    let _ = writeln!(text, "{met} of {} situations came up, {shapes} shapes", required.len());
    if !missing.is_empty() {
        let (names, void) = (names(&missing), matches!(findings.verdict(plan), Verdict::Void(_)));
        let meaning = if void {
            "VOID: this proves nothing, as these never came up"
        } else {
            "never came up"
        };
        let _ = writeln!(text, "{meaning}: {names}");
    }
}

fn names<T: Situation>(situations: &[T]) -> String {
    situations.iter().map(|situation| situation.to_string()).collect::<Vec<_>>().join(", ")
}

fn some_seeds(seeds: &[u64]) -> String {
    let mut text: Vec<String> = seeds.iter().take(SEEDS_MAX).map(u64::to_string).collect();
    if seeds.len() > SEEDS_MAX {
        text.push("...".to_owned());
    }
    text.join(", ")
}

const fn reason(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Failure => "a failure was to be the last",
        Stopped::Saturated => "nothing new came up any more",
        Stopped::TimeUp => "the time was over",
    }
}

/// Everything that was found, for programs. No rates: the same seeds always give the same text.
pub fn json<S: System>(findings: &Findings<S>, plan: &Plan<S>) -> String {
    let failures: Vec<Value> = findings
        .failures
        .iter()
        .map(|(seed, failure)| {
            json!({
                "seed": seed,
                "invariant": failure.violation.invariant,
                "brokenBy": failure.broken_by,
                "evidence": failure.violation.evidence,
                "event": failure.outcome.event_count,
            })
        })
        .collect();
    let distinct: Vec<Value> = findings
        .distinct_failures()
        .iter()
        .map(|DistinctFailure { first, seeds }| {
            json!({
                "invariant": first.violation.invariant,
                "brokenBy": first.broken_by,
                "count": seeds.len(),
                "firstSeed": seeds.first(),
                "seeds": seeds.iter().take(SEEDS_MAX).collect::<Vec<_>>(),
            })
        })
        .collect();
    let situations: Vec<Value> = findings
        .sightings
        .iter()
        .map(|(situation, sighting)| {
            json!({
                "name": situation,
                "times": sighting.times,
                "runs": sighting.runs,
                "firstSeed": sighting.first_seed,
            })
        })
        .collect();
    json!({
        "profile": word::<S>(plan.profile),
        "backend": plan.backend.to_string(),
        "exitCode": findings.verdict(plan).exit_code(),
        "runs": findings.runs,
        "skipped": findings.skipped.keys().collect::<Vec<_>>(),
        "events": findings.events,
        "hubInputs": findings.hub_inputs,
        "simulatedMilliseconds": findings.simulated.as_millis() as u64,
        "compared": findings.compared,
        "comparedSteps": findings.compared_steps,
        "stopped": findings.stopped,
        "shapes": findings.shapes.len(),
        "failures": failures,
        "distinctFailures": distinct,
        "situations": situations,
        "missing": findings.missing(plan),
    })
    .to_string()
}

/// Each invariant and each situation that has to come up as a test case.
///
/// # Errors
/// If the text cannot be made.
pub fn junit<S: System>(
    findings: &Findings<S>,
    plan: &Plan<S>,
) -> Result<String, quick_junit::SerializeError> {
    let name = format!("{} on {}", word::<S>(plan.profile), plan.backend);
    let mut invariants = TestSuite::new(format!("{name}: invariants"));
    for &invariant in S::Invariant::ALL {
        let distinct = findings.distinct_failures();
        let broken = distinct.iter().filter(|d| d.first.violation.invariant == invariant);
        let mut cases: Vec<TestCase> = broken.map(|d| failed_case(d, plan)).collect();
        if cases.is_empty() {
            cases.push(TestCase::new(invariant.to_string(), TestCaseStatus::success()));
        }
        for mut case in cases {
            case.set_classname(format!("simulation.{}", word::<S>(plan.profile)));
            invariants.add_test_case(case);
        }
    }
    let mut situations = TestSuite::new(format!("{name}: situations"));
    let (missing, enforced) = (findings.missing(plan), findings.runs >= ENFORCED_FROM);
    for situation in plan.required() {
        let mut status = match (missing.contains(&situation), enforced) {
            (false, _) => TestCaseStatus::success(),
            (true, true) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            (true, false) => TestCaseStatus::skipped(),
        };
        status.set_message(situation.sentence());
        let mut case = TestCase::new(situation.to_string(), status);
        case.set_classname(format!("simulation.{}", word::<S>(plan.profile)));
        situations.add_test_case(case);
    }
    let mut report = Report::new(format!("{} simulation", S::NAME));
    report.add_test_suites([invariants, situations]);
    report.to_string()
}

fn failed_case<S: System>(distinct: &DistinctFailure<'_, S>, plan: &Plan<S>) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let first = distinct.first;
    status.set_message(format!(
        "seeds {}: {}",
        some_seeds(&distinct.seeds),
        first.violation.evidence
    ));
    let replay = replay_command::<S>(plan.profile, plan.backend, first.outcome.seed);
    status.set_description(failure(&first.outcome, &replay));
    TestCase::new(format!("{}, broken by {}", first.violation.invariant, first.broken_by), status)
}

/// What GitHub shows beside a change: a line for each distinct failure and for what is missing.
pub fn annotations<S: System>(findings: &Findings<S>, plan: &Plan<S>) -> String {
    let mut text = String::new();
    for DistinctFailure { first, seeds } in findings.distinct_failures() {
        let seed = first.outcome.seed;
        let message = format!(
            "{}\nseeds {}\n{}",
            first.violation.evidence,
            some_seeds(&seeds),
            replay_command::<S>(plan.profile, plan.backend, seed)
        );
        let title = format!("{} (seed {seed})", first.violation.invariant);
        let _ = writeln!(text, "::error title={}::{}", property(&title), escaped(&message));
    }
    if let Verdict::Void(missing) = findings.verdict(plan) {
        let message = format!("never came up: {}", names(&missing));
        let _ = writeln!(text, "::error title=void campaign::{}", escaped(&message));
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_stays_on_its_line() {
        assert_eq!(escaped("100%\nsure"), "100%25%0Asure");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }
}
