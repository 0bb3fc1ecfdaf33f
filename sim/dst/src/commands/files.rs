//! The commands about scenario files: shrink, adopt, scenarios, schema.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::progress::Ticker;
use crate::System;
use crate::backend::{Backend, Outcome};
use crate::campaign::Verdict;
use crate::failures::{self, Origin};
use crate::history::untimed;
use crate::interrupt;
use crate::report;
use crate::scenario::{self, Scenario};
use crate::verdict::Violation;
use anstream::{eprintln, println};
use anyhow::Context;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Shrinks a scenario that fails and leaves the result in failures/.
#[derive(Args)]
pub struct Shrink {
    /// A scenario that fails.
    pub(super) file: PathBuf,
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
        interrupt::listen();
        let shrunk = shrink(&scenario, self.backend, self.budget)?;
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
        let replay = report::replay_file_command::<S>(&file, self.backend);
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
        start.elapsed() >= budget || interrupt::came()
    })?;
    bar.finish_and_clear();
    let why = match (shrunk.finished, interrupt::came()) {
        (true, _) => "nothing more can go",
        (false, true) => "Ctrl-C",
        (false, false) => "its time is up",
    };
    let (from, to) = (scenario.steps.len(), shrunk.scenario.steps.len());
    let (tries, took) = (shrunk.tries, start.elapsed());
    eprintln!("shrunk from {from} steps to {to} in {tries} tries, {took:.1?}: {why}");
    Ok(shrunk)
}

/// Moves a failure's file to scenarios/found/, where `cargo test` plays it from now on.
#[derive(Args)]
pub struct Adopt {
    /// A file that a failure left.
    pub(super) file: PathBuf,
    /// It may go on to fail as it does, for this reason: `cargo test` fails if it does not.
    #[arg(long, value_name = "REASON", value_parser = NonEmptyStringValueParser::new())]
    expect_failure: Option<String>,
}

impl Adopt {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a scenario not be played.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let found = Path::new(S::SCENARIOS).join("found");
        let directories = (Path::new(failures::DIRECTORY), found.as_path());
        let adopted =
            failures::adopt::<S>(&self.file, self.expect_failure.as_deref(), directories)?;
        let (from, to) = (self.file.display(), adopted.file.display());
        match adopted.origin {
            Origin::Moved => println!("moved {from} to {to}"),
            Origin::Copied => println!("copied {from} to {to}"),
            Origin::Itself => println!("wrote {to} again"),
        }
        match (&adopted.snapshot, &adopted.violation) {
            (Some(snapshot), _) => {
                println!("wrote {}: what its actors see from now on", snapshot.display());
            }
            (None, Some(violation)) if let Some(reason) = &adopted.reason => {
                println!("it is expected to break {} from now on: {reason}", violation.invariant);
            }
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
    /// Where the files are; where the project has them unless given.
    directory: Option<PathBuf>,
    /// Only these backends; all unless given.
    #[arg(long, value_enum)]
    backend: Vec<Backend>,
}

/// How a file fared on a backend.
enum Fate<S: System> {
    Passed(Box<Outcome<S>>),
    Skipped(String),
    Broke(Box<Outcome<S>>),
    /// It was expected to fail: the reason, or what came of it instead.
    Known(Result<String, String>),
}

impl Scenarios {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a scenario not be played.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let all = [Backend::Message, Backend::Simulated, Backend::Real];
        let backends = if self.backend.is_empty() { &all[..] } else { &self.backend };
        let directory = self.directory.as_deref().unwrap_or(Path::new(S::SCENARIOS));
        let files = failures::scenarios_in(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        anyhow::ensure!(!files.is_empty(), "{}: no scenarios", directory.display());
        let read = files.into_iter().map(|file| Ok((scenario::read_file::<S>(&file)?, file)));
        let scenarios = read.collect::<Result<Vec<_>, scenario::InvalidScenario>>()?;
        let done = Arc::new(AtomicUsize::new(0));
        let (of, played) = (scenarios.len(), done.clone());
        let ticker = Ticker::begin(move |elapsed| {
            let played = played.load(Ordering::Relaxed);
            format!("{:.0} s: {played} of {of} files", elapsed.as_secs_f64())
        });
        let mut tally = Tally::default();
        // Real time passes on one of the backends, so several files play at once.
        for together in scenarios.chunks(AT_ONCE) {
            let fates = std::thread::scope(|scope| {
                let play = |(scenario, file): &'_ (Scenario<S>, PathBuf)| {
                    let (scenario, file, done) = (scenario.clone(), file.clone(), done.clone());
                    scope.spawn(move || {
                        let fates = backends.iter().map(|b| (*b, fate(&file, &scenario, *b)));
                        let fates = fates.collect();
                        done.fetch_add(1, Ordering::Relaxed);
                        fates
                    })
                };
                let playing: Vec<_> = together.iter().map(play).collect();
                let joined = playing.into_iter().map(|thread| thread.join());
                joined.map(|fates| fates.expect("a run catches panics")).collect::<Vec<Fates<S>>>()
            });
            for ((scenario, file), fates) in together.iter().zip(fates) {
                compare(file, scenario, fates, &mut tally);
            }
        }
        drop(ticker);
        println!("{}", tally.verdict(scenarios.len()));
        Ok(ExitCode::from(tally.exit_code()))
    }
}

/// What became of the runs.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: usize,
    known: usize,
    worst: u8,
}

impl Tally {
    fn fail(&mut self, code: u8) {
        self.failed += 1;
        self.worst = self.worst.max(code);
    }

    const fn exit_code(&self) -> u8 {
        let has_played = self.passed + self.failed + self.known > 0;
        if has_played { self.worst } else { Verdict::Unplayed.exit_code() }
    }

    fn verdict(&self, files: usize) -> String {
        let Self { passed, skipped, failed, known, .. } = self;
        let mut numbers = format!("{passed} runs passed, {failed} failed, {skipped} skipped");
        if *known > 0 {
            numbers.push_str(&format!(", {known} failed as they are expected to"));
        }
        let (verdict, next) = match (failed, passed + known) {
            (0, 0) => ("VOID     nothing was played", "choose another --backend"),
            (0, _) => ("PASSED   every file does what it says", ""),
            _ => (
                "FAILED   not every file does what it says",
                "the lines above say which, and how to replay them",
            ),
        };
        let next = if next.is_empty() { String::new() } else { format!("\nnext     {next}") };
        format!("\n{verdict}: {files} files, {numbers}{next}")
    }
}

/// How many files play at the same time.
const AT_ONCE: usize = 16;

type Fates<S> = Vec<(Backend, Fate<S>)>;

fn fate<S: System>(file: &Path, scenario: &Scenario<S>, backend: Backend) -> Fate<S> {
    match failures::play_file(file, scenario, backend) {
        Err(skipped) => Fate::Skipped(skipped.reason),
        Ok(outcome) if let Some(known) = failures::expected(scenario, backend, &outcome) => {
            Fate::Known(known)
        }
        Ok(outcome) if outcome.violation.is_some() => Fate::Broke(Box::new(outcome)),
        Ok(outcome) => Fate::Passed(Box::new(outcome)),
    }
}

/// Prints a line for each backend.
fn compare<S: System>(file: &Path, scenario: &Scenario<S>, fates: Fates<S>, tally: &mut Tally) {
    let mut expected = failures::snapshot_beside(file);
    for (backend, fate) in fates {
        let replay = report::replay_file_command::<S>(file, backend);
        let said = match fate {
            Fate::Skipped(reason) => {
                tally.skipped += 1;
                format!("skipped: {reason}")
            }
            Fate::Known(Ok(reason)) => {
                tally.known += 1;
                format!("may fail: {reason}")
            }
            Fate::Known(Err(instead)) => {
                tally.fail(Verdict::Unsafe.exit_code());
                format!("UNEXPECTED: {instead}")
            }
            Fate::Broke(outcome) => {
                eprintln!("{}", report::failure(&outcome, &replay));
                tally.fail(super::exit_code_of(&outcome));
                outcome
                    .violation
                    .map_or_else(String::new, |v: Violation<S>| format!("BROKE {}", v.invariant))
            }
            Fate::Passed(outcome) => match passed(scenario, backend, &outcome, &mut expected) {
                Ok(said) => {
                    tally.passed += 1;
                    said
                }
                Err(difference) => {
                    tally.fail(Verdict::Unsafe.exit_code());
                    format!("DIFFERS\n{difference}\n    replay   {replay} --trace")
                }
            },
        };
        println!("{:<60} {:<10} {said}", file.display(), backend.to_string());
    }
}

/// What is said of a run that broke nothing, or else the first difference. The first run is what later ones
/// are compared with where the file has no snapshot.
fn passed<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    outcome: &Outcome<S>,
    expected: &mut Option<String>,
) -> Result<String, String> {
    let seen = untimed(&outcome.events);
    let mut said = match expected {
        _ if failures::may_differ(scenario, backend) => {
            "passed; what is seen may differ".to_owned()
        }
        Some(expected) if *expected != seen => return Err(first_difference(expected, &seen)),
        Some(_) => "passed, as expected".to_owned(),
        None => {
            *expected = Some(seen);
            "passed".to_owned()
        }
    };
    if let Some(tries) = report::earlier_tries(&outcome.standstills) {
        said.push_str(&format!(", {tries}"));
    }
    Ok(said)
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
