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
fn the_senders_metadata_travels_but_for_the_keys_of_the_hub() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let claimed = json!({
        "trace": "t", "n": { "a": [1, 1.0] }, "seq": 7, "publication": "yes", "topic": 5,
        "broadcast": true, "forwarded": false, "via": "me", "originalMessageId": {},
    });
    let copy = [
        (send("alice", "chat", Value::Null), message(alice, "alice", "alice", "chat", Value::Null)),
        (
            publish("news", "chat", Value::Null),
            publication(alice, ["alice", "alice", "news"], "chat", Value::Null),
        ),
        (
            broadcast("chat", Value::Null),
            broadcasted(alice, ["alice", "alice"], "chat", Value::Null),
        ),
    ];
    for (words, seen) in copy {
        let seen = seen.bearing("trace", "t").bearing("n", json!({ "a": [1, 1.0] }));
        hub.tells(alice, words.with("metadata", claimed.clone())).gets([seen]);
    }
}

#[test]
fn a_text_that_is_nobodys_address_is_an_unknown_actor() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let to = |text: &str| say("hub:send", json!({ "to": text, "type": "t" }));
    let longest = "b".repeat(258);
    for text in ["bob", "@(no address)", "a session", &longest] {
        let payload = json!({
            "actorAddress": text, "message": format!("Actor not registered: {text}"),
        });
        let record = json!({
            "event": "message_dropped", "to": text, "message": "this", "why": "unknown_actor",
        });
        hub.asks(alice, to(text))
            .gets([reply(alice, "hub:unknown_actor", payload)])
            .records([record]);
    }
    let rule = "an address, or any text of 1 to 258 bytes";
    hub.asks(alice, to(&format!("{longest}b"))).gets([invalid(alice, "to", rule, "string")]);
    let number = say("hub:send", json!({ "to": 7, "type": "t" }));
    hub.asks(alice, number).gets([invalid(alice, "to", "an address", "7")]);
    let heard = hub.asks(alice, to("").with("to", at("alice")));
    assert_eq!(heard.kinds()[0], (alice, "t".to_owned()), "an empty recipient is the envelope's");
}

#[test]
fn a_copy_never_passes_for_a_reply() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    for words in [publish("news", "flash", Value::Null), broadcast("flash", Value::Null)] {
        let heard = hub.asks(alice, words.with("id", "1"));
        assert_eq!(heard.correlations(), [Value::Null, json!("this")]);
    }
}

#[test]
fn a_trace_id_comes_back_in_the_reply() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let traced = |words: Say, trace: &str| words.with("metadata", json!({ "traceId": trace }));
    let long = "t".repeat(256);
    for words in [heartbeat(), renew(), subscribe(""), say("hub:nothing", Value::Null)] {
        let heard = hub.asks(alice, traced(words, &long));
        assert_eq!(heard.metadata(), json!({ "traceId": long }));
    }
    let registered = hub.asks(alice, traced(register("alice"), "t-1")).metadata();
    assert_eq!((&registered["traceId"], &registered["version"]), (&json!("t-1"), &json!(3)));
    let too_long = hub.asks(alice, traced(heartbeat(), &format!("{long}t")));
    assert_eq!(too_long.metadata(), json!({}));
    let number = hub.asks(alice, heartbeat().with("metadata", json!({ "traceId": 7 })));
    assert_eq!(number.metadata(), json!({}));
}

#[test]
fn a_type_of_the_hubs_own_is_refused() {
    let mut hub = Conversation::new();
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    let rule = "an application type: a string that does not begin with hub:";
    hub.asks(alice, send("bob", "hub:registered", Value::Null))
        .gets([invalid(alice, "payload.type", rule, "hub:registered")])
        .records([refused(alice, "hub:send", "internal_error")]);
    hub.asks(alice, say("hub:send", json!({ "to": "@(bob)" }))).gets([missing(
        alice,
        "payload.type",
        rule,
    )]);
    hub.asks(alice, publish("news", "hub:x", Value::Null)).gets([invalid(
        alice,
        "payload.type",
        rule,
        "hub:x",
    )]);
}

#[test]
fn the_recipient_falls_back_to_the_envelopes() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let chat = say("hub:send", json!({ "type": "chat" }));
    hub.asks(alice, chat.clone().with("to", "@(bob)"))
        .gets([message(bob, "alice", "bob", "chat", Value::Null), acknowledged(alice)]);
    hub.asks(alice, chat).gets([unknown_actor(alice, "cloudflare/signal-hub")]);
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
    hub.asks(alice, aged(6_001))
        .gets([refusal(alice, "message_expired")])
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
