//! The commands about scenario files: shrink, adopt, scenarios, schema.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::System;
use crate::backend::{Backend, Outcome};
use crate::failures;
use crate::history::untimed;
use crate::report;
use crate::scenario::{self, Scenario};
use crate::verdict::Violation;
use anstream::{eprintln, println};
use anyhow::Context;
use clap::Args;

/// Shrinks a scenario that fails and leaves the result in failures/.
#[derive(Args)]
pub struct Shrink {
    /// A scenario that fails.
    file: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// When to stop at the latest.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    budget: Duration,
}

impl Shrink {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a scenario not be played.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let scenario = scenario::read_file::<S>(&self.file)?;
        let shrunk = shrink(&scenario, self.backend, self.budget)?;
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
        let replay = format!("{} replay {}", S::COMMAND, file.display());
        eprintln!("{}", report::failure(&shrunk.outcome, &replay));
        println!("{}", file.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// Shrinks and says what it is doing, on stderr.
///
/// # Errors
/// If it passes, or the backend cannot play it.
pub fn shrink<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    budget: Duration,
) -> anyhow::Result<failures::Shrunk<S>> {
    let bar = indicatif::ProgressBar::new_spinner();
    #[expect(clippy::disallowed_methods, reason = "outside the simulation, for the budget")]
    let start = std::time::Instant::now();
    let shrunk = failures::shrink(scenario, backend, &mut |progress| {
        let (pass, steps, tries) = (progress.pass, progress.steps, progress.tries);
        bar.set_message(format!("{pass}: {steps} steps left after {tries} tries"));
        bar.tick();
        start.elapsed() >= budget
    })?;
    bar.finish_and_clear();
    let why = if shrunk.finished { "nothing more can go" } else { "its time is up" };
    let (from, to) = (scenario.steps.len(), shrunk.scenario.steps.len());
    let (tries, took) = (shrunk.tries, start.elapsed());
    eprintln!("shrunk from {from} steps to {to} in {tries} tries, {took:.1?}: {why}");
    Ok(shrunk)
}

/// Moves a failure's file to scenarios/found/, where `cargo test` plays it from now on.
#[derive(Args)]
pub struct Adopt {
    /// A file that a failure left.
    file: PathBuf,
}

impl Adopt {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a scenario not be played.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let adopted = failures::adopt::<S>(&self.file, Path::new(failures::ADOPTED))?;
        println!("{}", adopted.file.display());
        match (&adopted.snapshot, &adopted.violation) {
            (Some(snapshot), _) => println!("{}", snapshot.display()),
            (None, Some(violation)) => eprintln!(
                "it still breaks {}: cargo test fails until that is mended; adopt it again then for \
                 its snapshot",
                violation.invariant
            ),
            (None, None) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Plays every scenario file on every backend and compares what their actors see.
#[derive(Args)]
pub struct Scenarios {
    /// Where the files are.
    #[arg(default_value = "scenarios")]
    directory: PathBuf,
    /// Only these backends; all unless given.
    #[arg(long, value_enum)]
    backend: Vec<Backend>,
}

/// How a file fared on a backend.
enum Fate<S: System> {
    Passed(Box<Outcome<S>>),
    Skipped(String),
    Broke(Box<Outcome<S>>),
}

impl Scenarios {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a scenario not be played.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let all = [Backend::Message, Backend::Simulated, Backend::Real];
        let backends = if self.backend.is_empty() { &all[..] } else { &self.backend };
        let files = failures::scenarios_in(&self.directory)
            .with_context(|| format!("cannot read {}", self.directory.display()))?;
        anyhow::ensure!(!files.is_empty(), "{}: no scenarios", self.directory.display());
        let read = files.into_iter().map(|file| Ok((scenario::read_file::<S>(&file)?, file)));
        let scenarios = read.collect::<Result<Vec<_>, scenario::InvalidScenario>>()?;
        let mut worst = 0;
        // Real time passes on one of the backends, so several files play at once.
        for together in scenarios.chunks(AT_ONCE) {
            let fates = std::thread::scope(|scope| {
                let play = |(scenario, file): &'_ (Scenario<S>, PathBuf)| {
                    let (scenario, file) = (scenario.clone(), file.clone());
                    scope.spawn(move || {
                        backends.iter().map(|b| (*b, fate(&file, &scenario, *b))).collect()
                    })
                };
                let playing: Vec<_> = together.iter().map(play).collect();
                let joined = playing.into_iter().map(|thread| thread.join());
                joined.map(|fates| fates.expect("a run catches panics")).collect::<Vec<Fates<S>>>()
            });
            for ((scenario, file), fates) in together.iter().zip(fates) {
                worst = worst.max(compare(file, scenario, fates));
            }
        }
        Ok(ExitCode::from(worst))
    }
}

/// How many files play at the same time.
const AT_ONCE: usize = 16;

type Fates<S> = Vec<(Backend, Fate<S>)>;

fn fate<S: System>(file: &Path, scenario: &Scenario<S>, backend: Backend) -> Fate<S> {
    match failures::play_file(file, scenario, backend) {
        Err(skipped) => Fate::Skipped(skipped.reason),
        Ok(outcome) if outcome.violation.is_some() => Fate::Broke(Box::new(outcome)),
        Ok(outcome) => Fate::Passed(Box::new(outcome)),
    }
}

/// Prints a line for each backend; the exit code is the answer.
fn compare<S: System>(file: &Path, scenario: &Scenario<S>, fates: Fates<S>) -> u8 {
    let mut worst = 0;
    let mut expected = failures::snapshot_beside(file);
    for (backend, fate) in fates {
        let said = match fate {
            Fate::Skipped(reason) => format!("skipped: {reason}"),
            Fate::Broke(outcome) => {
                let replay =
                    format!("{} replay {} --backend {backend}", S::COMMAND, file.display());
                eprintln!("{}", report::failure(&outcome, &replay));
                worst = worst.max(super::exit_code_of(&outcome));
                outcome
                    .violation
                    .map_or_else(String::new, |v: Violation<S>| format!("BROKE {}", v.invariant))
            }
            Fate::Passed(outcome) => {
                let (code, said) = passed(scenario, backend, &outcome, &mut expected);
                worst = worst.max(code);
                said
            }
        };
        println!("{:<60} {:<10} {said}", file.display(), backend.to_string());
    }
    worst
}

/// What is said of a run that broke nothing, and its exit code. The first is what later ones are
/// compared with where the file has no snapshot.
fn passed<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    outcome: &Outcome<S>,
    expected: &mut Option<String>,
) -> (u8, String) {
    let seen = untimed(&outcome.events);
    let (code, mut said) = match expected {
        _ if failures::may_differ(scenario, backend) => {
            (0, "passed; what is seen may differ".to_owned())
        }
        Some(expected) if *expected != seen => {
            (2, format!("DIFFERS\n{}", first_difference(expected, &seen)))
        }
        Some(_) => (0, "passed, as expected".to_owned()),
        None => {
            *expected = Some(seen);
            (0, "passed".to_owned())
        }
    };
    if let Some(tries) = report::earlier_tries(&outcome.standstills) {
        said.push_str(&format!(", {tries}"));
    }
    (code, said)
}

fn first_difference(expected: &str, seen: &str) -> String {
    let (mut one, mut other) = (expected.lines(), seen.lines());
    loop {
        match (one.next(), other.next()) {
            (Some(one), Some(other)) if one == other => {}
            (one, other) => {
                let text = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return format!("    expected {}\n    seen     {}", text(one), text(other));
            }
        }
    }
}
