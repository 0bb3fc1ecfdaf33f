//! Campaigns: what they find depends on the seeds alone, and what they never met is told.

mod examples;
mod guided;
mod made_of_one;
mod night;
mod pasted;
mod program;
mod reports;
mod rules;

use std::sync::atomic::{AtomicU64, Ordering};

use signal_hub_sim::SignalHub;
use signal_hub_sim::backend::{self, Backend, Outcome, Skipped};
use signal_hub_sim::campaign::{
    self, ENFORCED_FROM, Findings, Plan, Played, Stopped, Verdict, Watcher,
};
use signal_hub_sim::invariants::{Invariant, Violation};
use signal_hub_sim::report::{self, Detail, Results};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Profile};
use signal_hub_sim::seeds::Seeds;
use signal_hub_sim::situations::{IMPOSSIBLE, Sightings, Situation};

/// How many situations there are, which swarm has to meet.
const ALL: usize = Situation::ALL.len();

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

fn json(findings: &Findings, plan: &Plan) -> String {
    Results::of(findings, plan).json()
}

fn summary(findings: &Findings, plan: &Plan) -> String {
    report::summary::<SignalHub>(&Results::of(findings, plan), None, Detail::Short)
}

fn junit(findings: &Findings, plan: &Plan) -> String {
    report::junit::<SignalHub>(&Results::of(findings, plan), None).expect("it is XML")
}

#[test]
fn the_number_of_threads_does_not_show() {
    let whole = plan("0..6");
    let alone = played(&Plan { jobs: 1, ..whole.clone() });
    let beside = played(&Plan { jobs: 4, ..whole.clone() });
    assert_eq!(json(&alone, &whole), json(&beside, &whole));
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

/// Says so when it is asked once more.
fn after(asks: u64, stopped: Stopped) -> impl Fn() -> Option<Stopped> + Sync {
    let asked = AtomicU64::new(0);
    move || (asked.fetch_add(1, Ordering::Relaxed) >= asks).then_some(stopped)
}

#[test]
fn no_run_begins_when_there_is_a_reason_to_stop() {
    for stopped in [Stopped::TimeUp, Stopped::Interrupted] {
        let watcher = Watcher { stop: &after(3, stopped), ..Watcher::SILENT };
        let plan = Plan { jobs: 1, ..plan("0..100") };
        let findings = campaign::run_with(&plan, &all_well, &watcher);
        assert_eq!((findings.runs, findings.stopped), (3, Some(stopped)));
    }
}

#[test]
fn what_was_played_counts_when_a_campaign_is_interrupted() {
    // Seed 0 is given up, as a run in real time is, and seed 1 is over.
    let play = |seed| match seed {
        0 => Err(Skipped { reason: "it was interrupted".to_owned() }),
        _ => outcome(seed, |_| true, Some(Invariant::I4)),
    };
    let watcher = Watcher { stop: &after(1, Stopped::Interrupted), ..Watcher::SILENT };
    let one = Plan { jobs: 1, ..plan("0..100") };
    let findings = campaign::run_with(&one, &play, &watcher);
    assert_eq!((findings.runs, findings.skipped.len()), (0, 0));
    assert_eq!(findings.verdict(&one).exit_code(), 130);

    let (begun, both) = (AtomicU64::new(0), Plan { jobs: 2, ..plan("0..2") });
    let is_over = || begun.load(Ordering::Relaxed) == 2;
    let stop = || is_over().then_some(Stopped::Interrupted);
    let play = |seed| {
        begun.fetch_add(1, Ordering::Relaxed);
        while !is_over() {
            std::thread::yield_now();
        }
        play(seed)
    };
    let findings = campaign::run_with(&both, &play, &Watcher { stop: &stop, ..Watcher::SILENT });
    assert_eq!(findings.failures.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((findings.skipped.len(), findings.verdict(&both)), (0, Verdict::Unsafe));
}

#[test]
fn a_campaign_without_a_run_proves_nothing() {
    let skipped = |_| Err(Skipped { reason: "as the test says".to_owned() });
    let plan = plan("0..2");
    let findings = found(&plan, &skipped);
    assert_eq!(
        (findings.verdict(&plan), findings.verdict(&plan).exit_code()),
        (Verdict::Unplayed, 5)
    );
    assert_eq!(
        summary(&findings, &plan),
        format!(
            "runs     0 passed, 0 failed, 2 skipped\n\
             met      0 of {ALL} situations, 0 shapes (--verbose says which not)\n\
             skipped  seed 0: as the test says\n\
             skipped  seed 1: as the test says\n\
             \n\
             VOID     no seed was played: this proves nothing\n\
             next     choose a --backend that can play them: message cannot\n"
        )
    );
}

#[test]
fn a_large_campaign_that_misses_a_situation_is_void() {
    let play = |seed| outcome(seed, |situation| situation != Situation::ResumedAtDeadline, None);
    let large = plan(&format!("0..{ENFORCED_FROM}"));
    let findings = found(&large, &play);
    assert_eq!(
        (findings.verdict(&large), findings.verdict(&large).exit_code()),
        (Verdict::Void, 5)
    );
    assert_eq!(findings.missing(&large), [Situation::ResumedAtDeadline]);
    let told = summary(&findings, &large);
    let sentence = Situation::ResumedAtDeadline.sentence();
    let never = format!("never    resume at the very deadline: {sentence}\n");
    assert!(told.contains(&never), "{told}");
    assert!(
        told.ends_with(
            "VOID     no invariant broke, but 1 of the situations that so many runs must meet never came \
             up: this proves nothing\n\
             next     play more seeds, or look why these can come up no more\n"
        ),
        "{told}"
    );
    assert!(
        report::annotations(&Results::of(&findings, &large))
            .contains("resume at the very deadline")
    );
    let junit = junit(&findings, &large);
    assert!(junit.contains("failures=\"1\""), "{junit}");

    let small = plan("0..10");
    let findings = found(&small, &play);
    assert_eq!(findings.verdict(&small), Verdict::Passed);
    assert_eq!(
        summary(&findings, &small),
        format!(
            "runs     10 passed, 0 failed\n\
             met      {} of {ALL} situations, 0 shapes (--verbose says which not)\n\
             \n\
             PASSED   10 runs, and every invariant held in all of them\n\
             next     other seeds meet other situations: cargo sim run --backend message --seeds 10..1010\n",
            ALL - 1
        )
    );
    let results = Results::of(&findings, &small);
    let verbose = report::summary::<SignalHub>(&results, None, Detail::Verbose);
    assert!(verbose.contains(&never), "{verbose}");
}

#[test]
fn backends_that_differ_are_a_failure_of_their_own() {
    let play = |seed| outcome(seed, |_| true, (seed == 7).then_some(Invariant::SameOnBackends));
    let plan = Plan { backend: Backend::Both, ..plan("0..10") };
    let findings = found(&plan, &play);
    assert_eq!(findings.verdict(&plan), Verdict::Differs);
    assert_eq!(findings.verdict(&plan).exit_code(), 6);
    let told = summary(&findings, &plan);
    assert!(told.contains("both showed the same to actors: 0 seeds, 0 steps"), "{told}");
    let failed = "FAILED   1 of 10 runs broke SameOnBackends backends agree\n\
         next     cargo sim run --profile swarm --seed 7 --backend message,simulated --trace plays it again\n";
    assert!(told.ends_with(failed), "{told}");
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
    assert_eq!(report::annotations(&Results::of(&findings, &plan)).lines().count(), 2);
    let told = summary(&findings, &plan);
    assert!(
        told.lines().any(|line| line.contains("seeds 1, 4,") && line.ends_with("...")),
        "{told}"
    );
    assert!(told.contains("FAILED   66 of 100 runs broke in 2 ways\n"), "{told}");
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
