//! hub:send (protocol, section 4): from one actor to another.

use serde_json::{Value, json};

use crate::fixture::*;

#[test]
fn a_message_is_delivered_before_its_ack() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let data = json!({ "n": 1, "deep": [{}] });
    hub.asks(alice, send("bob", "chat", data.clone()))
        .gets([message(bob, "alice", "bob", "chat", data), acknowledged(alice)])
        .records([delivered("alice", "bob", "chat", bob)]);
}

#[test]
fn a_told_message_is_delivered_without_an_ack() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.tells(alice, send("bob", "chat", json!("hi")))
        .gets([message(bob, "alice", "bob", "chat", json!("hi"))])
        .records([delivered("alice", "bob", "chat", bob)]);
    hub.tells(alice, send("carol", "chat", json!("hi")))
        .gets([])
        .records([dropped("carol", "unknown_actor")]);
}

#[test]
fn an_actor_may_write_to_itself() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, send("alice", "note", json!(1)))
        .gets([message(alice, "alice", "alice", "note", json!(1)), acknowledged(alice)]);
}

#[test]
fn without_data_the_payload_is_null() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, say("hub:send", json!({ "to": "@(bob)", "type": "chat" })))
        .gets([message(bob, "alice", "bob", "chat", Value::Null), acknowledged(alice)]);
}

#[test]
fn an_unknown_or_detached_actor_is_told_to_the_asker() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, send("carol", "chat", Value::Null))
        .gets([unknown_actor(alice, "carol")])
        .records([dropped("carol", "unknown_actor")]);
    hub.loses(bob);
    hub.asks(alice, send("bob", "chat", Value::Null))
        .gets([unknown_actor(alice, "bob")])
        .records([dropped("bob", "detached")]);
}

#[test]
fn the_senders_metadata_travels_and_the_hubs_keys_win() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let metadata = json!({ "trace": "t", "via": "me", "forwarded": false, "n": { "a": [1] } });
    let arrives = json!({
        "trace": "t", "n": { "a": [1] }, "forwarded": true, "via": "hub",
        "originalMessageId": "this",
    });
    hub.asks(alice, send("bob", "chat", Value::Null).with("metadata", metadata)).gets([
        message(bob, "alice", "bob", "chat", Value::Null).with("metadata", arrives),
        acknowledged(alice),
    ]);
}

#[test]
fn metadata_that_apes_the_hubs_does_not_confuse_the_recipient() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    for metadata in [json!({ "publication": true, "topic": "news" }), json!({ "topic": 5 })] {
        let mut arrives = metadata.clone();
        arrives["forwarded"] = json!(true);
        arrives["via"] = json!("hub");
        arrives["originalMessageId"] = json!("this");
        hub.asks(alice, send("bob", "chat", Value::Null).with("metadata", metadata)).gets([
            message(bob, "alice", "bob", "chat", Value::Null).with("metadata", arrives),
            acknowledged(alice),
        ]);
    }
}

#[test]
fn a_type_of_the_hubs_own_is_refused() {
    let mut hub = Conversation::new();
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    let rule = "an application type: a string that does not begin with hub:";
    hub.asks(alice, send("bob", "hub:registered", Value::Null))
        .gets([invalid(alice, "type", rule, "hub:registered")])
        .records([refused(alice, "hub:send", "internal_error")]);
    hub.asks(alice, say("hub:send", json!({ "to": "@(bob)" })))
        .gets([missing(alice, "type", rule)]);
    hub.asks(alice, publish("news", "hub:x", Value::Null))
        .gets([invalid(alice, "type", rule, "hub:x")]);
}

#[test]
fn the_recipient_falls_back_to_the_envelopes() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let chat = say("hub:send", json!({ "type": "chat" }));
    hub.asks(alice, chat.clone().with("to", "@(bob)"))
        .gets([message(bob, "alice", "bob", "chat", Value::Null), acknowledged(alice)]);
    hub.asks(alice, chat).gets([unknown_actor(alice, "cloudflare/signal-hub")]);
    let rule = "an address: @(path), path 1 to 255 bytes of [A-Za-z0-9._~:-] segments joined by /";
    hub.asks(alice, say("hub:send", json!({ "to": "bob", "type": "chat" })))
        .gets([invalid(alice, "to", rule, "string")]);
}

#[test]
fn a_time_to_live_travels_with_the_message() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, send("bob", "chat", Value::Null).with("ttl", 250)).gets([
        message(bob, "alice", "bob", "chat", Value::Null).with("ttl", 250),
        acknowledged(alice),
    ]);
}

#[test]
fn a_message_that_arrives_after_its_time_goes_nowhere() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let aged = |age| send("bob", "chat", Value::Null).with("ttl", 1_000).aged(milliseconds(age));
    let arrives = message(bob, "alice", "bob", "chat", Value::Null).with("ttl", 1_000);
    hub.asks(alice, aged(6_000)).gets([arrives, acknowledged(alice)]);
    let late = "the message's time to live was over when it arrived";
    hub.asks(alice, aged(6_001))
        .gets([refusal(alice, "message_expired", late)])
        .records([dropped("bob", "expired"), refused(alice, "hub:send", "message_expired")]);
    hub.tells(alice, aged(6_001)).gets([]);
    assert_eq!(hub.counters().messages_dropped, 2);
}

#[test]
fn messages_of_one_sender_keep_their_order() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bob = hub.subscribed("bob", "news");
    let others = json!({ "type": "third", "excludeSelf": true });
    let mut heard = hub.tells(alice, send("bob", "first", Value::Null));
    heard.extend(hub.tells(alice, publish("news", "second", Value::Null)));
    heard.extend(hub.tells(alice, say("hub:broadcast", others)));
    heard.extend(hub.tells(alice, send("bob", "fourth", Value::Null)));
    let kinds = ["first", "second", "third", "fourth"].map(|kind| (bob, kind.to_owned()));
    assert_eq!(heard.kinds(), kinds);
}

#[test]
fn an_unreadable_time_to_live_is_no_envelope() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, send("bob", "chat", Value::Null).with("ttl", -1)).gets([invalid(
        alice,
        "ttl",
        "a whole number of milliseconds",
        "-1",
    )]);
    assert_eq!(hub.counters().frames_malformed, 1);
}
