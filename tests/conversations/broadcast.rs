//! hub:broadcast (protocol, section 4): from one actor to all.

use serde_json::{Value, json};

use crate::fixture::*;

#[test]
fn every_registered_address_gets_one_copy_its_sender_too() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(bob, register("bob/two")).accepted();
    hub.connected("carol");
    let data = json!({ "n": 1 });
    hub.asks(alice, broadcast("flash", data.clone()))
        .gets([
            broadcasted(alice, ["alice", "alice"], "flash", data.clone()),
            broadcasted(bob, ["alice", "bob"], "flash", data.clone()),
            broadcasted(bob, ["alice", "bob/two"], "flash", data),
            broadcast_ack(alice, 3, 0),
        ])
        .records([
            delivered("alice", "alice", "flash", alice),
            delivered("alice", "bob", "flash", bob),
            delivered("alice", "bob/two", "flash", bob),
        ]);
}

#[test]
fn a_sender_may_leave_itself_out() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, register("alice/two")).accepted();
    let others = json!({ "type": "flash", "excludeSelf": true });
    hub.asks(alice, say("hub:broadcast", others.clone())).gets([
        broadcasted(alice, ["alice", "alice/two"], "flash", Value::Null),
        broadcasted(bob, ["alice", "bob"], "flash", Value::Null),
        broadcast_ack(alice, 2, 0),
    ]);
    hub.tells(alice, say("hub:broadcast", others).from("alice/two")).gets([
        broadcasted(alice, ["alice/two", "alice"], "flash", Value::Null),
        broadcasted(bob, ["alice/two", "bob"], "flash", Value::Null),
    ]);
}

#[test]
fn a_target_capability_names_who_gets_it() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let mut able = register("bob");
    able.fields["payload"]["capabilities"] = json!(["chat", "video"]);
    hub.asks(bob, able).accepted();
    let to = |capability: Value| {
        broadcast("flash", Value::Null).with("metadata", json!({ "targetCapability": capability }))
    };
    hub.asks(alice, to(json!("video"))).gets([
        broadcasted(bob, ["alice", "bob"], "flash", Value::Null)
            .bearing("targetCapability", "video"),
        broadcast_ack(alice, 1, 0),
    ]);
    hub.asks(alice, to(json!("vide"))).gets([broadcast_ack(alice, 0, 0)]).records([]);
    hub.asks(alice, to(json!(7)))
        .gets([invalid(alice, "targetCapability", "a string", "7")])
        .records([refused(alice, "hub:broadcast", "internal_error")]);
}

#[test]
fn the_detached_are_not_counted_and_the_full_have_failed() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 2);
    let alice = hub.registered("alice");
    let bob = hub.registered("bob");
    let carol = hub.registered("carol");
    hub.drains_all(alice);
    hub.drains_all(bob);
    hub.loses(carol);
    hub.tells(alice, send("bob", "chat", Value::Null)).accepted();
    hub.tells(alice, send("bob", "chat", Value::Null)).accepted();
    hub.asks(alice, broadcast("flash", Value::Null))
        .gets([
            broadcasted(alice, ["alice", "alice"], "flash", Value::Null),
            broadcast_ack(alice, 1, 1),
        ])
        .records([delivered("alice", "alice", "flash", alice), dropped("bob", "queue_full")]);
}

#[test]
fn a_broadcast_to_too_many_goes_to_nobody() {
    let mut hub = Conversation::with(|config| config.broadcast_recipients_max = 2);
    let [alice, bob, carol] = hub.all_registered(["alice", "bob", "carol"]);
    hub.asks(alice, broadcast("flash", Value::Null))
        .gets([refusal(alice, "BROADCAST_LIMIT_EXCEEDED").because(json!({ "limit": 2 }))])
        .records([refused(alice, "hub:broadcast", "BROADCAST_LIMIT_EXCEEDED")]);
    hub.tells(alice, broadcast("flash", Value::Null)).gets([]);
    hub.asks(alice, say("hub:broadcast", json!({ "type": "flash", "excludeSelf": true }))).gets([
        broadcasted(bob, ["alice", "bob"], "flash", Value::Null),
        broadcasted(carol, ["alice", "carol"], "flash", Value::Null),
        broadcast_ack(alice, 2, 0),
    ]);
}

#[test]
fn a_broadcast_needs_an_identity_a_type_and_a_flag_that_is_one() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, broadcast("flash", Value::Null)).gets([refusal(alice, "unauthorized")]);
    hub.asks(alice, register("alice")).accepted();
    let rule = "an application type: a string that does not begin with hub:";
    hub.asks(alice, say("hub:broadcast", Value::Null)).gets([missing(alice, "payload.type", rule)]);
    hub.asks(alice, broadcast("hub:x", Value::Null)).gets([invalid(
        alice,
        "payload.type",
        rule,
        "hub:x",
    )]);
    hub.asks(alice, say("hub:broadcast", json!({ "type": "t", "excludeSelf": "yes" })))
        .gets([invalid(alice, "excludeSelf", "true or false", "string")]);
}

#[test]
fn a_broadcast_has_a_time_to_live_and_its_senders_metadata() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let flash =
        broadcast("flash", Value::Null).with("metadata", json!({ "topic": "news", "trace": "t" }));
    hub.tells(alice, flash.clone().with("ttl", 9)).gets([broadcasted(
        alice,
        ["alice", "alice"],
        "flash",
        Value::Null,
    )
    .bearing("trace", "t")
    .with("ttl", 9)]);
    hub.asks(alice, flash.with("ttl", 1).aged(milliseconds(5_002)))
        .gets([refusal(alice, "message_expired")]);
}
