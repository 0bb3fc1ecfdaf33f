//! Seeds on the message backend.

use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::campaign::{self, Plan, Watcher};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{Action, Profile, Step, Who};
use signal_hub_sim::{report, scenario};

#[test]
fn every_seed_keeps_every_invariant_on_the_message_backend() {
    for (profile, seeds) in
        [(Profile::Calm, 0..100), (Profile::Halfopen, 0..100), (Profile::Crowd, 0..5)]
    {
        let count = seeds.end;
        let findings = campaign::run(&Plan::of(profile, Backend::Message, seeds), &Watcher::SILENT);
        let failures: Vec<String> = findings
            .failures
            .iter()
            .map(|(seed, failure)| {
                let replay = report::replay_command(profile, Backend::Message, *seed);
                report::failure(&failure.outcome, &replay)
            })
            .collect();
        assert!(failures.is_empty(), "{profile:?}\n{}", failures.join("\n"));
        assert_eq!((findings.runs, findings.skipped.len()), (count, 0));
        assert!(findings.hub_inputs > 100 * count, "a run gives the hub something to do");
    }
}

#[test]
fn a_seed_plays_the_same_again_on_the_message_backend() {
    let transcript = |seed| {
        let scenario = scenario::generate(Profile::Storm, seed);
        let outcome = backend::play(&scenario, Backend::Message, Keep::All);
        report::transcript(&outcome.expect("it can play a storm").events)
    };
    assert!(transcript(3) == transcript(3));
    assert_ne!(transcript(3), transcript(4));
}

#[test]
fn a_message_of_any_length_plays_on_the_message_backend() {
    let mut long = scenario::generate(Profile::Calm, 1);
    let text = "~".repeat(3 * long.hub.message_bytes_max);
    let who = Who::Raw("mallory".to_owned(), 1);
    long.steps.push(Step::at(std::time::Duration::ZERO, who, Action::Write { text }));
    let outcome = backend::play(&long, Backend::Message, Keep::All).expect("it needs no bytes");
    assert!(outcome.violation.is_none());
}
