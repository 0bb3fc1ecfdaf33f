//! The bounds of queues and tables (protocol, sections 7 and 8). A message without data weighs 512
//! bytes and what its metadata has.

use serde_json::{Value, json};
use signal_hub::hub::{Queued, SessionKey};
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

/// A hub whose queues take so many messages, alice who sends and bob whose queue is empty.
fn narrow(messages: usize) -> (Conversation, SessionKey, SessionKey) {
    let mut hub = Conversation::with(|config| config.queue_messages_max = messages);
    let alice = hub.registered("alice");
    hub.drains_all(alice);
    let bob = hub.registered("bob");
    hub.drains_all(bob);
    (hub, alice, bob)
}

/// Sends bob so many messages, and lets alice read the answers.
fn fill(hub: &mut Conversation, alice: SessionKey, messages: usize) {
    for _ in 0..messages {
        hub.asks(alice, send("bob", "chat", Value::Null)).accepted();
        hub.drains_all(alice);
    }
}

fn queue_full(key: SessionKey, limit: usize) -> Seen {
    let details = json!({ "retryAfterMs": 10_000, "retryAfter": 10, "limit": limit });
    refusal(key, "rate_limited").because(details)
}

/// The records of a tell that bob's queue has no room for.
fn dropped_tell(sender: SessionKey) -> [Value; 2] {
    [dropped("bob", "queue_full"), refused_tell(sender, "hub:send", "rate_limited")]
}

#[test]
fn a_message_beyond_the_bound_is_dropped_and_the_asker_told() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    hub.asks(alice, send("bob", "chat", Value::Null))
        .gets([queue_full(alice, 2)])
        .records([dropped("bob", "queue_full"), refused(alice, "hub:send", "rate_limited")]);
    hub.tells(alice, send("bob", "chat", Value::Null)).gets([]);
    assert_eq!((hub.queued(bob).messages, hub.counters().messages_dropped), (2, 2));
}

#[test]
fn a_drained_queue_takes_messages_again() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    hub.drains(bob, 1, 600).nothing();
    hub.asks(alice, send("bob", "chat", Value::Null))
        .gets([message(bob, "alice", "bob", "chat", Value::Null), acknowledged(alice)]);
}

#[test]
fn bytes_are_bounded_too() {
    let mut hub = Conversation::with(|config| config.queue_bytes_max = 4_000);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(bob);
    let large = || send("bob", "chat", json!("x".repeat(1_800)));
    hub.tells(alice, large()).records([delivered("alice", "bob", "chat", bob)]);
    hub.tells(alice, large()).records(dropped_tell(alice));
    hub.tells(alice, send("bob", "chat", Value::Null))
        .records([delivered("alice", "bob", "chat", bob)]);
    let Queued { messages, bytes } = hub.queued(bob);
    assert!(messages == 2 && bytes <= 4_000, "{bytes}");
}

#[test]
fn a_long_type_weighs_what_it_is() {
    let mut hub = Conversation::with(|config| config.type_bytes_max = 100_000);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(bob);
    hub.tells(alice, send("bob", &"t".repeat(100_000), Value::Null)).accepted();
    assert!(hub.queued(bob).bytes >= 100_000, "{:?}", hub.queued(bob));
}

#[test]
fn an_echo_weighs_what_it_is() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.drains_all(alice);
    hub.asks(alice, say("hub:heartbeat", json!({ "timestamp": "t".repeat(100_000) }))).accepted();
    assert!(hub.queued(alice).bytes >= 100_000, "{:?}", hub.queued(alice));
}

#[test]
fn a_long_list_of_subscriptions_weighs_what_it_is() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for n in 0..100 {
        hub.tells(alice, subscribe(&format!("{n:0250}"))).accepted();
    }
    hub.drains_all(alice);
    hub.asks(alice, register("alice")).accepted();
    assert!(hub.queued(alice).bytes >= 25_000, "{:?}", hub.queued(alice));
}

#[test]
fn an_empty_queue_takes_a_message_of_any_size() {
    let mut hub = Conversation::with(|config| config.queue_bytes_max = 1_000);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(bob);
    hub.tells(alice, send("bob", "chat", json!("x".repeat(2_000))))
        .records([delivered("alice", "bob", "chat", bob)]);
}

#[test]
fn a_session_that_stays_at_its_bound_is_closed() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    hub.after(milliseconds(9_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(bob, CloseReason::SlowConsumer)]).records([
        detached("bob", bob, json!({ "closed": "slow_consumer" })),
        session_closed(bob, 1013, json!({ "closed": "slow_consumer" }), json!(["@(bob)"])),
    ]);
    hub.asks(alice, send("bob", "chat", Value::Null)).gets([unknown_actor(alice, "bob")]);
}

#[test]
fn dropped_messages_do_not_put_the_close_off() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    hub.after(seconds(9)).nothing();
    hub.tells(alice, send("bob", "chat", Value::Null)).records(dropped_tell(alice));
    hub.after(seconds(1)).gets([closed(bob, CloseReason::SlowConsumer)]);
}

#[test]
fn a_large_message_that_finds_no_room_starts_the_clock_as_well() {
    let mut hub = Conversation::with(|config| config.queue_bytes_max = 4_000);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(bob);
    hub.tells(alice, send("bob", "chat", json!("x".repeat(1_800)))).accepted();
    hub.after(seconds(20)).nothing();
    hub.tells(alice, send("bob", "chat", json!("x".repeat(2_000)))).records(dropped_tell(alice));
    hub.after(seconds(10)).gets([closed(bob, CloseReason::SlowConsumer)]);
}

#[test]
fn a_session_that_reads_in_time_stays() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    hub.after(milliseconds(9_999)).nothing();
    hub.drains(bob, 1, 600).nothing();
    hub.after(seconds(20)).nothing();
    fill(&mut hub, alice, 1);
    hub.after(milliseconds(9_999)).nothing();
}

#[test]
fn a_session_that_asks_and_never_reads_is_closed() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    for _ in 0..2 {
        hub.asks(bob, heartbeat()).accepted();
    }
    hub.asks(bob, heartbeat()).gets([closed(bob, CloseReason::SlowConsumer)]);
}

#[test]
fn a_goodbye_from_a_session_that_never_read_is_still_a_goodbye() {
    let (mut hub, alice, bob) = narrow(2);
    fill(&mut hub, alice, 2);
    for _ in 0..2 {
        hub.asks(bob, heartbeat()).accepted();
    }
    hub.asks(bob, disconnect()).gets([
        reply(bob, "hub:disconnect", json!({ "acknowledged": true })),
        closed(bob, CloseReason::ClientDisconnect),
    ]);
    assert_eq!(hub.known("bob"), Value::Null);
}

#[test]
fn one_slow_session_is_nobody_elses_business() {
    let (mut hub, alice, bob) = narrow(2);
    let carol = hub.subscribed("carol", "news");
    hub.drains_all(carol);
    hub.asks(bob, subscribe("news")).accepted();
    hub.drains_all(bob);
    fill(&mut hub, alice, 2);
    hub.asks(alice, publish("news", "flash", Value::Null))
        .gets([
            publication(carol, ["alice", "carol", "news"], "flash", Value::Null),
            published(alice, "news", 1),
        ])
        .records([dropped("bob", "queue_full"), delivered("alice", "carol", "flash", carol)]);
}

#[test]
fn a_full_hub_takes_no_more_sessions() {
    let mut hub = Conversation::with(|config| config.sessions_max = 1);
    let alice = hub.registered("alice");
    let (late, heard) = hub.opens();
    heard.gets([closed(late, CloseReason::HubFull)]).records([
        json!({
            "event": "session_opened", "session": late, "sessionId": "session-2",
            "peer": "127.0.0.1:40000",
        }),
        session_closed(late, 1013, json!({ "closed": "hub_full" }), json!([])),
    ]);
    hub.asks(late, connect()).nothing();
    hub.loses(late).nothing();
    hub.loses(alice);
    hub.registered("bob");
}
