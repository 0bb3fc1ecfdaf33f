//! What a run says that went by the time of a machine, and what goes by the hub's.

use clap::ValueEnum;
use dst::backend::fails_by_time;
use signal_hub::hub::{DropReason, Output, Record};
use signal_hub::protocol::CloseReason;

use super::*;
use crate::history::What;
use crate::invariants::Invariant;
use crate::invariants::Violation;
use crate::run::Keep;
use crate::scenario;
use crate::scenario::Scenario;

/// A run on real sockets that takes no time and ends with this.
fn outcome(broken: Option<Invariant>) -> Outcome {
    let scenario = Scenario { ending: scenario::Ending::Stop, ..Scenario::default() };
    let mut outcome = play(&scenario, Backend::Real, Keep::All).expect("real plays it");
    assert_eq!(outcome.violation, None);
    outcome.violation = broken.map(|invariant| Violation::new(invariant, "as the test says"));
    outcome
}

#[test]
fn a_machine_that_stands_still_excuses_what_is_late_and_nothing_else() {
    let excused = |broken| fails_by_time(&outcome(broken), |_| true);
    for late in [Invariant::Expected, Invariant::L1, Invariant::L4, Invariant::L8] {
        assert!(excused(Some(late)), "{late}");
    }
    for wrong in [Invariant::I1, Invariant::I18, Invariant::I34, Invariant::NoPanic] {
        assert!(!excused(Some(wrong)), "{wrong}");
    }
    assert!(!excused(None));
}

#[test]
fn a_machine_that_stands_still_excuses_that_something_else_was_seen() {
    assert!(fails_by_time(&outcome(None), |_| false));
    assert!(!fails_by_time(&outcome(Some(Invariant::I1)), |_| false));
}

#[test]
fn a_backend_is_called_what_the_command_line_calls_it_and_message_has_an_older_name() {
    let named = |name: &str| Backend::from_str(name, false);
    for backend in Backend::value_variants() {
        assert_eq!(named(&backend.to_string()), Ok(*backend));
    }
    assert_eq!(named("core"), Ok(Backend::Message));
    assert_eq!(named("core,simulated"), Ok(Backend::Both));
}

#[test]
fn simulated_time_has_no_excuse() {
    let scenario = scenario::generate(scenario::Profile::Calm, 1);
    for backend in [Backend::Message, Backend::Simulated] {
        let never = |_: &Outcome| -> bool { panic!("nobody needs to know") };
        let outcome = play_for(&scenario, backend, Keep::Nothing, never);
        assert!(outcome.expect("it can be played").standstills.is_empty());
    }
}

/// By the hub's clock, when it closes sessions whose tokens expire.
fn token_ends(tokens: &str, steps: &str, backend: Backend) -> Vec<u64> {
    let text = format!(
        r#"{{ "version": 1, "tokens": {tokens}, "actors": ["alice"], "steps": [{steps}] }}"#
    );
    let scenario = scenario::read(&text).expect("it can be played");
    let outcome = play(&scenario, backend, Keep::All).expect("it is played");
    assert_eq!(outcome.violation, None);
    let ends = outcome.events.iter().filter_map(|event| match &event.what {
        What::Hub(hub) => {
            let ends =
                |output: &Output| matches!(output, Output::Close(_, CloseReason::TokenExpired));
            hub.outputs.iter().any(ends).then(|| hub.now.as_millis() - 1_700_000_000_000)
        }
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_session_ends_with_its_token_to_the_millisecond_of_the_hubs_clock() {
    let wait = r#"{ "who": "alice", "do": "sees", "type": "hub:registered" },
        { "at": "20s", "who": "network", "do": "heal" }"#;
    for backend in [Backend::Message, Backend::Simulated] {
        let exp = r#"{ "alice": { "exp": "1s 234ms" } }"#;
        assert_eq!(token_ends(exp, wait, backend), [1_234], "{backend}");
        let refresh = r#"{ "at": "1s", "who": "alice", "do": "refresh_token", "token": { "exp": "4s 567ms" } }"#;
        assert_eq!(token_ends(exp, &format!("{refresh}, {wait}"), backend), [4_567], "{backend}");
        let skew = r#"{ "at": "1s", "who": "network", "do": "clock_skew", "host": "hub", "milliseconds": -60000 }"#;
        let ten = r#"{ "alice": { "exp": "10s" } }"#;
        assert_eq!(token_ends(ten, &format!("{skew}, {wait}"), backend), [10_000], "{backend}");
    }
}

#[test]
fn an_actor_that_gave_its_address_up_is_back_in_the_end() {
    for at in ["0s", "2ms", "5s"] {
        let text = format!(
            r#"{{ "version": 1, "actors": ["alice"], "ending": "calm",
                "steps": [{{ "at": "{at}", "who": "alice", "do": "unregister" }}] }}"#
        );
        let scenario = scenario::read(&text).expect("it can be played");
        for backend in [Backend::Message, Backend::Simulated] {
            let outcome = play(&scenario, backend, Keep::Nothing).expect("it is played");
            assert_eq!(outcome.violation, None, "{at}, {backend}");
        }
    }
}

#[test]
fn a_probe_for_whose_queue_is_full_of_answers_that_wait_for_the_store_is_tried_again() {
    let text = r#"{ "version": 1, "registration_ttl": "13s",
        "hub": { "queue_messages_max": 4, "idle_timeout": "9s 816ms", "ping_interval": "2s 979ms" },
        "store": { "sync": "773ms" }, "ending": "calm",
        "actors": [{ "name": "alice", "addresses": ["desk", "phone", "1", "team"] }], "steps": [
            { "at": "0s", "who": "network", "do": "heal" }] }"#;
    let scenario = scenario::read(text).expect("it can be played");
    for backend in [Backend::Message, Backend::Simulated] {
        let outcome = play(&scenario, backend, Keep::All).expect("it is played");
        assert_eq!(outcome.violation, None, "{backend}");
        assert!(outcome.events.iter().any(|event| is_refused_for_room(&event.what)), "{backend}");
    }
}

fn is_refused_for_room(what: &What) -> bool {
    let What::Hub(hub) = what else { return false };
    hub.records()
        .any(|record| matches!(record, Record::MessageDropped { why: DropReason::QueueFull, .. }))
}
