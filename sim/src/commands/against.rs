//! `against`: storms, scenario files and stories of failures, against a hub that runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anstream::{eprintln, println};
use anyhow::{Context, bail, ensure};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use dst::campaign::{DistinctFailure, Findings, Stopped, Watcher};
use dst::commands::{Ticker, now, to_stdout};
use dst::scenario::Progress;
use dst::seeds::Seeds;
use dst::verdict::Invariant as _;
use dst::{failures, interrupt, report};
use signal_hub_sim::against::{
    self, AnyHub, Break, Fate, Outcome, Place, Played, Promise, Results, Scenario, Shrinker, Small,
    Storms, Target, Times, Tongue, Violation,
};
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::scenario::Profile;

use super::Pages;

/// Tests a hub from outside: one that runs, or one that is started for each run.
#[derive(Args)]
pub struct Against {
    /// Where the hub listens, as ws://127.0.0.1:9000/ws.
    #[arg(required_unless_present = "exec", conflicts_with = "exec")]
    url: Option<String>,
    /// Starts the hub for each run, without a shell; {port} becomes a free port, and {config} a file with a scenario's
    /// settings of this project's hub.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// The path of the WebSocket of a hub that --exec starts.
    #[arg(long, default_value = "/ws", requires = "exec")]
    path: String,
    /// Makes faults to a hub on another machine, if that is its very host.
    #[arg(long, value_name = "HOST")]
    allow_remote: Option<String>,
    /// What translates, as docs/DIALECTS.md says; the protocol of this project unless given.
    #[arg(long, value_name = "COMMAND")]
    dialect: Option<String>,
    /// What the hub does not promise, though its dialect does.
    #[arg(long, value_name = "PROMISE,..", value_delimiter = ',', value_parser = promise)]
    without: Vec<Promise>,
    /// For how long an address that nobody is at keeps its subscriptions.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    resume_window: Option<Duration>,
    /// After how much silence the hub ends a session.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,
    /// How long the hub may take for what it does at once: a hub that is slow is not broken.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    patience: Option<Duration>,
    /// How long the hub may take until it listens.
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "exec", value_parser = humantime::parse_duration)]
    start_within: Duration,
    /// Operations a second, of all clients of a run together.
    #[arg(long, default_value_t = 10_000, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    rate: u32,
    /// What the hub is called in reports; its URL or its command unless given.
    #[arg(long)]
    name: Option<String>,
    /// Plays scenario files, and tells of each rule.
    #[arg(long, conflicts_with_all = ["replay", "profile", "seeds", "lasts", "budget"])]
    conform: bool,
    /// The files, or folders of files, that --conform plays.
    #[arg(long, value_name = "PATH", requires = "conform", default_value = "scenarios")]
    files: Vec<PathBuf>,
    /// Plays one file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "seeds", "lasts", "budget"])]
    replay: Option<PathBuf>,
    /// Prints the whole transcript on stdout.
    #[arg(long, requires = "replay")]
    trace: bool,
    /// What kind of storms are played.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Which seeds: A up to B, B left out.
    #[arg(long, value_name = "A..B", default_value = "0..20")]
    seeds: Seeds,
    /// How long the steps of each storm last.
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// Begins no storm after this time.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// Runs at the same time: most of a run is waiting.
    #[arg(long, default_value_t = 16, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    jobs: usize,
    /// Begins no storm after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// How long the shrinking of one failure may take; 0s leaves failures as they are.
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    shrink: Duration,
    /// How often each candidate is tried, and a file that broke something.
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    tries: usize,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pages: Pages,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each rule and each file.
    Text,
    /// All results.
    Json,
}

/// A promise by its word.
fn promise(word: &str) -> Result<Promise, String> {
    Promise::ALL.into_iter().find(|promise| promise.to_string() == word).ok_or_else(|| {
        let all = Promise::ALL.map(|promise| promise.to_string());
        format!("there are {}", all.join(", "))
    })
}

impl Against {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If the hub or its dialect does not start, or a file cannot be read or written.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let target = Arc::new(self.target()?);
        interrupt::listen();
        let results = if let Some(file) = &self.replay {
            self.replay(file, &target)
        } else if self.conform {
            self.conform(&target)
        } else {
            self.storms(&target)
        };
        against::end_all();
        let results = results?;
        match self.format {
            Format::Text => print(&results.text()),
            Format::Json => print(&results.json()),
        }
        self.pages.write(std::slice::from_ref(&results))?;
        Ok(ExitCode::from(results.exit_code))
    }

    fn target(&self) -> anyhow::Result<Target> {
        let place = match (&self.url, &self.exec) {
            (Some(url), _) => Place::running(url, self.allow_remote.as_deref())?,
            (None, Some(command)) => Place::command(command, &self.path)?,
            (None, None) => bail!("name a hub: its URL, or --exec COMMAND"),
        };
        let tongue = match &self.dialect {
            Some(command) => Tongue::Child(against::words(command)?),
            None => Tongue::Own,
        };
        let mut target = Target::new(place, tongue);
        target.without = self.without.iter().copied().collect();
        let (resume_window, idle_timeout, patience) =
            (self.resume_window, self.idle_timeout, self.patience);
        target.times = Times { resume_window, idle_timeout, patience };
        (target.start_within, target.rate) = (self.start_within, self.rate);
        Ok(target)
    }

    fn results(&self, played: String) -> Results {
        let place = self.url.as_deref().or(self.exec.as_deref()).unwrap_or_default();
        let hub = self.name.as_deref().unwrap_or(place);
        Results::of(hub, self.dialect.as_deref().unwrap_or("signal-hub"), played)
    }

    /// What this was started with, as far as it says which hub.
    fn command(&self) -> String {
        let quoted = |text: &str| against::quoted(text);
        let mut command = "cargo sim against".to_owned();
        let mut add =
            |flag: &str, value: &str| command.push_str(&format!(" {flag} {}", quoted(value)));
        self.exec.iter().for_each(|exec| add("--exec", exec));
        if self.path != "/ws" {
            add("--path", &self.path);
        }
        self.allow_remote.iter().for_each(|host| add("--allow-remote", host));
        self.dialect.iter().for_each(|dialect| add("--dialect", dialect));
        let without: Vec<String> = self.without.iter().map(ToString::to_string).collect();
        if !without.is_empty() {
            add("--without", &without.join(","));
        }
        let url = self.url.iter().map(|url| format!(" {}", quoted(url))).collect::<String>();
        command + &url
    }

    fn storms(&self, target: &Arc<Target>) -> anyhow::Result<Results> {
        let storms = Storms::of(target, self.profile, self.lasts)?;
        ensure!(
            !self.seeds.is_endless() || self.budget.is_some(),
            "--seeds: say where they end, or when, with --budget"
        );
        let (start, failed) = (now(), Arc::new(AtomicUsize::new(0)));
        let (done, of) = (Arc::new(AtomicUsize::new(0)), self.seeds.0.end - self.seeds.0.start);
        let ticker = {
            let (done, failed) = (done.clone(), failed.clone());
            Ticker::begin(move |elapsed| {
                let (done, failed) = (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
                format!("{:.0} s: {done} of {of} storms, {failed} failed", elapsed.as_secs_f64())
            })
        };
        let time_is_up = || self.budget.is_some_and(|budget| start.elapsed() >= budget);
        let stop = || match (interrupt::came(), time_is_up()) {
            (true, _) => Some(Stopped::Interrupted),
            (false, true) => Some(Stopped::TimeUp),
            (false, false) => None,
        };
        let progress = |findings: &mut Findings<AnyHub>, _: &Outcome| {
            done.store(findings.runs as usize, Ordering::Relaxed);
            failed.store(findings.failures.len(), Ordering::Relaxed);
        };
        let watcher = Watcher { stop: &stop, progress: &progress };
        let findings = storms.play(self.seeds.0.clone(), self.jobs, self.fail_fast, &watcher);
        drop(ticker);
        let mut breaks = Vec::new();
        for failure in findings.distinct_failures() {
            let storm = storms.storm(failure.seeds[0]);
            if self.comes_again(target, &storm, &failure) {
                breaks.push(self.told(target, &storm, &failure)?);
            }
        }
        let profile = report::profile_word::<AnyHub>(self.profile);
        let lasts = humantime::format_duration(self.lasts);
        let played = format!("storms of {profile}, {lasts} each, {} at once", self.jobs);
        let results = self.results(played).with_runs(&findings);
        Ok(results.judged(&storms.promises, &findings.sightings, breaks))
    }

    /// Whether it is no failure of a machine that was busy: what goes by time has to come again.
    fn comes_again(
        &self,
        target: &Arc<Target>,
        storm: &Scenario,
        failure: &DistinctFailure<'_, AnyHub>,
    ) -> bool {
        let (seed, invariant) = (failure.seeds[0], failure.first.violation.invariant);
        if !invariant.goes_by_time() || failure.seeds.len() > 1 {
            return true;
        }
        let violation = &failure.first.violation;
        let comes = self.breaks_again(target, storm, violation) > 0;
        if !comes {
            let tries = self.tries;
            eprintln!("seed {seed} broke {invariant} once, and in none of {tries} more tries");
        }
        comes
    }

    /// Makes a failure small, leaves its file with what the hub said, and tells its story.
    fn told(
        &self,
        target: &Arc<Target>,
        storm: &Scenario,
        failure: &DistinctFailure<'_, AnyHub>,
    ) -> anyhow::Result<(Invariant, Break)> {
        let seed = failure.seeds[0];
        let violation = failure.first.violation.clone();
        let small = self.small(target, storm, &failure.first.outcome);
        let shrunk = small.as_ref().map_or_else(
            || failures::Shrunk {
                scenario: Scenario {
                    why: format!("Seen: {}.", violation.evidence),
                    ..storm.clone()
                },
                storm: storm.clone(),
                tries: 0,
                finished: false,
                outcome: failure.first.outcome.clone(),
            },
            |small| small.shrunk.clone(),
        );
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
        let output = target.output_of(shrunk.scenario.seed).or_else(|| target.output_of(seed));
        let output = output.filter(|output| !output.is_empty());
        if let Some(output) = output {
            let beside = file.with_extension("out");
            std::fs::write(&beside, output)
                .with_context(|| format!("cannot write {}", beside.display()))?;
        }
        let command = against::replay_command(&self.command(), &file);
        let story = report::failure(&shrunk.outcome, &command);
        eprintln!("{story}");
        let tries = small.as_ref().map(|small| (small.broke, against::LAST_TRIES));
        if let Some((broke, of)) = tries {
            eprintln!("tries    broke in {broke} of {of} tries\n");
        }
        let told = Break {
            run: format!("seed {seed}"),
            evidence: violation.evidence,
            count: failure.seeds.len(),
            command,
            steps: Some(shrunk.scenario.steps.len()),
            file: Some(file),
            tries,
            story,
            moments: against::report::moments(&shrunk.outcome),
        };
        Ok((violation.invariant, told))
    }

    fn small(&self, target: &Arc<Target>, storm: &Scenario, outcome: &Outcome) -> Option<Small> {
        if self.shrink.is_zero() {
            return None;
        }
        let start = now();
        let bar = indicatif::ProgressBar::new_spinner();
        let mut time_is_up = |progress: Progress| {
            let Progress { pass, tries, steps } = progress;
            bar.set_message(format!("{pass}: {steps} steps left after {tries} tries"));
            bar.tick();
            start.elapsed() >= self.shrink || interrupt::came()
        };
        let small = Shrinker::new(target, self.tries).shrink(storm, outcome, &mut time_is_up);
        bar.finish_and_clear();
        let small = small?;
        let (from, to) = (storm.steps.len(), small.shrunk.scenario.steps.len());
        let (tries, took) = (small.shrunk.tries, start.elapsed());
        let why = if small.shrunk.finished { "nothing more can go" } else { "its time is up" };
        eprintln!("shrunk from {from} steps to {to} in {tries} tries, {took:.1?}: {why}");
        Some(small)
    }

    fn conform(&self, target: &Arc<Target>) -> anyhow::Result<Results> {
        let (_, promises) = target.speaker(&Default::default())?;
        let mut files = Vec::new();
        for path in &self.files {
            if path.is_dir() {
                let found = failures::scenarios_in(path);
                files.extend(found.with_context(|| format!("cannot read {}", path.display()))?);
            } else {
                files.push(path.clone());
            }
        }
        ensure!(!files.is_empty(), "there are no scenario files in {:?}", self.files);
        let read = files.iter().map(|file| against::read(file, target));
        let scenarios = read.collect::<anyhow::Result<Vec<Scenario>>>()?;
        let (done, of) = (Arc::new(AtomicUsize::new(0)), files.len());
        let played = done.clone();
        let ticker = Ticker::begin(move |elapsed| {
            let played = played.load(Ordering::Relaxed);
            format!("{:.0} s: {played} of {of} files", elapsed.as_secs_f64())
        });
        let heard = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let outcomes = against::play_all(&scenarios, self.jobs, &interrupt::came, &heard);
        drop(ticker);
        let mut findings = Findings::default();
        let mut results = self.results(format!("{of} files"));
        let mut breaks = Vec::new();
        for ((file, scenario), outcome) in files.iter().zip(&scenarios).zip(outcomes) {
            let fate = match outcome {
                None => Fate::Skipped { reason: "it was interrupted".to_owned() },
                Some(Err(skipped)) => Fate::Skipped { reason: skipped.reason },
                Some(Ok(outcome)) => {
                    findings.add(&outcome);
                    match self.broke(target, file, scenario, outcome) {
                        None => Fate::Passed,
                        Some((invariant, broken)) => {
                            breaks.push((invariant, broken));
                            Fate::Broke { code: format!("{invariant:?}") }
                        }
                    }
                }
            };
            if let Fate::Skipped { reason } = &fate {
                results.skipped.insert(file.display().to_string(), reason.clone());
            }
            results.files.push(Played { file: file.clone(), title: scenario.title.clone(), fate });
        }
        Ok(results.with_runs(&findings).judged(&promises, &findings.sightings, breaks))
    }

    fn breaks_again(
        &self,
        target: &Arc<Target>,
        scenario: &Scenario,
        violation: &Violation,
    ) -> usize {
        against::breaks_again(scenario, target, self.tries, violation, &interrupt::came)
    }

    /// A file that broke something is tried again: in how many tries it does is told.
    fn broke(
        &self,
        target: &Arc<Target>,
        file: &Path,
        scenario: &Scenario,
        outcome: Outcome,
    ) -> Option<(Invariant, Break)> {
        let violation = outcome.violation.clone()?;
        let broke = self.breaks_again(target, scenario, &violation);
        if violation.invariant.goes_by_time() && broke == 0 {
            let (file, invariant) = (file.display(), violation.invariant);
            eprintln!("{file}: broke {invariant} once, and in none of {} more tries", self.tries);
            return None;
        }
        let tries = (1 + broke, 1 + self.tries);
        let command = against::replay_command(&self.command(), file);
        let story = report::failure(&outcome, &command);
        eprintln!("{story}\ntries    broke in {} of {} tries\n", tries.0, tries.1);
        let broken = Break {
            run: file.display().to_string(),
            evidence: violation.evidence,
            count: 1,
            command,
            file: Some(file.to_owned()),
            steps: Some(scenario.steps.len()),
            tries: Some(tries),
            story,
            moments: against::report::moments(&outcome),
        };
        Some((violation.invariant, broken))
    }

    fn replay(&self, file: &Path, target: &Arc<Target>) -> anyhow::Result<Results> {
        let (_, promises) = target.speaker(&Default::default())?;
        let scenario = against::read(file, target)?;
        let outcome = against::play(&scenario)?;
        let mut findings = Findings::default();
        findings.add(&outcome);
        if self.trace {
            to_stdout(&report::lines(&outcome.events))?;
        }
        let broken = self.broke(target, file, &scenario, outcome);
        let fate = match &broken {
            Some((invariant, _)) => Fate::Broke { code: format!("{invariant:?}") },
            None => Fate::Passed,
        };
        let mut results = self.results(file.display().to_string());
        results.files.push(Played { file: file.to_owned(), title: scenario.title.clone(), fate });
        let breaks = broken.into_iter().collect();
        Ok(results.with_runs(&findings).judged(&promises, &findings.sightings, breaks))
    }
}

fn print(text: &str) {
    println!("{}", text.trim_end());
}
