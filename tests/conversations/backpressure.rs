//! Queues that fill up and messages that wait too long in them (protocol, section 7).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

/// A hub that pauses beyond 2 waiting messages and resumes below 2; nobody has any.
fn calm<const N: usize>(names: [&str; N]) -> (Conversation, [SessionKey; N]) {
    let mut hub = Conversation::with(|config| {
        (config.pause_threshold, config.resume_threshold) = (2, 2);
    });
    let keys = hub.all_registered(names);
    for key in keys {
        hub.drains_all(key);
    }
    (hub, keys)
}

fn pause(key: SessionKey, slow: &str, depth: usize) -> Seen {
    let payload =
        json!({ "reason": "slow_consumer", "actorAddress": at(slow), "queueDepth": depth });
    notice(key, "hub:pause", payload)
}

fn resume(key: SessionKey) -> Seen {
    notice(key, "hub:resume", json!({}))
}

fn chat() -> Say {
    send("bob", "chat", Value::Null)
}

fn arrives(bob: SessionKey, from: &str) -> Seen {
    message(bob, from, "bob", "chat", Value::Null)
}

#[test]
fn who_feeds_a_deep_queue_is_told_to_pause_once() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
    hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
    hub.asks(alice, chat())
        .gets([arrives(bob, "alice"), pause(alice, "bob", 3), acknowledged(alice)])
        .records([
            delivered("alice", "bob", "chat", bob),
            json!({
                "event": "sender_paused", "session": alice, "actorAddress": "@(bob)",
                "queueDepth": 3,
            }),
        ]);
    hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
}

#[test]
fn below_the_resume_threshold_all_of_them_are_told_to_go_on() {
    let (mut hub, [alice, bob, carol]) = calm(["alice", "bob", "carol"]);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    hub.tells(carol, chat()).gets([arrives(bob, "carol"), pause(carol, "bob", 4)]);
    hub.drains(bob, 2, 0).nothing();
    hub.drains(bob, 1, 0).gets([resume(alice), resume(carol)]).records([
        json!({ "event": "sender_resumed", "session": alice }),
        json!({ "event": "sender_resumed", "session": carol }),
    ]);
    hub.drains(bob, 1, 0).nothing();
    for _ in 0..2 {
        hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
    }
    hub.tells(alice, chat()).gets([arrives(bob, "alice"), pause(alice, "bob", 3)]);
}

#[test]
fn publications_and_broadcasts_feed_too() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    hub.asks(bob, subscribe("news")).accepted();
    hub.tells(alice, chat());
    let heard = hub.tells(alice, publish("news", "flash", Value::Null));
    assert_eq!(heard.kinds()[1], (alice, "hub:pause".to_owned()));
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    hub.tells(alice, chat());
    hub.tells(alice, chat());
    let heard = hub.tells(alice, broadcast("flash", Value::Null));
    let kinds = [(alice, "flash"), (bob, "flash"), (alice, "hub:pause")];
    assert_eq!(heard.kinds(), kinds.map(|(key, kind)| (key, kind.to_owned())));
}

#[test]
fn a_message_that_finds_no_room_pauses_its_sender_as_well() {
    let mut hub = Conversation::with(|config| {
        (config.pause_threshold, config.resume_threshold) = (2, 2);
        config.queue_bytes_max = 4_000;
    });
    let [alice, bob, carol] = hub.all_registered(["alice", "bob", "carol"]);
    hub.drains_all(bob);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    let large = json!("x".repeat(4_000));
    hub.tells(carol, send("bob", "chat", large)).gets([pause(carol, "bob", 3)]);
    assert_eq!(hub.queued(bob).messages, 3);
}

#[test]
fn the_end_of_the_slow_one_lets_the_others_go_on() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    hub.loses(bob).gets([resume(alice)]);
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    let heard = hub.asks(bob, disconnect());
    let kinds = [(bob, "hub:disconnect"), (bob, "close 1000"), (alice, "hub:resume")];
    assert_eq!(heard.kinds(), kinds.map(|(key, kind)| (key, kind.to_owned())));
}

#[test]
fn nothing_is_kept_of_a_sender_that_is_gone() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    hub.loses(alice);
    hub.drains_all(bob).nothing();
    hub.comes_to_rest();
}

#[test]
fn who_feeds_itself_is_paused_and_its_end_is_still_its_end() {
    let (mut hub, [alice]) = calm(["alice"]);
    for _ in 0..2 {
        hub.tells(alice, send("alice", "note", Value::Null));
    }
    let heard = hub.tells(alice, send("alice", "note", Value::Null));
    assert_eq!(heard.kinds()[1], (alice, "hub:pause".to_owned()));
    let heard = hub.asks(alice, disconnect());
    assert_eq!(heard.kinds().last(), Some(&(alice, "close 1000".to_owned())));
    let (mut hub, [alice]) = calm(["alice"]);
    for _ in 0..3 {
        hub.tells(alice, send("alice", "note", Value::Null));
    }
    hub.drains_all(alice).gets([resume(alice)]);
}

#[test]
fn a_pause_waits_for_one_slow_actor_at_a_time() {
    let (mut hub, [alice, bob, carol]) = calm(["alice", "bob", "carol"]);
    for to in ["bob", "carol"] {
        for _ in 0..3 {
            hub.tells(alice, send(to, "chat", Value::Null));
        }
    }
    hub.drains_all(carol).nothing();
    hub.drains_all(bob).gets([resume(alice)]);
}

#[test]
fn a_message_that_waits_beyond_its_time_is_dropped_silently_and_counted() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    hub.asks(alice, chat().with("ttl", 5)).accepted();
    let record = json!({
        "event": "message_dropped", "to": "@(bob)", "message": "m5", "why": "expired",
    });
    hub.overdue(bob, "bob", 5).gets([]).records([record]);
    let counters = hub.counters();
    assert_eq!((counters.messages_expired, counters.messages_dropped), (1, 0));
    assert_eq!(hub.queued(bob).messages, 0);
}

#[test]
fn a_pause_never_closes_its_sender() {
    let mut hub = Conversation::with(|config| {
        config.queue_messages_max = 2;
        (config.pause_threshold, config.resume_threshold) = (1, 1);
    });
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(alice);
    hub.drains_all(bob);
    for _ in 0..4 {
        hub.asks(alice, heartbeat()).accepted();
    }
    hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
    hub.tells(alice, chat()).gets([arrives(bob, "alice")]);
    hub.drains_all(bob).nothing();
}

#[test]
fn who_pings_and_reads_nothing_is_closed_and_its_senders_go_on() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    hub.after(milliseconds(9_999)).nothing();
    hub.pongs(bob).nothing();
    let heard = hub.after(milliseconds(1));
    let kinds = [(bob, "close 1013"), (alice, "hub:resume")];
    assert_eq!(heard.kinds(), kinds.map(|(key, kind)| (key, kind.to_owned())));
}

#[test]
fn a_deep_queue_that_moves_is_let_be() {
    let (mut hub, [alice, bob]) = calm(["alice", "bob"]);
    for _ in 0..5 {
        hub.tells(alice, chat());
    }
    for _ in 0..3 {
        hub.after(milliseconds(9_999)).nothing();
        hub.drains(bob, 1, 0).nothing();
    }
    hub.drains(bob, 1, 0).gets([resume(alice)]);
    hub.drains_all(alice).nothing();
    hub.after(seconds(20)).nothing();
}

#[test]
fn what_moves_at_its_bound_is_still_at_its_bound() {
    let mut hub = Conversation::with(|config| {
        config.queue_messages_max = 3;
        (config.pause_threshold, config.resume_threshold) = (2, 1);
    });
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(bob);
    for _ in 0..3 {
        hub.tells(alice, chat());
    }
    hub.asks(bob, heartbeat()).accepted();
    hub.drains_all(alice).nothing();
    hub.after(seconds(9)).nothing();
    hub.drains(bob, 1, 0).nothing();
    let heard = hub.after(seconds(1));
    assert_eq!(heard.kinds()[0], (bob, "close 1013".to_owned()));
}
