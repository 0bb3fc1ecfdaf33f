//! Asks that come again (protocol, section 7).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

fn answered(session: SessionKey, kind: &str) -> Value {
    json!({
        "event": "retry_answered", "actorAddress": "@(alice)", "session": session,
        "message": "this", "type": kind,
    })
}

fn again(words: Say) -> Say {
    words.with("id", "again")
}

fn chat() -> Say {
    again(send("bob", "chat", json!(1)))
}

#[test]
fn a_retry_gets_the_first_outcome_and_is_not_delivered_again() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.registered("bob");
    for (words, kind, copies) in [
        (chat(), "hub:send", 1),
        (again(publish("news", "flash", Value::Null)), "hub:publish", 1),
        (again(broadcast("flash", Value::Null)), "hub:broadcast", 2),
    ] {
        let first = hub.asks(alice, words.clone()).accepted();
        assert_eq!(first.kinds().len(), copies + 1);
        let (_, reply) = first.kinds().pop().expect("an ask gets a reply");
        let second = hub.asks(alice, words).records([answered(alice, kind)]);
        assert_eq!(second.kinds(), [(alice, reply)]);
    }
}

#[test]
fn the_first_outcome_is_told_word_for_word() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, chat()).accepted();
    hub.loses(bob);
    hub.unnoticed(seconds(2));
    let payload = json!({ "messageId": "this", "deliveredAt": -2_000, "status": "delivered" });
    hub.asks(alice, chat()).gets([reply(alice, "hub:delivery_ack", payload)]);
}

#[test]
fn that_nobody_was_there_is_no_outcome() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, chat()).gets([unknown_actor(alice, "bob")]);
    let bob = hub.registered("bob");
    let heard = hub
        .asks(alice, chat())
        .gets([message(bob, "alice", "bob", "chat", json!(1)), acknowledged(alice)]);
    heard.records([delivered("alice", "bob", "chat", bob)]);
}

#[test]
fn the_same_id_with_other_content_is_another_message() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, subscribe("art")).accepted();
    hub.all_registered(["bob", "carol"]);
    let wide = || broadcast("flash", json!(1));
    let mut narrow = wide();
    narrow.fields["payload"]["excludeSelf"] = json!(true);
    let others = [
        send("bob", "chat", json!(1)),
        send("bob", "chat", json!(2)),
        send("bob", "note", json!(1)),
        send("carol", "chat", json!(1)),
        publish("news", "chat", json!(1)),
        publish("art", "chat", json!(1)),
        publish("art", "chat", json!("1")),
        wide(),
        narrow,
        wide().with("metadata", json!({ "targetCapability": "chat" })),
    ];
    for words in &others {
        let first = hub.asks(alice, again(words.clone())).accepted();
        assert!(first.kinds().len() > 1, "{words:?} is delivered");
    }
    for words in others {
        let later = words.aged(milliseconds(7)).with("ttl", 60_000);
        assert_eq!(hub.asks(alice, again(later)).kinds().len(), 1, "and known again");
    }
}

#[test]
fn whoever_gives_an_address_back_is_not_remembered() {
    for goodbye in [unregister("alice"), disconnect()] {
        let mut hub = Conversation::new();
        let [alice, bob] = hub.all_registered(["alice", "bob"]);
        hub.asks(alice, chat()).accepted();
        hub.asks(alice, goodbye).accepted();
        let next = hub.registered("alice");
        let heard = hub.asks(next, chat());
        heard.gets([message(bob, "alice", "bob", "chat", json!(1)), acknowledged(next)]);
    }
}

#[test]
fn at_the_bound_whoever_has_most_outcomes_gives_way() {
    let mut hub = Conversation::with(|config| config.dedupe_entries_max = 3);
    let [alice, bob, carol] = hub.all_registered(["alice", "bob", "carol"]);
    for id in ["one", "two", "three"] {
        hub.asks(alice, send("carol", "chat", Value::Null).with("id", id)).accepted();
    }
    hub.asks(bob, send("carol", "chat", Value::Null).with("id", "one")).accepted();
    for (session, id, again) in [(bob, "one", 1), (alice, "two", 1), (alice, "one", 2)] {
        hub.drains_all(carol);
        let heard = hub.asks(session, send("carol", "chat", Value::Null).with("id", id));
        assert_eq!(heard.kinds().len(), again, "{id}");
    }
}

#[test]
fn an_address_has_no_more_outcomes_than_its_bound() {
    let mut hub = Conversation::with(|config| config.dedupe_entries_per_address_max = 1);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(bob, send("alice", "chat", json!(1)).with("id", "again")).accepted();
    for id in ["one", "two", "one"] {
        hub.asks(alice, chat().with("id", id)).accepted();
    }
    assert_eq!(hub.counters().messages_delivered, 4);
    hub.asks(bob, send("alice", "chat", json!(1)).with("id", "again")).accepted();
    assert_eq!(hub.counters().messages_delivered, 4, "bob's is known");
}

#[test]
fn a_retry_is_known_on_the_next_connection_of_the_same_actor() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, chat()).accepted();
    hub.loses(alice);
    let later = hub.registered("alice");
    hub.asks(later, chat()).records([answered(later, "hub:send")]);
    let other = hub.asks(bob, chat()).accepted();
    assert_eq!(other.kinds().len(), 2, "another actor's ask is another one");
}

#[test]
fn a_retry_is_known_for_the_window_and_no_longer() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, chat()).accepted();
    hub.unnoticed(milliseconds(59_999));
    hub.pongs(bob);
    hub.asks(alice, chat()).records([answered(alice, "hub:send")]);
    hub.unnoticed(milliseconds(1));
    hub.asks(alice, chat().with("timestamp", 1_000_060_000)).accepted();
    assert_eq!(hub.counters().messages_delivered, 2);
}

#[test]
fn no_more_outcomes_are_remembered_than_the_bound() {
    let mut hub = Conversation::with(|config| config.dedupe_entries_max = 2);
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    for id in ["one", "two", "three", "two", "one"] {
        hub.asks(alice, chat().with("id", id)).accepted();
    }
    assert_eq!(hub.counters().messages_delivered, 4);
}

#[test]
fn a_refused_ask_may_be_tried_again_under_its_id() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 1);
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(alice);
    let full = hub.asks(alice, chat());
    assert_eq!(full.kinds(), [(alice, "hub:error".to_owned())]);
    hub.drains_all(bob);
    let second = hub.asks(alice, chat()).accepted();
    assert_eq!(second.kinds().len(), 2);
}

#[test]
fn tells_and_other_verbs_are_done_as_often_as_they_come() {
    let mut hub = Conversation::new();
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    for _ in 0..2 {
        hub.tells(alice, chat()).accepted();
        hub.asks(alice, again(subscribe("news"))).accepted();
        hub.asks(alice, again(unsubscribe("news"))).accepted();
    }
    assert_eq!(hub.counters().messages_delivered, 2);
}

#[test]
fn without_a_window_every_ask_is_new() {
    let mut hub = Conversation::with(|config| config.dedupe_window = seconds(0));
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    for _ in 0..2 {
        hub.asks(alice, chat()).accepted();
    }
    assert_eq!(hub.counters().messages_delivered, 2);
}
