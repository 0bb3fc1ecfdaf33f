//! I17, I28 to I35.

use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::{Config, DropReason, Record, Sizes};
use signal_hub::protocol::{Broadcast, Json, RecoveryWish, Register, Reply, Verb};

use super::super::{Invariant, Violation, check_balance, check_rest, check_same};
use super::{Story, register, renew, send, subscribe};

/// The story holds, and breaks this when the hub should have obeyed another configuration.
fn breaks_with(mut story: Story, invariant: Invariant, adjust: impl FnOnce(&mut Config)) {
    story.holds();
    adjust(&mut story.scenario.hub);
    story.breaks(invariant);
}

fn broken(verdict: Result<(), Violation>) -> Option<Invariant> {
    verdict.err().map(|violation| violation.invariant)
}

#[test]
fn a_resume_ends_the_grace() {
    let mut story = Story::of(["alice"]);
    story.closes(1);
    let grace = story.last().row("alice").deadline;
    story.connected(2, "alice");
    story.asks(2, "alice", register("alice"));
    story.holds();
    story.last().row("alice").deadline = grace;
    story.breaks(Invariant::I17);
}

#[test]
fn a_detached_address_is_kept_for_the_whole_window() {
    let mut story = Story::of(["alice"]);
    story.closes(1);
    story.holds();
    let row = story.last().row("alice");
    row.registration.as_mut().unwrap().until = row.deadline.unwrap() + Duration::from_secs(1);
    story.breaks(Invariant::I17);
}

#[test]
fn a_queue_holds_what_was_put_in() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(2, "bob", send("alice"));
    story.holds();
    story.last().session(1).queued.messages += 1;
    story.breaks(Invariant::I28);
}

#[test]
fn counters_balance() {
    let mut story = Story::of(["alice", "bob"]);
    story.closes(1);
    let counters = *story.hub.counters();
    assert_eq!(check_balance((1, 0), &counters), Ok(()));
    let closed_twice = signal_hub::hub::Counters { sessions_closed: 2, ..counters };
    assert_eq!(broken(check_balance((1, 0), &closed_twice)), Some(Invariant::I28));
    let lost = signal_hub::hub::Counters { frames_received: 9, ..counters };
    assert_eq!(broken(check_balance((1, 0), &lost)), Some(Invariant::I28));
}

#[test]
fn a_client_is_told_what_was_counted() {
    let mut story = Story::of(["alice", "bob"]);
    // Another minute of the clock.
    story.passes(Duration::from_secs(21));
    story.asks(2, "bob", send("alice"));
    story.asks(2, "bob", Verb::Metrics);
    story.holds();
    match story.last().reply() {
        Reply::Metrics(told) => told.messages_sent += 1,
        other => panic!("{other:?}"),
    }
    story.breaks(Invariant::I28);
}

#[test]
fn counters_and_gauges_are_what_the_history_shows() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", subscribe("news"));
    story.asks(2, "bob", send("nobody"));
    let mut judge = super::Judge::new(&story.scenario.hub);
    story.events.iter().try_for_each(|event| judge.observe(event)).unwrap();
    assert_eq!(judge.compare(&story.hub), Ok(()));
    let mut counters = *story.hub.counters();
    counters.drops.unknown_actor += 1;
    assert_eq!(broken(judge.balance(2, &counters)), Some(Invariant::I28));
    story.opens(3);
    assert_eq!(broken(judge.compare(&story.hub)), Some(Invariant::I28));
}

#[test]
fn a_full_hub_lets_nobody_in() {
    let mut story = Story::of(["alice"]);
    story.opens(2);
    breaks_with(story, Invariant::I29, |config| config.sessions_max = 1);
}

#[test]
fn addresses_are_bounded() {
    let story = Story::of(["alice", "bob"]);
    breaks_with(story, Invariant::I29, |config| config.registrations_max = 1);
}

#[test]
fn addresses_of_one_session_are_bounded() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", register("alice/two"));
    breaks_with(story, Invariant::I29, |config| config.addresses_per_session_max = 1);
}

fn recovering(name: &str) -> Verb {
    match register(name) {
        Verb::Register(register) => {
            Verb::Register(Register { recovery: Some(RecoveryWish::Begin), ..register })
        }
        verb => verb,
    }
}

/// Alice recovers nothing of what waited for her, and gets what bob says to all.
fn said_to_all() -> Story {
    let mut story = Story::with(|config| config.recovery_messages_max = 1);
    story.all_registered(["alice", "bob"]);
    story.asks(1, "alice", recovering("alice"));
    story.closes(1);
    story.asks(2, "bob", send("alice"));
    story.connected(3, "alice");
    story.asks(3, "alice", recovering("alice"));
    let all = Broadcast { exclude_self: true, ..Broadcast::new("note", Json::NULL) };
    story.asks(2, "bob", Verb::Broadcast(all));
    story
}

#[test]
fn a_broadcast_is_bounded() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(2, "bob", Verb::Broadcast(Broadcast::new("note", Json::NULL)));
    breaks_with(story, Invariant::I29, |config| config.broadcast_recipients_max = 1);
}

#[test]
fn what_gives_way_to_a_copy_is_no_copy() {
    let mut story = said_to_all();
    story.scenario.hub.broadcast_recipients_max = 1;
    story.holds();
}

#[test]
fn an_earlier_copy_that_gives_way_to_a_later_one_is_no_further_copy() {
    let mut story = Story::with(|config| config.recovery_total_bytes_max = 2_000);
    story.all_registered(["alice", "bob", "carol"]);
    for (key, name) in [(1, "alice"), (3, "carol")] {
        story.asks(key, name, recovering(name));
        story.closes(key);
    }
    let padding = Json::parse(format!("{:?}", "~".repeat(600))).unwrap();
    let all = Broadcast { exclude_self: true, ..Broadcast::new("note", padding) };
    story.asks(2, "bob", Verb::Broadcast(all));
    let gives_way = |record: &Record| {
        matches!(record, Record::MessageDropped { why: DropReason::Overflow, .. })
    };
    assert!(story.last().records().any(gives_way));
    story.scenario.hub.broadcast_recipients_max = 2;
    story.holds();
}

#[test]
fn subscriptions_are_bounded() {
    let mut story = Story::of(["alice"]);
    story.asks(1, "alice", subscribe("news"));
    story.asks(1, "alice", subscribe("weather"));
    breaks_with(story, Invariant::I29, |config| config.subscriptions_per_session_max = 1);
}

/// Her two replies fill a queue of two.
fn told_too_much(queue_messages_max: usize) -> Story {
    let mut story = Story::with(|config| config.queue_messages_max = queue_messages_max);
    story.all_registered(["alice", "bob"]);
    story.tells(2, "bob", send("alice"));
    story
}

#[test]
fn a_copy_beyond_the_bound_is_dropped() {
    let mut story = told_too_much(2);
    story.holds();
    story.last().outputs = told_too_much(4).last().outputs.clone();
    story.breaks(Invariant::I29);
}

#[test]
fn a_full_queue_has_its_clock_running() {
    breaks_with(told_too_much(4), Invariant::I29, |config| config.queue_messages_max = 3);
}

#[test]
fn a_copy_within_the_bound_is_not_dropped() {
    breaks_with(told_too_much(2), Invariant::I29, |config| config.queue_messages_max = 3);
}

#[test]
fn an_open_session_has_an_idle_deadline() {
    let mut story = Story::of(["alice"]);
    story.holds();
    story.last().session(1).deadlines.idle = None;
    story.breaks(Invariant::I30);
}

#[test]
fn an_unknown_address_has_no_deadline() {
    let mut story = Story::of(["alice"]);
    story.last().row("alice").registration = None;
    story.last().row("alice").topics.clear();
    story.last().session(1).addresses = Arc::default();
    story.breaks(Invariant::I30);
}

#[test]
fn whoever_speaks_is_not_closed_for_silence() {
    let mut story = Story::of(["alice"]);
    story.ticks_after(story.scenario.hub.idle_timeout);
    breaks_with(story, Invariant::I31, |config| config.idle_timeout += Duration::from_secs(1));
}

#[test]
fn whoever_has_time_to_connect_is_not_closed() {
    let mut story = Story::new();
    story.opens(1);
    story.ticks_after(story.scenario.hub.connect_timeout);
    breaks_with(story, Invariant::I31, |config| config.connect_timeout += Duration::from_secs(1));
}

#[test]
fn a_renewal_puts_expiry_off() {
    let mut story = Story::of(["alice"]);
    let before = story.last().row("alice").deadline;
    story.passes(Duration::from_secs(10));
    story.asks(1, "alice", renew(None));
    story.holds();
    story.last().row("alice").deadline = before;
    story.breaks(Invariant::I32);
}

#[test]
fn a_registration_lives_for_its_whole_time() {
    let mut story = Story::of(["alice"]);
    let row = story.last().row("alice");
    let until = signal_hub::time::Timestamp::from_millis(row.deadline.unwrap().as_millis() - 1);
    (row.registration.as_mut().unwrap().until, row.deadline) = (until, Some(until));
    story.breaks(Invariant::I32);
}

#[test]
fn whoever_has_expired_is_not_registered() {
    let mut story = Story::with(|config| config.idle_timeout = Duration::from_secs(600));
    story.all_registered(["alice"]);
    let registered = story.last().row("alice").clone();
    story.ticks_after(super::TTL);
    story.holds();
    *story.last().row("alice") = registered;
    story.breaks(Invariant::I33);
}

/// She registers with metadata of a kibibyte.
fn described_at_length() -> Story {
    let mut story = Story::new();
    story.connected(1, "alice");
    let Verb::Register(mut described) = register("alice") else { panic!() };
    described.metadata = serde_json::json!({ "about": "x".repeat(1_024) }).into();
    story.asks(1, "alice", Verb::Register(described));
    story
}

#[test]
fn a_registration_is_accounted_for_as_it_is() {
    let mut story = described_at_length();
    story.holds();
    story.last().row("alice").registration.as_mut().unwrap().weight -= 1_024;
    story.breaks(Invariant::I52);
}

#[test]
fn a_registration_is_no_larger_than_it_may_be() {
    for shorten in [
        (|config| config.registration_metadata_bytes_max = 1_000) as fn(&mut Config),
        |config| config.capabilities_max = 0,
        |config| config.capability_bytes_max = 1,
    ] {
        breaks_with(described_at_length(), Invariant::I52, shorten);
    }
}

#[test]
fn all_queues_together_are_within_their_sum() {
    let mut story = Story::of(["alice", "bob"]);
    let data = serde_json::json!("x".repeat(100_000)).into();
    let Verb::Send(large) = send("alice") else { panic!() };
    story.tells(2, "bob", Verb::Send(signal_hub::protocol::Send { data, ..large }));
    breaks_with(story, Invariant::I52, |config| {
        (config.sessions_max, config.message_bytes_max) = (2, 2_000);
        config.queue_bytes_max = 20_000;
    });
}

#[test]
fn nothing_is_written_again_and_again() {
    let mut story = Story::of(["alice", "bob"]);
    story.asks(1, "alice", send("bob"));
    story.holds();
    story.last().work.bytes += 20_000;
    story.breaks(Invariant::I51);
}

#[test]
fn nothing_is_left_at_rest() {
    assert_eq!(check_rest(Sizes::default()), Ok(()));
    assert_eq!(
        broken(check_rest(Sizes { deadlines: 1, ..Sizes::default() })),
        Some(Invariant::I34)
    );
}

#[test]
fn two_processes_tell_the_same() {
    let same = |here, there| -> Result<(), Violation> { check_same(here, there) };
    assert_eq!(same("one\ntwo", "one\ntwo"), Ok(()));
    let violation = same("one\ntwo", "one\nthree").unwrap_err();
    assert_eq!(violation.invariant, Invariant::I35);
    assert!(violation.evidence.starts_with("from line 2 on"), "{}", violation.evidence);
}
