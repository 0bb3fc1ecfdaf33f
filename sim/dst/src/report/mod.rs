//! What people get to see: a failure as a story, a campaign as a few numbers.
//!
//! On a campaign of [`Echo`](crate::service#all-of-one), which has a bug:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::{self, Backend};
//! use dst::campaign::{self, Plan, Watcher};
//! use dst::report::{self, Results};
//!
//! let plan = Plan::<Echo>::of(Profile::Stalls, Backend::Simulated, 0..20);
//! let findings = campaign::run(&plan, &Watcher::SILENT);
//! let (seed, failure) = findings.failures.first_key_value().ok_or("all pass")?;
//! let replay = report::replay_command::<Echo>(plan.profile, plan.backend, *seed);
//! assert_eq!(replay, format!("cargo run -- run --profile stalls --seed {seed} --trace"));
//!
//! // For people: what does not hold, how to see it again, and what led there.
//! let told = report::verdict(&failure.outcome, &replay);
//! assert!(told.starts_with("FAILED   LinesComeBack\n"));
//! // For CI.
//! let results = Results::of(&findings, &plan);
//! assert!(report::junit::<Echo>(&results, None)?.contains("<failure"));
//! # Ok(())
//! # }
//! ```

pub mod canvas;
mod explained;
mod explanation;
mod github;
mod junit;
mod lanes;
mod ledger;
mod merge;
mod page;
mod perfetto;
mod results;
mod sequence;
mod summary;

use clap::ValueEnum;
use std::path::Path;
use std::time::Duration;

pub use explained::{explained, unexplained};
pub use explanation::explanation;
pub use github::{annotations, step_summary};
pub use junit::{junit, junit_of_all};
pub use ledger::{Sweep, night};
pub use merge::NotMerged;
pub use page::page;
pub use perfetto::perfetto;
pub use results::{Alike, FailedRun, Results, Seen};
pub use summary::{Detail, Pace, summary};

use crate::System;
use crate::backend::{Backend, Outcome};
use crate::campaign::{Failure, Plan};
use crate::history::{Event, What};
use crate::verdict::Invariant;

/// The command that plays a seed again and prints everything.
pub fn replay_command<S: System>(profile: S::Profile, backend: Backend, seed: u64) -> String {
    let what = format!("run --profile {} --seed {seed}", profile_word::<S>(profile));
    format!("{} --trace", command::<S>(&what, backend))
}

/// The command that comes to the failure again: for a scenario that is no seed's, all that led to it.
pub fn failure_command<S: System>(failure: &Failure<S>, plan: &Plan<S>) -> String {
    let (seed, guided) = (failure.outcome.seed, plan.guided.as_deref());
    let Some(guided) = guided.filter(|_| failure.scenario.is_some()) else {
        return replay_command::<S>(plan.profile, plan.backend, seed);
    };
    let (profile, from) = (profile_word::<S>(plan.profile), plan.seeds.start);
    let what = format!("run {guided} --profile {profile} --seeds {from}..{}", seed + 1);
    command::<S>(&what, plan.backend)
}

/// The command that plays a scenario file again.
pub fn replay_file_command<S: System>(file: &Path, backend: Backend) -> String {
    command::<S>(&format!("replay {}", file.display()), backend)
}

/// What is to be done, on the backend.
fn command<S: System>(what: &str, backend: impl ToString) -> String {
    let backend = backend.to_string();
    let usual = backend == Backend::default().to_string();
    let backend = if usual { String::new() } else { format!(" --backend {backend}") };
    format!("{} {what}{backend}", S::command())
}

/// As the command line has it.
pub fn profile_word<S: System>(profile: S::Profile) -> String {
    let value = profile.to_possible_value();
    value.map_or_else(|| format!("{profile:?}"), |value| value.get_name().to_owned())
}

/// A failed run: what does not hold, the seed, what happened around it, and the command
/// that plays it again.
pub fn failure<S: System>(outcome: &Outcome<S>, replay: &str) -> String {
    let Some(violation) = &outcome.violation else { return String::new() };
    let invariant = violation.invariant;
    let mut text = String::new();
    let lines = [
        format!("FAILED   {invariant}"),
        format!("         {}", invariant.sentence()),
        format!("seen     {}", violation.evidence),
        format!("when     {}", when(outcome)),
        format!("seed     {}", outcome.seed),
        format!("replay   {replay}"),
    ];
    let page = page_command(replay).map(|command| format!("page     {command}"));
    let explain = of_file(replay, "explain").map(|command| format!("explain  {command}"));
    let tries = earlier_tries(&outcome.standstills).map(|tries| format!("tries    {tries}"));
    for line in lines.into_iter().chain(page).chain(explain).chain(tries) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("story    ");
    text.push_str(&S::story(outcome));
    text
}

/// The command that makes a page of what `replay` plays.
fn page_command(replay: &str) -> Option<String> {
    let of_seed = replay.strip_suffix(" --trace").map(|run| format!("{run} --html run.html"));
    of_seed.or_else(|| of_file(replay, "show"))
}

/// The command that does something else with the file that `replay` plays.
fn of_file(replay: &str, verb: &str) -> Option<String> {
    replay.contains(" replay ").then(|| replay.replacen(" replay ", &format!(" {verb} "), 1))
}

/// Where in the run it broke.
fn when<S: System>(outcome: &Outcome<S>) -> String {
    let broken = outcome.broken_at().unwrap_or_default();
    let at = outcome.events.get(broken).map_or(Duration::ZERO, |event| event.at).as_secs_f64();
    let skipped = outcome.event_count.saturating_sub(outcome.events.len() as u64);
    let number = skipped + broken as u64 + 1;
    let waits = outcome.violation.as_ref().and_then(|violation| violation.waited_since);
    match waits.and_then(|since| outcome.simulated.checked_sub(since)) {
        None => format!("{at:.6} s after the start, at event {number}"),
        Some(lasts) => format!(
            "waited in vain for {} from {at:.6} s after the start on, event {number}",
            humantime::format_duration(Duration::from_millis(lasts.as_millis() as u64))
        ),
    }
}

/// What a run came to; `replay` is the command that plays it again.
pub fn verdict<S: System>(outcome: &Outcome<S>, replay: &str) -> String {
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

/// How many events a story has, unless the system tells its own.
const LAST_EVENTS: usize = 20;

/// All events, one or more lines each.
pub fn lines<S: System>(events: &[Event<S>]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// The events around the one that broke something, under a head of its own: as a picture, if clients take
/// part in them.
pub fn last_events<S: System>(outcome: &Outcome<S>) -> String {
    let places = last_places(outcome);
    if let Some(picture) = sequence::sequence(outcome, &places) {
        return picture;
    }
    let broken = outcome.broken_at();
    let mut text = "(seconds; ✗ marks the event that broke it)\n".to_owned();
    for place in places {
        let mark = if Some(place) == broken { '✗' } else { ' ' };
        text.push_str(&format!("{mark} {}\n", outcome.events[place]));
    }
    text
}

/// The places of these events. That bytes move and connections stand is left out: it would crowd out the rest.
pub fn last_places<S: System>(outcome: &Outcome<S>) -> Vec<usize> {
    let broken = outcome.broken_at().unwrap_or(usize::MAX);
    let events = outcome.events.iter().enumerate();
    let told = events
        .filter(|(place, event)| *place == broken || !matches!(event.what, What::Net(_)))
        .map(|(place, _)| place)
        .collect::<Vec<_>>();
    let from_broken = told.partition_point(|place| *place < broken);
    let first = told.len().saturating_sub(LAST_EVENTS).min(from_broken);
    told[first..].iter().take(LAST_EVENTS).copied().collect()
}
