//! The trials of a planted program: each is another process, and what it prints is the finding.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dst::report;
use serde::Deserialize;

use super::fate::{Kills, Trial};
use super::patch::{Expectation, Mutant};
use super::said::{broken_file, check_exit, read_scenarios, read_tests};
use super::scratch::Programs;
use crate::SignalHub;
use crate::backend::Backend;
use crate::scenario::Profile;

/// Storms that each mutant gets on the message backend, until what it declares breaks.
pub const MESSAGE_SEEDS: u64 = 200;
/// The same where few mutants are tried quickly.
pub const QUICK_SEEDS: u64 = 20;
/// Storms that it gets on the whole server, of which each takes several times as long.
pub const SIMULATED_SEEDS: u64 = 100;
/// So many are played at a time.
const BATCH: u64 = 20;
/// Storms that both must play alike, until one is not: with an unchanged program, and at most with one
/// whose message backend has drifted.
pub const SAME_SEEDS: u64 = 50;
/// See [`SAME_SEEDS`].
pub const DRIFT_SEEDS: u64 = 2_000;
/// How far is explored: what finds a bug at all finds it within a few moves.
const SIZES: [[&str; 3]; 2] = [
    ["--actors=1", "--connections=2", "--sends=1"],
    ["--actors=2", "--connections=2", "--sends=0"],
];
/// The same for what is wrong with tokens alone.
const WITH_TOKENS: [&str; 3] = ["--actors=2", "--connections=1", "--principals"];
/// How long each of these sizes is explored.
const EXPLORE_BUDGET: Duration = Duration::from_secs(5);
/// Generated cases of each property: a bug that a model sees at all, it sees in a few.
const PROPERTY_CASES: u64 = 64;
/// How long the scenario that shows it may be shrunk.
const SHRINK_BUDGET: Duration = Duration::from_secs(10);
/// The first seed.
const FIRST: u64 = 1;

/// Storms over several hubs, until what it declares breaks; one takes a few milliseconds.
const NODES_SEEDS: u64 = 2_000;
/// So many of them are played at a time.
const NODES_BATCH: u64 = 200;
/// How far two hubs are explored.
const ORDERS: [[&str; 3]; 2] =
    [["--unknown=1", "--pauses=0", "--words=3"], ["--unknown=0", "--pauses=1", "--words=2"]];
/// How long each of these.
const ORDERS_BUDGET: Duration = Duration::from_secs(20);

/// What a mutant is tried on.
pub struct Bench<'a> {
    /// What was built with it in.
    pub programs: Programs,
    /// Which one it is.
    pub mutant: &'a Mutant,
    /// The root of the project, for its scenario files.
    pub source: &'a Path,
    /// Where files are left.
    pub folder: PathBuf,
    /// Threads of a campaign.
    pub jobs: usize,
    /// Storms on the message backend, at most.
    pub message_seeds: u64,
}

#[derive(Deserialize)]
struct Findings {
    runs: u64,
    failures: Vec<Failure>,
}

impl Findings {
    fn kills(&self, first: u64) -> Kills {
        let mut kills = Kills { runs: self.runs, ..Kills::default() };
        for failure in &self.failures {
            kills.add(failure.seed - first + 1, &failure.invariant);
        }
        kills
    }
}

#[derive(Deserialize)]
struct Failure {
    seed: u64,
    invariant: String,
}

#[derive(Deserialize)]
struct Explored {
    found: Option<Found>,
}

#[derive(Deserialize)]
struct Found {
    invariant: String,
}

impl Bench<'_> {
    /// Makes the trial; none if the program does not have it.
    ///
    /// # Errors
    /// If the trial itself fails, so that nothing is known.
    pub fn make(&self, trial: Trial) -> Result<Option<Kills>> {
        let made = match trial {
            Trial::Message => self.storms(Backend::Message, self.message_seeds),
            Trial::Simulated => self.storms(Backend::Simulated, SIMULATED_SEEDS),
            Trial::Exhaustive => self.exploration(),
            Trial::Scenarios => self.scenarios().map(Some),
            Trial::Conversations => self.tests(self.programs.conversations.as_deref(), &[]),
            Trial::Properties => self.properties(),
            Trial::Differential => self.differential(),
            Trial::Nodes => self.nodes(),
            Trial::Orders => self.orders(),
        };
        made.with_context(|| format!("{}, {}", self.mutant.name, trial.word()))
    }

    /// A bug of the hub is the same on both.
    fn differential(&self) -> Result<Option<Kills>> {
        let seeds = match self.mutant.declared() {
            Some("SameOnBackends") => DRIFT_SEEDS,
            None if self.mutant.expect == Expectation::Pass => SAME_SEEDS,
            Some(_) | None => return Ok(None),
        };
        self.campaign(Backend::Both, FIRST, seeds, &["--fail-fast"]).map(Some)
    }

    /// Batch by batch, until what it declares breaks; a drift of the message backend shows in none.
    fn storms(&self, backend: Backend, seeds: u64) -> Result<Option<Kills>> {
        let declared = self.mutant.declared();
        if declared == Some("SameOnBackends") {
            return Ok(None);
        }
        self.in_batches(seeds, BATCH, |first, batch| self.campaign(backend, first, batch, &[]))
    }

    /// Until what it declares breaks.
    fn in_batches(
        &self,
        seeds: u64,
        batch: u64,
        play: impl Fn(u64, u64) -> Result<Kills>,
    ) -> Result<Option<Kills>> {
        let mut kills = Kills::default();
        let is_found = |kills: &Kills| match self.mutant.declared() {
            Some(declared) => kills.first.contains_key(declared),
            None => kills.failed > 0,
        };
        while kills.runs < seeds && !is_found(&kills) {
            kills.go_on(play(FIRST + kills.runs, batch.min(seeds - kills.runs))?);
        }
        Ok(Some(kills))
    }

    fn nodes(&self) -> Result<Option<Kills>> {
        self.in_batches(NODES_SEEDS, NODES_BATCH, |first, batch| {
            let seeds = format!("--seeds={first}..{}", first + batch);
            let jobs = format!("--jobs={}", self.jobs);
            let run = ["nodes", "run", "--backend=message", "--format=json", "--shrink=0s"];
            let output = self.simulator(&[&run[..], &[&seeds, &jobs]].concat())?;
            check_exit(&output, &[0, 2, 3])?;
            let findings: Findings = serde_json::from_slice(&output.stdout)?;
            ensure!(findings.runs == batch, "{} of {batch} seeds were played", findings.runs);
            Ok(findings.kills(first))
        })
    }

    fn orders(&self) -> Result<Option<Kills>> {
        let budget = format!("--budget={}s", ORDERS_BUDGET.as_secs());
        let mut kills = Kills::default();
        for size in ORDERS {
            let explore = ["explore", "--hubs=2", "--format=json", &budget];
            let output = self.simulator(&[&explore[..], &size].concat())?;
            check_exit(&output, &[0, 2])?;
            let explored: Explored = serde_json::from_slice(&output.stdout)?;
            kills.runs += 1;
            let found = explored.found.into_iter();
            found.for_each(|found| kills.add(kills.runs, &found.invariant));
        }
        Ok(Some(kills))
    }

    fn campaign(&self, backend: Backend, first: u64, seeds: u64, more: &[&str]) -> Result<Kills> {
        let arguments = [
            "run",
            "--format=json",
            "--shrink=0s",
            &format!("--backend={backend}"),
            &format!("--profile={}", self.profile()),
            &format!("--seeds={first}..{}", first + seeds),
            &format!("--jobs={}", self.jobs),
        ];
        let output = self.simulator(&[&arguments[..], more].concat())?;
        check_exit(&output, &[0, 2, 3, 6])?;
        let findings: Findings = serde_json::from_slice(&output.stdout)?;
        let is_over = findings.runs == seeds || !(more.is_empty() || findings.failures.is_empty());
        ensure!(is_over, "{} of {seeds} seeds were played", findings.runs);
        Ok(findings.kills(first))
    }

    fn scenarios(&self) -> Result<Kills> {
        Ok(read_scenarios(&self.play_scenarios()?))
    }

    fn play_scenarios(&self) -> Result<String> {
        let output = self.simulator(&[
            "scenarios",
            "scenarios",
            "--backend=message",
            "--backend=simulated",
        ])?;
        check_exit(&output, &[0, 2, 3])?;
        Ok(String::from_utf8(output.stdout)?)
    }

    fn exploration(&self) -> Result<Option<Kills>> {
        if !self.simulator(&["explore", "--help"])?.status.success() {
            return Ok(None);
        }
        let budget = format!("--budget={}s", EXPLORE_BUDGET.as_secs());
        let mut kills = Kills::default();
        let with_tokens = (self.mutant.profile == Profile::Principals).then_some(WITH_TOKENS);
        for size in SIZES.into_iter().chain(with_tokens) {
            let mut explore = Command::new(&self.programs.simulator);
            explore.args(["explore", "--format=json", &budget]).args(size);
            let output = self.output(explore.current_dir(&self.folder))?;
            check_exit(&output, &[0, 2])?;
            let explored: Explored = serde_json::from_slice(&output.stdout)?;
            kills.runs += 1;
            if let Some(found) = explored.found {
                kills.add(kills.runs, &found.invariant);
            }
        }
        Ok(Some(kills))
    }

    /// What is generated apart from storms, which are tried already. Scenario files have a trial of their
    /// own, and the scratch copy has none.
    fn properties(&self) -> Result<Option<Kills>> {
        let others = ["--skip", "every_scenario_file", "--skip", "in_a_storm"];
        self.tests(self.programs.properties.as_deref(), &others)
    }

    fn tests(&self, program: Option<&Path>, arguments: &[&str]) -> Result<Option<Kills>> {
        let Some(program) = program else { return Ok(None) };
        let mut tests = Command::new(program);
        tests.arg("--quiet").args(arguments).env("PROPTEST_CASES", PROPERTY_CASES.to_string());
        let output = self.output(&mut tests)?;
        check_exit(&output, &[0, 101])?;
        Ok(Some(read_tests(&String::from_utf8_lossy(&output.stdout))))
    }

    /// Shrinks the storm of a seed; returns the file of what is left.
    ///
    /// # Errors
    /// If it cannot be played or shrunk.
    pub fn shrink(&self, backend: Backend, run: u64) -> Result<PathBuf> {
        let seed = format!("--seed={}", FIRST + run - 1);
        let profile = format!("--profile={}", self.profile());
        let storm = self.simulator(&["scenario", &seed, &profile])?;
        check_exit(&storm, &[0])?;
        let file = self.folder.join(format!("{}.json", self.mutant.name));
        fs::write(&file, &storm.stdout)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let budget = format!("--budget={}s", SHRINK_BUDGET.as_secs());
        let mut shrink = Command::new(&self.programs.simulator);
        shrink.args(["shrink", &budget, &format!("--backend={backend}")]).arg(&file);
        let output = self.output(shrink.current_dir(&self.folder))?;
        check_exit(&output, &[0])?;
        let shrunk = String::from_utf8(output.stdout)?;
        Ok(self.folder.join(shrunk.trim()))
    }

    /// The first of the scenario files that breaks the declared invariant, or else another one, if any does.
    ///
    /// # Errors
    /// If they cannot be played.
    pub fn broken_file(&self) -> Result<Option<PathBuf>> {
        let said = self.play_scenarios()?;
        let file = broken_file(&said, self.mutant.declared());
        Ok(file.map(|file| self.source.join(file)))
    }

    /// What `explain` says of a scenario that fails, without a storm beside it.
    ///
    /// # Errors
    /// If it says nothing, because the scenario passes.
    pub fn explain(&self, file: &Path) -> Result<String> {
        let folder = self.folder.join("explained");
        let copy = folder.join(format!("{}.json", self.mutant.name));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::copy(file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
        let output = self.simulator(&["explain", &copy.display().to_string()])?;
        check_exit(&output, &[2, 3, 6])?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// As the command line has it.
    pub(super) fn profile(&self) -> String {
        report::profile_word::<SignalHub>(self.mutant.profile)
    }

    fn simulator(&self, arguments: &[&str]) -> Result<Output> {
        let mut program = Command::new(&self.programs.simulator);
        self.output(program.args(arguments).current_dir(self.source))
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        let program = PathBuf::from(command.get_program());
        let output = command.stdin(Stdio::null()).output();
        output.with_context(|| format!("cannot run {}", program.display()))
    }
}
