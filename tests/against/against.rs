//! A hub is tested from outside: whatever it does, there is a clear verdict.

mod nasty;

use std::sync::Arc;
use std::time::Duration;

use dst::scenario::{Actor, Ending};
use signal_hub_sim::against::{Outcome, Place, Scenario, Target, Times, Tongue, at, play};
use signal_hub_sim::invariants::Invariant;

use nasty::Habit;

/// Two clients that want to be there, and to be asked whether they are.
fn two_clients() -> Scenario {
    let actors = ["alice", "bob"].map(Actor::client).to_vec();
    Scenario { actors, ending: Ending::Calm, ..Scenario::default() }
}

/// Whoever is never let in is not waited for as long as usual.
fn target(place: Place, patience: u64) -> Arc<Target> {
    let mut target = Target::new(place, Tongue::Own);
    let patience = Some(Duration::from_secs(patience));
    target.times = Times { patience, ..Times::default() };
    Arc::new(target)
}

fn against(habit: Habit, patience: u64) -> Outcome {
    let address = nasty::hub(habit);
    let place = Place::running(&format!("ws://{address}/ws"), None).expect("it is on this machine");
    play(&at(&two_clients(), &target(place, patience))).expect("it can be played")
}

fn seen(outcome: &Outcome) -> String {
    outcome.events.iter().map(|event| format!("{}\n", event.what)).collect()
}

#[test]
fn a_hub_that_lets_nobody_in_or_makes_no_sense_breaks_a_rule_by_name() {
    let bad = [
        (Habit::NeverAnswers, Invariant::L1, "nothing comes of it"),
        (Habit::Resets, Invariant::L1, "cannot connect"),
        (Habit::Refuses, Invariant::L1, "cannot connect"),
        (Habit::Closes, Invariant::L1, "closed with 1000"),
        (Habit::Silent, Invariant::L1, "asks {\"id\":\"alice.1-1\""),
        (Habit::Says("no envelope".into()), Invariant::I19, "unreadable"),
        (Habit::SaysBytes(vec![0, 255, 7]), Invariant::I19, "unreadable"),
        (Habit::SaysBytes(vec![b'x'; 5 << 20]), Invariant::L1, "the connection breaks"),
    ];
    std::thread::scope(|scope| {
        for (habit, breaks, says) in bad {
            scope.spawn(move || {
                let outcome = against(habit.clone(), 1);
                let broken = outcome.violation.as_ref().map(|violation| violation.invariant);
                assert_eq!(broken, Some(breaks), "{habit:?}");
                assert!(seen(&outcome).contains(says), "{habit:?}:\n{}", seen(&outcome));
            });
        }
    });
}

#[test]
fn a_hub_that_dies_by_itself_breaks_no_panic() {
    let hub = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hubs/naive/hub.py");
    let place = Place::command(&format!("timeout 2 python3 {hub} --port {{port}}"), "/ws").unwrap();
    let violation = play(&at(&two_clients(), &target(place, 1))).unwrap().violation.unwrap();
    assert_eq!(violation.invariant, Invariant::NoPanic);
    assert!(violation.evidence.starts_with("its process ended by itself"), "{violation:?}");
}

#[test]
fn a_hub_that_sends_without_end_is_stopped() {
    // It takes a while to say so much.
    let outcome = against(Habit::Floods, 60);
    let violation = outcome.violation.unwrap();
    assert_eq!(violation.invariant, Invariant::I19);
    assert!(violation.evidence.contains("more than 100000 messages"), "{}", violation.evidence);
}

#[test]
fn a_command_that_does_not_become_a_hub_is_no_failure_of_one() {
    for (command, why) in [
        ("no-such-program {port}", "it cannot be started"),
        ("sh -c 'echo bad luck >&2; exit 3' {port}", "it ended with exit status: 3"),
        ("sh -c 'sleep 60' {port}", "nobody listens on"),
    ] {
        let mut target = Target::new(Place::command(command, "/ws").unwrap(), Tongue::Own);
        target.start_within = Duration::from_millis(300);
        let skipped = play(&at(&two_clients(), &Arc::new(target))).unwrap_err();
        assert!(skipped.reason.contains(why), "{command}: {}", skipped.reason);
    }
}

#[test]
fn only_a_hub_on_this_machine_is_disturbed_unless_its_host_is_named() {
    let refused = Place::running("ws://192.0.2.1:9000/ws", None).err().unwrap().to_string();
    assert!(refused.contains("--allow-remote 192.0.2.1"), "{refused}");
    let other = Place::running("ws://192.0.2.1:9000/ws", Some("192.0.2.2"));
    assert!(other.is_err());
    assert!(Place::running("ws://192.0.2.1:9000/ws", Some("192.0.2.1")).is_ok());
    assert!(Place::running("ws://127.0.0.1:9000/ws", None).is_ok());
    assert!(Place::running("wss://127.0.0.1:9000/ws", None).is_err());
    assert!(Place::command("hub --listen 9000", "/ws").is_err());
}
