//! `run`: a seed, or a campaign of many.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::outputs::{Output, Outputs};
use super::progress::{Progress, Ticker};
use super::replay::Trace;
use super::{corpus, cpu_time, files, night, play};
use crate::System;
use crate::backend::{self, Backend, Outcome};
use crate::campaign::{self, Findings, Plan, ShrunkFile, Stopped, Verdict, Watcher};
use crate::failures;
use crate::interrupt;
use crate::report::{self, Pace, Results};
use crate::run::Keep;
use crate::scenario::{self, Scenario};
use crate::seeds::{Seeds, Shard};
use crate::verdict::check_same;
use anstream::println;
use anyhow::ensure;
use clap::Args;
use clap::builder::RangedU64ValueParser;

/// Seeds of a campaign that is bounded by nothing else.
const SEEDS: Range<u64> = 0..200;
/// How long the shrinking of one failure may take.
const SHRINK: Duration = Duration::from_secs(30);
/// How many failures that are alike get a line of their own, after the first.
const AGAIN_MAX: usize = 3;

/// What nothing but a campaign does.
const OF_CAMPAIGNS: [&str; 9] = [
    "jobs",
    "fail_fast",
    "budget",
    "shrink",
    "shard",
    "until_saturated",
    "junit",
    "format",
    "guided",
];

/// Plays a seed, or a campaign of many.
#[derive(Args)]
pub struct Run<S: System> {
    /// A up to B, B left out, or A.. for all from A on; 0..200 unless given, without end with --budget or
    /// --until-saturated.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// What kind of minute each seed makes.
    #[arg(long, value_enum, default_value = report::profile_word::<S>(S::Profile::default()))]
    profile: S::Profile,
    /// What they are played on.
    #[arg(long, value_enum, default_value_t)]
    pub(super) backend: Backend,
    /// One seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints the whole transcript on stdout.
    #[arg(long, requires = "seed", conflicts_with_all = OF_CAMPAIGNS)]
    trace: bool,
    /// The transcript is for people or, with a track for everybody, for ui.perfetto.dev.
    #[arg(long, value_enum, requires = "seed", conflicts_with_all = OF_CAMPAIGNS)]
    trace_format: Option<Trace>,
    /// Writes the run as one HTML page.
    #[arg(long, value_name = "FILE", requires = "seed", conflicts_with_all = OF_CAMPAIGNS)]
    html: Option<PathBuf>,
    /// Threads; all cores unless given.
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    jobs: Option<usize>,
    /// Counts no run after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// Begins no run after this time, such as 60s or 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) budget: Option<Duration>,
    /// How long the shrinking of one failure may take, while the campaign waits, 30s unless given; 0s leaves
    /// failures as they are.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    shrink: Option<Duration>,
    /// Plays one of N shares of the seeds; all shares together find what the whole does.
    #[arg(long, value_name = "I/N", conflicts_with = "until_saturated")]
    shard: Option<Shard>,
    /// Stops when all situations have come up and no new shape has in so many runs.
    #[arg(long, value_name = "RUNS", conflicts_with = "seed",
        value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    until_saturated: Option<u64>,
    /// Changes what brought something new - a situation, one next after another, a shape - and plays that.
    #[arg(long, conflicts_with_all = ["seed", "shard", "until_saturated"])]
    guided: bool,
    /// Begins with the scenarios of this folder.
    #[arg(long, value_name = "DIR", requires = "guided")]
    corpus: Option<PathBuf>,
    /// Leaves what brought something new in this folder, as scenario files.
    #[arg(long, value_name = "DIR", requires = "guided")]
    keep: Option<PathBuf>,
    /// Sweeps a million seeds from N times a million on with every profile, as far as the budget goes, and takes a
    /// census of what fails.
    #[arg(long, value_name = "N", requires = "budget",
        conflicts_with_all = ["seed", "seeds", "profile", "until_saturated", "guided", "fail_fast"])]
    night: Option<u64>,
    /// Adds what was swept to this file, a line of JSON for each profile.
    #[arg(long, value_name = "FILE", requires = "night")]
    pub(super) ledger: Option<PathBuf>,
    /// Plays each seed again in another process and compares every event.
    #[arg(long, conflicts_with_all = OF_CAMPAIGNS, conflicts_with_all = ["trace", "trace_format", "html", "verbose"])]
    check_determinism: bool,
    #[command(flatten)]
    pub(super) outputs: Outputs,
}

impl<S: System> Run<S> {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be written, or the backend cannot play a seed.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let trace = Trace::of(self.trace, self.trace_format);
        match self.seed {
            Some(seed) if trace.is_some() || self.html.is_some() => {
                let page = self.html.as_deref().map(Output::create).transpose()?;
                let command = report::replay_command::<S>(self.profile, self.backend, seed);
                let scenario = S::generate(self.profile, seed);
                play((&scenario, None), self.backend, &command, trace, page)
            }
            Some(_) | None if self.check_determinism => self.check_determinism(self.seeds()?),
            Some(_) | None => match self.night {
                Some(night) => night::sweep(&self, night),
                None => self.campaign(),
            },
        }
    }

    fn seeds(&self) -> anyhow::Result<Range<u64>> {
        let is_bounded =
            self.check_determinism || self.budget.is_none() && self.until_saturated.is_none();
        Ok(match (self.seed, &self.seeds) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(seeds)) => {
                let from = seeds.0.start;
                ensure!(
                    !(is_bounded && seeds.is_endless()),
                    "--seeds {from}.. has no end: say where, as in --seeds {from}..{}, or when, with \
                     --budget or --until-saturated",
                    from.saturating_add(SEEDS.end)
                );
                seeds.0.clone()
            }
            (None, None) if is_bounded => SEEDS,
            (None, None) => 0..u64::MAX,
        })
    }

    pub(super) fn plan(&self, profile: S::Profile, seeds: Range<u64>) -> anyhow::Result<Plan<S>> {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        Ok(Plan {
            profile,
            backend: self.backend,
            seeds,
            shard: self.shard.unwrap_or(Shard::WHOLE),
            jobs: self.jobs.or_else(cores).unwrap_or(1),
            fail_fast: self.fail_fast,
            until_saturated: self.until_saturated,
            guided: self.guided.then(|| self.guided_flags()),
        })
    }

    fn guided_flags(&self) -> String {
        let corpus = self.corpus.as_ref().map(|corpus| format!(" --corpus {}", corpus.display()));
        format!("--guided{}", corpus.unwrap_or_default())
    }

    fn campaign(&self) -> anyhow::Result<ExitCode> {
        ensure!(
            self.backend != Backend::Real || self.shrink.is_none(),
            "--shrink does nothing with --backend real: there, nothing fails the same way twice"
        );
        ensure!(
            self.backend != Backend::Real || !self.guided,
            "--guided does nothing with --backend real: there, nothing comes up the same way twice"
        );
        let plan = self.plan(self.profile, self.seeds()?)?;
        let begun = self.corpus.as_deref().map(corpus::read).transpose()?.unwrap_or_default();
        interrupt::listen();
        let outputs = self.outputs.open()?;
        let (results, pace) = self.play(&plan, self.budget, begun)?;
        outputs.tell::<S>(results, Some(pace))
    }

    /// Plays the plan until its budget is used up, and tells of failures as they come.
    pub(super) fn play(
        &self,
        plan: &Plan<S>,
        budget: Option<Duration>,
        begun: Vec<Scenario<S>>,
    ) -> anyhow::Result<(Results, Pace)> {
        let progress = Progress::begin(plan.runs_max(), budget);
        let cpu_start = cpu_time();
        let stop = || match (interrupt::came(), progress.time_is_up()) {
            (true, _) => Some(Stopped::Interrupted),
            (false, true) => Some(Stopped::TimeUp),
            (false, false) => None,
        };
        let hear = |findings: &mut Findings<S>, outcome: &Outcome<S>| {
            self.tell_failure((plan, &progress), findings, outcome);
            progress.step(findings);
        };
        let watcher = Watcher { stop: &stop, progress: &hear };
        let findings = if self.guided {
            let (findings, won) = campaign::guided(plan, begun, &watcher);
            self.keep.as_deref().map(|keep| corpus::keep(keep, won.new_ones())).transpose()?;
            findings
        } else {
            campaign::run(plan, &watcher)
        };
        let took = progress.end();
        let cpu = cpu_time().zip(cpu_start).map(|(end, start)| end.saturating_sub(start));
        Ok((Results::of(&findings, plan), Pace { took, cpu }))
    }

    /// Tells the whole story of a failure unless one like it was told.
    fn tell_failure(
        &self,
        (plan, progress): (&Plan<S>, &Progress),
        findings: &mut Findings<S>,
        outcome: &Outcome<S>,
    ) {
        let Some(failure) = findings.failures.get(&outcome.seed) else { return };
        let replay = report::failure_command(failure, plan);
        let (seed, invariant) = (outcome.seed, failure.violation.invariant);
        if !failure.outcome.events.is_empty() {
            progress.say(&format!("seed {seed} breaks {invariant}: {replay}"));
            let scenario = failure.scenario.clone();
            let scenario = scenario.unwrap_or_else(|| S::generate(plan.profile, seed));
            let left = self.leave_file(seed, &scenario).unwrap_or_else(|error| {
                progress.say(&format!("it stays as it is: {error:#}"));
                None
            });
            match &left {
                None => progress.say(&report::failure(outcome, &replay)),
                Some((_, story)) => progress.say(story),
            }
            if let Some(failure) = findings.failures.get_mut(&seed) {
                failure.shrunk = left.map(|(shrunk, _)| shrunk);
            }
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
    fn leave_file(
        &self,
        seed: u64,
        scenario: &Scenario<S>,
    ) -> anyhow::Result<Option<(ShrunkFile<S>, String)>> {
        // What was changed is no seed's scenario: without a file it would be lost.
        let is_left = self.guided || self.shrink.is_none_or(|budget| !budget.is_zero());
        if self.backend == Backend::Real || !is_left {
            return Ok(None);
        }
        let shrunk = files::shrink(scenario, self.backend, self.shrink.unwrap_or(SHRINK))?;
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
        let replay = report::replay_file_command::<S>(&file, self.backend);
        let settings = scenario::settings(&shrunk.scenario).into_iter();
        let steps = shrunk.scenario.steps.iter().map(ToString::to_string);
        let lines = settings.chain(steps).map(|line| format!("         {line}\n"));
        // What was shrunk has a seed of its own, which nobody asked for.
        let outcome = Outcome { seed, ..shrunk.outcome };
        let story = report::failure(&outcome, &replay);
        let told = format!("{story}scenario {}\n{}", file.display(), lines.collect::<String>());
        Ok(Some((ShrunkFile { file, outcome }, told)))
    }

    fn check_determinism(&self, seeds: Range<u64>) -> anyhow::Result<ExitCode> {
        if seeds.is_empty() {
            println!("no seed was played: this proves nothing");
            return Ok(ExitCode::from(Verdict::Unplayed.exit_code()));
        }
        let program = std::env::current_exe()?;
        let count = Arc::new(AtomicUsize::new(0));
        let played = count.clone();
        let _ticker = Ticker::begin(move |elapsed| {
            format!("{:.0} s: {} seeds", elapsed.as_secs_f64(), played.load(Ordering::Relaxed))
        });
        for seed in seeds {
            let scenario = S::generate(self.profile, seed);
            let here: Outcome<S> = backend::play(&scenario, self.backend, Keep::All)?;
            let replay = report::replay_command::<S>(self.profile, self.backend, seed);
            let verdict = report::verdict(&here, &replay);
            let here = format!("{}{verdict}\n", S::transcript(&here.events));
            let there = std::process::Command::new(&program)
                .args(S::WITHIN)
                .args(["run", "--trace", "--seed", &seed.to_string()])
                .args(["--profile", &report::profile_word::<S>(self.profile)])
                .args(["--backend", &self.backend.to_string()])
                .output()?;
            // The transcript is on stdout, the report on stderr.
            let there = [there.stdout, there.stderr].concat();
            let there = String::from_utf8_lossy(&there);
            if let Err(violation) = check_same::<S>(&here, &there) {
                println!("seed {seed} breaks {}, {}", violation.invariant, violation.evidence);
                return Ok(ExitCode::from(4));
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
        println!("every seed played the same in two processes");
        Ok(ExitCode::SUCCESS)
    }
}
