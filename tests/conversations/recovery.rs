//! Recovery (protocol, section 5): what was sent to an address while it was away, or into a dead
//! socket, comes after its return. All of it, in order, before anything later, or nothing.

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

fn note(to: &str, number: u64) -> Say {
    send(to, "note", json!(number))
}

/// Copies of these numbers, each with its `seq`.
fn numbered(copies: impl IntoIterator<Item = (u64, u64)>) -> Vec<(Value, Value)> {
    copies.into_iter().map(|(data, seq)| (json!(data), json!(seq))).collect()
}

/// What `hub:registered` says where nothing, or everything, was asked for.
fn answer(epoch: &str, after: u64, replayed: Option<u64>) -> Value {
    json!({
        "epoch": epoch, "after": after, "recovered": replayed.is_some(),
        "replayed": replayed.unwrap_or(0), "ttlExpired": 0,
        "window": { "seconds": 30, "messages": 256, "bytes": 262_144 },
    })
}

fn refused(epoch: &str, after: u64, reason: &str) -> Value {
    let mut answer = answer(epoch, after, None);
    answer["reason"] = json!(reason);
    answer
}

fn away(hub: &mut Conversation) -> [SessionKey; 2] {
    let (bob, alice) = (hub.registered("bob"), hub.recovering("alice"));
    hub.asks(bob, note("alice", 1)).accepted();
    hub.drains_all(alice);
    hub.loses(alice);
    [bob, hub.connected("alice")]
}

#[test]
fn the_first_reply_bears_a_position() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let heard = hub.asks(alice, register_again("alice", json!(true)));
    assert_eq!(heard.recovery(), answer("epoch-1", 0, None));
    assert_eq!(hub.asks(alice, register("bob")).recovery(), Value::Null);
}

#[test]
fn every_kind_of_message_is_numbered_for_who_asks() {
    let mut hub = Conversation::new();
    let (bob, alice) = (hub.subscribed("bob", "news"), hub.recovering("alice"));
    hub.asks(alice, subscribe("news")).accepted();
    assert_eq!(hub.asks(bob, note("alice", 1)).copies(), numbered([(1, 1)]));
    let heard = hub.asks(bob, publish("news", "note", json!(2)));
    assert_eq!(heard.copies(), [(json!(2), json!(1 + 1)), (json!(2), Value::Null)]);
    let heard = hub.asks(bob, broadcast("note", json!(3)));
    assert_eq!(heard.copies(), [(json!(3), json!(3)), (json!(3), Value::Null)]);
}

#[test]
fn what_came_while_the_address_was_away_is_replayed_first() {
    let mut hub = Conversation::new();
    let [bob, again] = away(&mut hub);
    let heard = hub.asks(bob, note("alice", 2));
    assert_eq!(heard.payload()["status"], "queued");
    assert_eq!(heard.events(), ["message_queued"]);
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    assert_eq!(heard.recovery(), answer("epoch-1", 1, Some(1)));
    assert_eq!(heard.copies(), numbered([(2, 2)]));
    assert_eq!(hub.asks(bob, note("alice", 3)).copies(), numbered([(3, 3)]));
}

#[test]
fn what_was_written_into_a_dead_socket_comes_again_at_a_takeover() {
    let mut hub = Conversation::new();
    let (bob, alice) = (hub.registered("bob"), hub.recovering("alice"));
    hub.asks(bob, note("alice", 1)).accepted();
    hub.asks(bob, note("alice", 2)).accepted();
    let again = hub.connected("alice");
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    let kinds: Vec<String> = heard.kinds().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["hub:disconnect", "close 4003", "hub:registered", "note"]);
    assert_eq!(heard.copies(), numbered([(2, 2)]));
    hub.loses(alice);
}

#[test]
fn a_second_device_gets_nothing_of_the_first_ones() {
    let mut hub = Conversation::new();
    let (bob, alice) = (hub.registered("bob"), hub.recovering("alice"));
    hub.asks(bob, note("alice", 1)).accepted();
    let second = hub.recovering("alice");
    hub.loses(alice);
    let first = hub.connected("alice");
    let heard = hub.asks(first, register_again("alice", json!(["epoch-1", 0])));
    assert_eq!(heard.copies(), []);
    hub.loses(second);
    let third = hub.connected("alice");
    let heard = hub.asks(third, register_again("alice", json!(["epoch-1", 0])));
    assert_eq!(heard.copies(), []);
}

#[test]
fn a_position_of_before_a_takeover_is_refused() {
    let mut hub = Conversation::new();
    hub.recovering("alice");
    hub.registered("alice");
    let first = hub.connected("alice");
    let heard = hub.asks(first, register_again("alice", json!(["epoch-1", 0])));
    let last = heard.kinds().len();
    assert_eq!(last, 3);
    hub.loses(first);
    let again = hub.connected("alice");
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 0])));
    assert_eq!(heard.recovery(), refused("epoch-2", 0, "taken_over"));
}

#[test]
fn a_position_ahead_or_of_another_epoch_is_refused() {
    let mut hub = Conversation::new();
    let [_, again] = away(&mut hub);
    let epoch = "epoch-00000000-0000-4000-8000-000000000000";
    let heard = hub.asks(again, register_again("alice", json!([epoch, 0])));
    assert_eq!(heard.recovery(), refused("epoch-1", 1, "epoch"));
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 2])));
    assert_eq!(heard.recovery(), refused("epoch-1", 1, "ahead"));
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    assert_eq!(heard.recovery(), answer("epoch-1", 1, Some(0)));
}

#[test]
fn a_log_that_overflows_gives_up_the_oldest_and_says_so() {
    let mut hub = Conversation::with(|config| config.recovery_messages_max = 2);
    let [bob, again] = away(&mut hub);
    for number in 2..4 {
        hub.asks(bob, note("alice", number)).accepted();
    }
    let heard = hub.asks(bob, note("alice", 4));
    assert_eq!(heard.events(), ["message_dropped", "message_queued"]);
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    assert_eq!(heard.recovery()["reason"], "overflow");
    assert_eq!(heard.copies(), []);
    let heard = hub.asks(again, recover(2));
    assert_eq!(heard.copies(), numbered([(3, 3), (4, 4)]));
}

#[test]
fn what_is_older_than_the_window_is_given_up() {
    let mut hub = Conversation::new();
    let alice = hub.recovering("alice");
    let bob = hub.registered("bob");
    hub.asks(bob, note("alice", 1)).accepted();
    hub.after(seconds(29)).nothing();
    hub.asks(bob, note("alice", 2)).accepted();
    hub.after(seconds(1)).nothing();
    let heard = hub.asks(alice, recover(0));
    assert_eq!(heard.recovery()["reason"], "expired");
    assert_eq!(hub.asks(alice, recover(1)).copies(), numbered([(2, 2)]));
}

#[test]
fn a_message_that_is_too_late_is_left_out_and_counted() {
    let mut hub = Conversation::new();
    let [bob, again] = away(&mut hub);
    hub.asks(bob, note("alice", 2).with("ttl", 1_000)).accepted();
    hub.asks(bob, note("alice", 3)).accepted();
    hub.after(seconds(2)).nothing();
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    let mut expected = answer("epoch-1", 1, Some(1));
    expected["ttlExpired"] = json!(1);
    assert_eq!(heard.recovery(), expected);
    assert_eq!(heard.copies(), numbered([(3, 3)]));
    assert!(heard.events().contains(&"message_dropped".to_owned()));
}

#[test]
fn a_sender_may_refuse_to_wait() {
    let mut hub = Conversation::new();
    let [bob, again] = away(&mut hub);
    let mut now_or_never = note("alice", 2);
    now_or_never.fields["payload"]["queue"] = json!(false);
    let heard = hub.asks(bob, now_or_never);
    assert_eq!(heard.kinds()[0].1, "hub:unknown_actor");
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    assert_eq!(heard.recovery(), answer("epoch-1", 1, Some(0)));
}

#[test]
fn what_finds_the_queue_full_is_kept_for_the_asking() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 2);
    let (bob, alice) = (hub.registered("bob"), hub.recovering("alice"));
    hub.drains_all(alice);
    for number in 1..4 {
        let heard = hub.asks(bob, note("alice", number)).accepted();
        assert_eq!(heard.copies().is_empty(), number == 3);
        hub.drains_all(bob);
    }
    hub.drains_all(alice);
    assert_eq!(hub.asks(alice, recover(2)).copies(), numbered([(3, 3)]));
}

#[test]
fn what_is_too_much_for_the_queue_waits_in_its_order() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 3);
    let [bob, again] = away(&mut hub);
    for number in 2..6 {
        hub.asks(bob, note("alice", number)).accepted();
        hub.drains_all(bob);
    }
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 1])));
    assert_eq!(heard.recovery()["replayed"], 4);
    assert_eq!(heard.copies(), numbered([(2, 2)]));
    let heard = hub.asks(bob, note("alice", 6));
    assert_eq!(heard.payload()["status"], "queued");
    assert_eq!(hub.drains_all(again).copies(), numbered([(3, 3), (4, 4), (5, 5)]));
    assert_eq!(hub.drains_all(again).copies(), numbered([(6, 6)]));
    hub.drains_all(bob);
    assert_eq!(hub.asks(bob, note("alice", 7)).copies(), numbered([(7, 7)]));
}

#[test]
fn a_log_that_ends_in_its_replay_holds_nothing_back() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 3);
    let [bob, again] = away(&mut hub);
    for number in 2..6 {
        hub.asks(bob, note("alice", number)).accepted();
        hub.drains_all(bob);
    }
    hub.asks(again, register_again("alice", json!(["epoch-1", 1]))).accepted();
    hub.asks(again, register("alice")).accepted();
    hub.asks(again, register_again("alice", json!(true))).accepted();
    hub.drains_all(again);
    assert_eq!(hub.asks(bob, note("alice", 9)).copies(), numbered([(9, 1)]));
}

#[test]
fn a_publication_is_kept_for_who_is_away() {
    let mut hub = Conversation::new();
    let alice = hub.recovering("alice");
    hub.asks(alice, subscribe("news")).accepted();
    let bob = hub.registered("bob");
    hub.loses(alice);
    let heard = hub.asks(bob, publish("news", "note", json!(1)));
    let told = json!({ "topic": "news", "subscriberCount": 0, "queuedCount": 1 });
    assert_eq!(heard.payload(), told);
    let heard = hub.asks(bob, broadcast("note", json!(2)).with("pattern", "ask"));
    assert_eq!(heard.copies(), [(json!(2), Value::Null)]);
    let again = hub.connected("alice");
    let heard = hub.asks(again, register_again("alice", json!(["epoch-1", 0])));
    assert_eq!(heard.copies(), numbered([(1, 1), (2, 2)]));
}

#[test]
fn what_nobody_comes_back_for_is_dropped_with_a_record() {
    let mut hub = Conversation::new();
    let [bob, _] = away(&mut hub);
    hub.asks(bob, note("alice", 2)).accepted();
    let heard = hub.after(seconds(30));
    assert!(heard.events().contains(&"message_dropped".to_owned()), "{heard:?}");
    assert_eq!(hub.counters().drops.unclaimed, 1);
    hub.comes_to_rest();
}

#[test]
fn whoever_has_most_gives_way_when_the_hub_is_full() {
    let mut hub = Conversation::with(|config| config.recovery_total_bytes_max = 64 * 1024);
    let (bob, alice, carol) =
        (hub.registered("bob"), hub.recovering("alice"), hub.recovering("carol"));
    hub.asks(bob, note("carol", 1)).accepted();
    for number in 1..120 {
        hub.asks(bob, note("alice", number)).accepted();
        hub.drains_all(alice);
        hub.drains_all(bob);
        hub.after(milliseconds(10));
    }
    assert_eq!(hub.asks(carol, recover(0)).copies(), numbered([(1, 1)]));
    assert_eq!(hub.asks(alice, recover(0)).recovery()["reason"], "overflow");
}

#[test]
fn a_hub_that_keeps_nothing_says_so() {
    let mut hub = Conversation::with(|config| config.recovery_messages_max = 0);
    let alice = hub.connected("alice");
    let heard = hub.asks(alice, register_again("alice", json!(true)));
    let off = json!({
        "after": 0, "recovered": false, "replayed": 0, "ttlExpired": 0, "reason": "off",
        "window": { "seconds": 0, "messages": 0, "bytes": 0 },
    });
    assert_eq!(heard.recovery(), off);
}

#[test]
fn a_wish_of_another_form_is_refused() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    for wish in [json!(1), json!("epoch-1"), json!({ "epoch": "x", "after": 0 })] {
        let heard = hub.asks(alice, register_again("alice", wish));
        assert_eq!(heard.events(), ["request_refused"]);
    }
}
