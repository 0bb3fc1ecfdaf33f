//! Campaigns: what they find depends on the seeds alone, and what they never met is told.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use signal_hub_sim::backend::{self, Backend, Outcome};
use signal_hub_sim::campaign::{
    self, ENFORCED_FROM, Findings, Plan, Played, Stopped, Verdict, Watcher,
};
use signal_hub_sim::invariants::{Invariant, Violation};
use signal_hub_sim::report;
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Profile};
use signal_hub_sim::seeds::Seeds;
use signal_hub_sim::situations::{IMPOSSIBLE, Sightings, Situation};

fn plan(text: &str) -> Plan {
    let seeds: Seeds = text.parse().expect("these are seeds");
    Plan::of(Profile::Swarm, Backend::Message, seeds.0)
}

fn played(plan: &Plan) -> Findings {
    campaign::run(plan, &Watcher::SILENT)
}

/// A run in which nothing happens but what is said.
fn outcome(seed: u64, seen: impl Fn(Situation) -> bool, broken: Option<Invariant>) -> Played {
    Ok(Outcome {
        seed,
        violation: broken.map(|invariant| Violation::new(invariant, "as the test says")),
        events: Vec::new(),
        event_count: 1,
        hub_inputs: 1,
        sightings: Sightings::of_run(seed, |situation| seen(situation).into()),
        shapes: Default::default(),
        simulated: Default::default(),
        standstills: Vec::new(),
        compared_steps: 0,
    })
}

fn all_well(seed: u64) -> Played {
    outcome(seed, |_| true, None)
}

fn found(plan: &Plan, play: &(dyn Fn(u64) -> Played + Sync)) -> Findings {
    campaign::run_with(plan, play, &Watcher::SILENT)
}

#[test]
fn the_shards_together_find_what_the_whole_does() {
    let whole = plan("0..12");
    let mut together = Findings::default();
    for shard in ["1/3", "2/3", "3/3"] {
        let shard = shard.parse().expect("it is a shard");
        together.merge(played(&Plan { shard, ..whole.clone() }));
    }
    assert_eq!(report::json(&together, &whole), report::json(&played(&whole), &whole));
}

#[test]
fn the_number_of_threads_does_not_show() {
    let whole = plan("0..6");
    let alone = played(&Plan { jobs: 1, ..whole.clone() });
    let beside = played(&Plan { jobs: 4, ..whole.clone() });
    assert_eq!(report::json(&alone, &whole), report::json(&beside, &whole));
}

#[test]
fn no_run_counts_after_the_first_failure() {
    let play = |seed| outcome(seed, |_| true, (seed >= 5).then_some(Invariant::I4));
    for jobs in [1, 3] {
        let plan = Plan { jobs, fail_fast: true, ..plan("0..100") };
        let findings = found(&plan, &play);
        assert_eq!((findings.runs, findings.stopped), (6, Some(Stopped::Failure)));
        assert_eq!(findings.failures.keys().collect::<Vec<_>>(), [&5]);
    }
}

#[test]
fn a_campaign_stops_when_nothing_new_comes_up() {
    let real =
        backend::play(&scenario::generate(Profile::Calm, 1), Backend::Message, Keep::Nothing)
            .expect("the message backend plays storms");
    // Seed 3 is the last that brings a shape, seed 9 the first that brings every situation.
    let play = |seed| {
        let played =
            outcome(seed, |situation| situation != Situation::HubPaused || seed >= 9, None);
        played.map(|mut outcome| {
            if seed == 3 {
                outcome.shapes = real.shapes.clone();
            }
            outcome
        })
    };
    for (runs, stops_after) in [(2, 10), (8, 12)] {
        let plan = Plan { until_saturated: Some(runs), ..plan("0..100") };
        let findings = found(&plan, &play);
        assert_eq!((findings.runs, findings.stopped), (stops_after, Some(Stopped::Saturated)));
    }
}

#[test]
fn no_run_begins_when_the_time_is_over() {
    let asked = AtomicU64::new(0);
    let time_is_up = || asked.fetch_add(1, Ordering::Relaxed) >= 3;
    let watcher = Watcher { time_is_up: &time_is_up, ..Watcher::SILENT };
    let plan = Plan { jobs: 1, ..plan("0..100") };
    let findings = campaign::run_with(&plan, &all_well, &watcher);
    assert_eq!((findings.runs, findings.stopped), (3, Some(Stopped::TimeUp)));
}

#[test]
fn a_large_campaign_that_misses_a_situation_is_void() {
    let play = |seed| outcome(seed, |situation| situation != Situation::ResumedAtDeadline, None);
    let large = plan(&format!("0..{ENFORCED_FROM}"));
    let findings = found(&large, &play);
    assert_eq!(findings.verdict(&large), Verdict::Void(vec![Situation::ResumedAtDeadline]));
    assert_eq!(findings.verdict(&large).exit_code(), 5);
    assert!(report::annotations(&findings, &large).contains("resume at the very deadline"));
    let junit = report::junit(&findings, &large).expect("it is XML");
    assert!(junit.contains("failures=\"1\""), "{junit}");

    let small = plan("0..10");
    let findings = found(&small, &play);
    assert_eq!(findings.verdict(&small), Verdict::Passed);
    let summary = report::summary(&findings, &small, Default::default(), None);
    assert!(summary.contains("never came up: resume at the very deadline"), "{summary}");
}

#[test]
fn backends_that_differ_are_a_failure_of_their_own() {
    let play = |seed| outcome(seed, |_| true, (seed == 7).then_some(Invariant::SameOnBackends));
    let plan = Plan { backend: Backend::Both, ..plan("0..10") };
    let findings = found(&plan, &play);
    assert_eq!(findings.verdict(&plan), Verdict::Differs);
    assert_eq!(findings.verdict(&plan).exit_code(), 6);
    let junit = report::junit(&findings, &plan).expect("it is XML");
    let case = "SameOnBackends backends agree, broken by the run as a whole";
    assert!(junit.contains("failures=\"1\"") && junit.contains(case), "{junit}");
    let summary = report::summary(&findings, &plan, Default::default(), None);
    assert!(summary.contains("both showed the same to actors: 0 seeds, 0 steps"), "{summary}");
}

#[test]
fn failures_that_are_alike_are_told_once() {
    let play = |seed| {
        let broken = [None, Some(Invariant::I4), Some(Invariant::L1)][seed as usize % 3];
        outcome(seed, |_| true, broken)
    };
    let plan = plan("0..100");
    let findings = found(&plan, &play);
    assert_eq!(findings.verdict(&plan), Verdict::Unsafe);
    let distinct = findings.distinct_failures();
    let told: Vec<_> =
        distinct.iter().map(|d| (d.first.violation.invariant, d.seeds[0], d.seeds.len())).collect();
    assert_eq!(told, [(Invariant::I4, 1, 33), (Invariant::L1, 2, 33)]);
    assert_eq!(report::annotations(&findings, &plan).lines().count(), 2);
    let summary = report::summary(&findings, &plan, Default::default(), None);
    assert!(summary.lines().any(|line| line.contains("33 seeds: 1, 4,") && line.ends_with("...")));
}

#[test]
fn a_takeover_and_a_crash_are_seen_as_such() {
    let scenario = scenario::read(
        r#"{
            "version": 1, "seed": 1, "actors": ["alice", "bob"],
            "steps": [
                { "at": "2s", "who": "alice", "do": "start" },
                { "at": "4s", "who": "bob", "do": "ask", "to": "alice" },
                { "at": "5s", "who": "hub", "do": "restart", "abruptly": true, "pause": "1s" },
                { "at": "20s", "who": "bob", "do": "ask", "to": "alice" }
            ]
        }"#,
    )
    .expect("it is a scenario");
    let outcome = backend::play(&scenario, Backend::Simulated, Keep::Nothing).expect("it plays");
    let times = |situation| outcome.sightings.of(situation).times;
    assert_eq!(times(Situation::SecondClientStarted), 1);
    assert_eq!(times(Situation::OldCloseAfterTakeover), 1);
    assert_eq!(times(Situation::HubCrashedWithClients), 1);
    assert_eq!(times(Situation::HubShutDownWithClients), 0);
    assert_eq!(times(Situation::HalfOpenFoundBySilence), 0);
    assert_eq!(times(Situation::SendAccepted), 2);
}

#[test]
fn the_handbook_tells_every_situation() {
    let handbook = include_str!("../../docs/SIMULATION.md");
    for situation in Situation::ALL {
        let row = format!("| {} | {} |", situation.name(), situation.sentence());
        assert!(handbook.contains(&row), "docs/SIMULATION.md lacks\n{row}");
    }
    for (name, reason) in IMPOSSIBLE {
        let row = format!("| {name} | {reason} |");
        assert!(handbook.contains(&row), "docs/SIMULATION.md lacks\n{row}");
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub-sim"));
    command.args(["run", "--backend", "message"]).args(arguments).env_remove("GITHUB_ACTIONS");
    command
}

fn program(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the simulator runs")
}

#[test]
fn the_program_tells_the_same_whatever_the_threads() {
    let arguments = ["--seeds", "0..4", "--format", "json", "--jobs"];
    let [one, two] = ["1", "2"].map(|jobs| program(&[&arguments[..], &[jobs]].concat()));
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    assert_eq!(String::from_utf8_lossy(&one.stdout), String::from_utf8_lossy(&two.stdout));
}

#[test]
fn a_budget_of_nothing_plays_nothing_and_says_so() {
    let output = program(&["--budget", "0s"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.starts_with("0 passed, 0 failed\n"), "{told}");
    assert!(told.contains("stopped before the last seed: the time was over"), "{told}");
}

#[test]
fn the_program_goes_on_when_nobody_reads_what_it_prints() {
    let mut command = command(&["--seed", "1", "--trace"]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = piped.spawn().expect("the simulator runs");
    drop(running.stdout.take());
    let output = running.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.starts_with("passed: "), "{told}");
}
