//! What the comparison of two backends says.

use std::collections::BTreeMap;
use std::time::Duration;

use dst::backend::differential::{difference, judge, unhurried};

use super::{Backend, Outcome, play_once};
use crate::history::{ClientKind, ClientName, Event, Milestone, Stop, What, untimed_lanes};
use crate::invariants::{Invariant, Violation};
use crate::run::Keep;
use crate::scenario::{Profile, Scenario, When, generate, read};

fn outcome(broken: Option<Invariant>) -> Outcome {
    let played = play_once(&Scenario::default(), Backend::Message, Keep::Nothing);
    let (outcome, _) = played.expect("the message backend plays everything");
    Outcome { violation: broken.map(|broken| Violation::new(broken, "so it is said")), ..outcome }
}

fn judged(message: Option<Invariant>, simulated: Option<Invariant>) -> Option<String> {
    let violation = judge(outcome(message), outcome(simulated)).violation?;
    Some(format!("{:?}: {}", violation.invariant, violation.evidence))
}

#[test]
fn that_only_one_backend_fails_is_a_difference() {
    let (i4, i9) = (Some(Invariant::I4), Some(Invariant::I9));
    assert_eq!(judged(None, None), None);
    assert_eq!(judged(i4, i4).as_deref(), Some("I4: so it is said"));
    assert_eq!(
        judged(i4, None).as_deref(),
        Some(
            "SameOnBackends: message breaks I4 stale events are inert: so it is said; simulated passes"
        )
    );
    assert_eq!(
        judged(i9, i4).as_deref(),
        Some(
            "SameOnBackends: message breaks I9 no resurrection: so it is said; \
             simulated breaks I4 stale events are inert: so it is said"
        )
    );
}

#[test]
fn the_first_line_that_differs_is_told() {
    let name = |number| ClientName { actor: "alice".into(), kind: ClientKind::Client, number };
    let lanes = |text: &str| BTreeMap::from([(name(1), text.to_owned())]);
    assert_eq!(difference(&lanes("  a\n  b\n"), &lanes("  a\n  b\n")), None);
    assert_eq!(
        difference(&lanes("  a\n  b\n"), &lanes("  a\n  c\n  b\n")).as_deref(),
        Some("alice#1 has in line 2: on message [b], on simulated [c]")
    );
    let both = BTreeMap::from([(name(1), "  a\n".to_owned()), (name(2), "  b\n".to_owned())]);
    assert_eq!(
        difference(&lanes("  a\n"), &both).as_deref(),
        Some("alice#2 has in line 1: on message [nothing], on simulated [b]")
    );
}

#[test]
fn an_unhurried_scenario_has_room_between_its_steps_and_its_end() {
    let when = |seed, dice| {
        let storm = generate(Profile::Calm, seed);
        let steps = unhurried(&storm, 3, dice).steps;
        steps.into_iter().map(|step| step.when).collect::<Vec<_>>()
    };
    let at = |milliseconds: u64| When::At(Duration::from_millis(milliseconds));
    assert_eq!(when(2, 0), [1_000, 2_000, 3_000, 4_000, 5_000].map(at));
    assert_eq!(when(2, 2), [1_020, 2_040, 3_060, 4_080, 5_100].map(at));
    assert_eq!(when(3, 0), [250, 500, 750, 1_000, 1_250].map(at));
}

#[test]
fn what_comes_together_is_heard_in_batches_on_both() {
    // With room for five messages the hub hears two inputs, and writes before it hears more.
    let (way, asks) =
        (r#""from": "hub", "to": "dave", "ways": "both_ways""#, r#""do": "queue_stats""#);
    let sees = r#"{ "who": "dave", "do": "sees", "type": "hub:queue_stats_response" }"#;
    let ask = format!(r#"{{ "at": "2s", "who": "dave", {asks} }}"#);
    let scenario = format!(
        r#"{{ "version": 1, "actors": ["dave"], "hub": {{ "queue_messages_max": 5 }}, "steps": [
            {{ "at": "1s", "who": "network", "do": "partition", {way} }}, {ask}, {ask}, {ask}, {ask},
            {{ "at": "3s", "who": "network", "do": "rejoin", {way} }}, {sees}, {sees}, {sees}, {sees}
        ] }}"#,
    );
    let scenario = read(&scenario).expect("it can be played");
    for backend in [Backend::Message, Backend::Simulated] {
        let (outcome, _) = play_once(&scenario, backend, Keep::All).expect("both play it");
        let dave =
            untimed_lanes(&outcome.events, Milestone::Leave).into_values().collect::<String>();
        let depths: Vec<_> = dave.split("queueDepth\":").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(depths, ["0", "1", "0", "1"], "on {backend}");
    }
}

#[test]
fn a_hub_that_gives_up_once_all_is_mended_is_started_again_on_both() {
    // Its store fails at 2 s; dave, who stands still, does not answer its close frame in 20 s.
    let scenario = read(
        r#"{ "version": 1, "actors": ["alice", "dave"], "store": {}, "ending": "calm",
            "hub": { "close_timeout": "20s" }, "steps": [
            { "at": "1s", "who": "hub", "do": "disk_fails", "operations": 0 },
            { "at": "1s", "who": "dave", "do": "pause", "lasts": "1m" },
            { "at": "2s", "who": "alice", "do": "register" }
        ] }"#,
    );
    let scenario = scenario.expect("it can be played");
    for backend in [Backend::Message, Backend::Simulated] {
        let (outcome, _) = play_once(&scenario, backend, Keep::All).expect("both play it");
        assert!(outcome.violation.is_none(), "on {backend}: {:?}", outcome.violation);
        let at = |is: fn(&What) -> bool| {
            let found = outcome.events.iter().filter(|event| is(&event.what));
            found.map(|event| event.at.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(
            at(|what| matches!(what, What::HubStopped { how: Stop::Failed })),
            [22],
            "on {backend}"
        );
        assert_eq!(at(|what| matches!(what, What::Run(Milestone::Heal))), [12], "on {backend}");
        assert_eq!(at(|what| matches!(what, What::HubStarted { .. })), [0, 22], "on {backend}");
    }
}

#[test]
fn a_hub_that_ends_does_not_wait_for_whom_it_refuses_meanwhile() {
    // The refusal leaves when the store has synced, at 1.1 s; mallory does not close.
    let scenario = read(
        r#"{ "version": 1, "actors": ["dave", { "kind": "raw", "name": "mallory" }], "ending": "calm",
            "store": { "sync": "100ms" }, "tokens": { "dave": { "exp": "1h" } }, "steps": [
            { "at": "1s", "who": "mallory/1", "do": "connect" },
            { "at": "1s 50ms", "who": "hub", "do": "restart", "abruptly": false, "pause": "1ms" }
        ] }"#,
    );
    let scenario = scenario.expect("it can be played");
    for backend in [Backend::Message, Backend::Simulated] {
        let (outcome, _) = play_once(&scenario, backend, Keep::All).expect("both play it");
        let ended = |event: &&Event| matches!(event.what, What::HubStopped { .. });
        let ended: Vec<_> =
            outcome.events.iter().filter(ended).map(|event| event.at.as_secs()).collect();
        assert_eq!(ended, [1], "on {backend}");
    }
}
