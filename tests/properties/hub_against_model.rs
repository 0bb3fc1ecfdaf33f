//! Every actor sees what the model says, and every invariant holds: in the scenario files, in storms,
//! and in steps at random.

use std::cell::RefCell;
use std::collections::BTreeSet;

use clap::ValueEnum;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use signal_hub::hub::Output;
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::history::{Event, What};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Profile, Scenario};

use crate::comparison::{Failure, compare, judge};
use crate::{regression, scenarios};

/// What scenarios of steps at random do not miss, if there are 256 of them.
const KINDS: [&str; 51] = [
    "broadcast",
    "close 1000",
    "close 1001",
    "close 1008",
    "close 1009",
    "close 1013",
    "close 4001",
    "close 4002",
    "close 4003",
    "close 4004",
    "close 4005",
    "error BROADCAST_LIMIT_EXCEEDED",
    "error internal_error",
    "error invalid_token",
    "error message_expired",
    "error message_too_large",
    "error rate_limited",
    "error unauthorized",
    "error version_mismatch",
    "hub:actor_list",
    "hub:broadcast_ack",
    "hub:connected",
    "hub:delivery_ack",
    "hub:disconnect",
    "hub:discovered",
    "hub:heartbeat_ack",
    "hub:metrics_response",
    "hub:published",
    "hub:queue_stats_response",
    "hub:registered",
    "hub:renewed",
    "hub:subscribed",
    "hub:token_refreshed",
    "hub:unknown_actor",
    "hub:unregistered",
    "hub:unsubscribed",
    "notice hub:disconnect",
    "notice hub:pause",
    "notice hub:resume",
    "notice hub:unregistered",
    "published",
    "queued",
    "recovered",
    "recovers",
    "sent",
    "unrecovered Ahead",
    "unrecovered Epoch",
    "unrecovered Expired",
    "unrecovered Off",
    "unrecovered Overflow",
    "unrecovered TakenOver",
];

/// What came of all cases of a property.
#[derive(Default)]
struct Seen {
    cases: usize,
    inputs: usize,
    kinds: BTreeSet<String>,
}

/// Plays the cases; the first that fails is shrunk by our own means and left as a file.
fn check(cases: &impl Strategy<Value = Scenario>) -> Seen {
    let seen = RefCell::new(Seen::default());
    let config = Config { max_shrink_iters: 0, ..crate::config() };
    let result = TestRunner::new(config).run(cases, |scenario| {
        let verdict = judge(&scenario).map_err(|skipped| TestCaseError::fail(skipped.reason))?;
        let mut seen = seen.borrow_mut();
        seen.cases += 1;
        seen.inputs += verdict.inputs;
        seen.kinds.extend(verdict.kinds);
        match verdict.failure {
            None => Ok(()),
            Some(failure) => {
                let told = regression::leave(&scenario, &failure);
                Err(TestCaseError::fail(format!("case {}: {told}", seen.cases)))
            }
        }
    });
    match result {
        Ok(()) => seen.into_inner(),
        Err(TestError::Fail(why, _)) => panic!("{why}"),
        Err(TestError::Abort(why)) => panic!("no cases: {why}"),
    }
}

/// The scenario files with a store, which the model does not have.
const STORED: [&str; 7] = [
    "a_crash_loses_nothing_that_was_queued",
    "a_disk_that_fails_answers_nobody",
    "a_durable_subscription_outlives_everything",
    "a_full_store_leaves_a_number_out",
    "a_full_store_refuses_and_goes_on",
    "an_answer_waits_for_its_sync",
    "what_was_never_synced_begins_a_new_epoch",
];

#[test]
fn every_scenario_file_shows_what_the_model_says() {
    let (mut stored, mut failures) = (Vec::new(), Vec::new());
    for file in regression::files() {
        let scenario = scenario::read_file(&file).unwrap_or_else(|error| panic!("{error}"));
        if scenario.clients.store.is_some() {
            stored.push(file.file_stem().unwrap_or_default().to_string_lossy().into_owned());
            continue;
        } else if scenario.expect_failure.is_some() {
            continue;
        }
        let failed = match judge(&scenario) {
            Ok(verdict) => verdict.failure.map(|failure| failure.to_string()),
            Err(skipped) => Some(skipped.to_string()),
        };
        failures.extend(failed.map(|why| format!("{} {why}", file.display())));
    }
    stored.sort();
    assert_eq!(stored, STORED, "these are not compared");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The same, as far as the model can follow.
fn without_store(mut scenario: Scenario) -> Scenario {
    scenario.clients.store = None;
    scenario
}

#[test]
fn in_a_storm_everybody_sees_what_the_model_says() {
    let profiles = proptest::sample::select(Profile::value_variants());
    let storms = (profiles, any::<u32>())
        .prop_map(|(profile, seed)| without_store(scenario::generate(profile, seed.into())));
    let seen = check(&storms);
    assert!(seen.inputs > 100 * seen.cases, "a storm gives the hub something to do");
}

#[test]
fn whatever_is_done_everybody_sees_what_the_model_says() {
    let seen = check(&scenarios::scenarios());
    let missing: Vec<&&str> = KINDS.iter().filter(|kind| !seen.kinds.contains(**kind)).collect();
    // Fewer than usual need not show everything.
    assert!(
        missing.is_empty() || seen.cases < 256,
        "never seen in {} cases: {missing:?}",
        seen.cases
    );
}

/// A hub that forgets one message, or says one twice, would be seen.
#[test]
fn a_message_too_few_or_too_many_is_a_difference() {
    let scenario = scenario::generate(Profile::Takeover, 1);
    let played = backend::play(&scenario, Backend::Message, Keep::All)
        .expect("the message backend plays storms");
    assert!(compare(&scenario, &played.events).failure.is_none());
    let is_seen = |output: &Output| !matches!(output, Output::Audit(_));
    let speaks = |event: &Event| match &event.what {
        What::Hub(hub) => hub.outputs.iter().any(is_seen),
        _ => false,
    };
    let places: Vec<usize> =
        (0..played.events.len()).filter(|place| speaks(&played.events[*place])).collect();
    for place in places.into_iter().step_by(50) {
        for twice in [true, false] {
            let mut events = played.events[..=place].to_vec();
            let What::Hub(hub) = &mut events[place].what else { continue };
            let first = hub.outputs.iter().position(is_seen).expect("it speaks");
            if twice {
                hub.outputs.insert(first, hub.outputs[first].clone())
            } else {
                hub.outputs.remove(first);
            }
            let failure = compare(&scenario, &events).failure;
            assert!(matches!(failure, Some(Failure::Differs(_))), "event {place}, twice: {twice}");
        }
    }
}
