//! `run`: a seed, or a campaign of many.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::progress::Progress;
use super::{cpu_time, files, play};
use crate::System;
use crate::backend::{self, Backend, Outcome};
use crate::campaign::{self, Findings, Plan, Watcher};
use crate::failures;
use crate::report;
use crate::run::Keep;
use crate::scenario;
use crate::seeds::{Seeds, Shard};
use crate::verdict::check_same;
use anstream::{print, println};
use anyhow::Context;
use clap::{Args, ValueEnum};

/// Seeds of a campaign that is bounded by nothing else.
const SEEDS: Range<u64> = 0..200;
/// How many failures that are alike get a line of their own, after the first.
const AGAIN_MAX: usize = 3;

/// Plays a seed, or a campaign of many.
#[derive(Args)]
pub struct Run<S: System> {
    /// A up to B, B left out; 0..200 unless given, without end with --budget or --until-saturated.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// What kind of minute each seed makes.
    #[arg(long, value_enum, default_value_t)]
    profile: S::Profile,
    /// What they are played on.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// One seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the whole transcript on stdout.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Writes the run as one HTML page.
    #[arg(long, value_name = "FILE", requires = "seed", conflicts_with = "check_determinism")]
    html: Option<PathBuf>,
    /// Threads; all cores unless given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Counts no run after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// Begins no run after this time, such as 60s or 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// How long the shrinking of one failure may take, while the campaign waits; 0s leaves failures as
    /// they are.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    shrink: Duration,
    /// Plays one of N shares of the seeds; all shares together find what the whole does.
    #[arg(long, value_name = "I/N", conflicts_with = "until_saturated")]
    shard: Option<Shard>,
    /// Stops when all situations have come up and no new shape has in so many runs.
    #[arg(long, value_name = "RUNS", conflicts_with = "seed")]
    until_saturated: Option<u64>,
    /// Plays each seed again in another process and compares every event.
    #[arg(long, conflicts_with = "trace")]
    check_determinism: bool,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes what was found for programs that read JUnit.
    #[arg(long, value_name = "FILE", conflicts_with = "check_determinism")]
    junit: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl<S: System> Run<S> {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be written, or the backend cannot play a seed.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.seed {
            Some(seed) if self.trace || self.html.is_some() => {
                let command = report::replay_command::<S>(self.profile, self.backend, seed);
                let scenario = S::generate(self.profile, seed);
                play(&scenario, self.backend, &command, self.trace, self.html.as_deref())
            }
            Some(_) | None if self.check_determinism => self.check_determinism(self.seeds()),
            Some(_) | None => self.campaign(),
        }
    }

    fn seeds(&self) -> Range<u64> {
        let bounded =
            self.check_determinism || self.budget.is_none() && self.until_saturated.is_none();
        match (self.seed, &self.seeds) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(seeds)) => seeds.0.clone(),
            (None, None) if bounded => SEEDS,
            (None, None) => 0..u64::MAX,
        }
    }

    fn plan(&self) -> Plan<S> {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        Plan {
            profile: self.profile,
            backend: self.backend,
            seeds: self.seeds(),
            shard: self.shard.unwrap_or(Shard::WHOLE),
            jobs: self.jobs.or_else(cores).unwrap_or(1),
            fail_fast: self.fail_fast,
            until_saturated: self.until_saturated,
        }
    }

    fn campaign(&self) -> anyhow::Result<ExitCode> {
        let plan = self.plan();
        let progress = Progress::begin(plan.runs_max(), self.budget);
        let cpu_start = cpu_time();
        let findings = campaign::run(
            &plan,
            &Watcher {
                time_is_up: &|| progress.time_is_up(),
                progress: &|findings, outcome| {
                    self.tell_failure(&progress, findings, outcome);
                    progress.step(findings);
                },
            },
        );
        progress.end();
        let cpu = cpu_time().zip(cpu_start).map(|(end, start)| end.saturating_sub(start));
        match self.format {
            Format::Text => {
                print!("{}", report::summary(&findings, &plan, progress.elapsed(), cpu));
            }
            Format::Json => println!("{}", report::json(&findings, &plan)),
        }
        if let Some(file) = &self.junit {
            std::fs::write(file, report::junit(&findings, &plan)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
            eprint!("{}", report::annotations(&findings, &plan));
        }
        Ok(ExitCode::from(findings.verdict(&plan).exit_code()))
    }

    /// Tells the whole story of a failure unless one like it was told.
    fn tell_failure(&self, progress: &Progress, findings: &Findings<S>, outcome: &Outcome<S>) {
        let Some(failure) = findings.failures.get(&outcome.seed) else { return };
        let replay = report::replay_command::<S>(self.profile, self.backend, outcome.seed);
        let (seed, invariant) = (outcome.seed, failure.violation.invariant);
        if !failure.outcome.events.is_empty() {
            progress.say(&format!("seed {seed} breaks {invariant}: {replay}"));
            let shrunk = self.leave_file(seed);
            progress.say(&shrunk.unwrap_or_else(|| report::failure(outcome, &replay)));
            return;
        }
        let alike = findings.failures.values().filter(|other| other.is_like(failure));
        let again = alike.count() - 1;
        if again <= AGAIN_MAX {
            let more = if again == AGAIN_MAX { "; more are only counted" } else { "" };
            let by = &failure.broken_by;
            progress.say(&format!("seed {seed}: {invariant} again, broken by {by}{more}"));
        }
    }

    /// Shrinks the failure of a seed, leaves its file, and tells the story of that; where time is
    /// real, nothing fails the same way twice.
    fn leave_file(&self, seed: u64) -> Option<String> {
        if self.backend == Backend::Real || self.shrink.is_zero() {
            return None;
        }
        let scenario = S::generate(self.profile, seed);
        let shrunk = files::shrink(&scenario, self.backend, self.shrink).ok()?;
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk).ok()?;
        let replay = format!("{} replay {} --backend {}", S::COMMAND, file.display(), self.backend);
        let settings = scenario::settings(&shrunk.scenario).into_iter();
        let steps = shrunk.scenario.steps.iter().map(ToString::to_string);
        let lines = settings.chain(steps).map(|line| format!("         {line}\n"));
        // What was shrunk has a seed of its own, which nobody asked for.
        let story = report::failure(&Outcome { seed, ..shrunk.outcome }, &replay);
        Some(format!("{story}scenario {}\n{}", file.display(), lines.collect::<String>()))
    }

    fn check_determinism(&self, seeds: Range<u64>) -> anyhow::Result<ExitCode> {
        let program = std::env::current_exe()?;
        for seed in seeds {
            let scenario = S::generate(self.profile, seed);
            let here: Outcome<S> = backend::play(&scenario, self.backend, Keep::All)?;
            let replay = report::replay_command::<S>(self.profile, self.backend, seed);
            let verdict = report::verdict(&here, &replay);
            let here = format!("{}{verdict}\n", S::transcript(&here.events));
            let there = std::process::Command::new(&program)
                .args(["run", "--trace", "--seed", &seed.to_string()])
                .args(["--profile", &format!("{:?}", self.profile).to_lowercase()])
                .args(["--backend", &self.backend.to_string()])
                .output()?;
            // The transcript is on stdout, the report on stderr.
            let there = [there.stdout, there.stderr].concat();
            let there = String::from_utf8_lossy(&there);
            if let Err(violation) = check_same::<S>(&here, &there) {
                println!("seed {seed} breaks {}, {}", violation.invariant, violation.evidence);
                return Ok(ExitCode::from(4));
            }
        }
        println!("every seed played the same in two processes");
        Ok(ExitCode::SUCCESS)
    }
}
