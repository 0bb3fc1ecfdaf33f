//! Who acts in a request (protocol, section 2): the claimed address, the session's earliest one, or
//! nobody.

use serde_json::{Value, json};
use signal_hub::protocol::{ActorAddress, CloseReason};

use crate::fixture::*;

/// The verbs that need an acting identity.
fn acts() -> [Say; 7] {
    [
        send("bob", "chat", Value::Null),
        publish("news", "chat", Value::Null),
        broadcast("chat", Value::Null),
        subscribe("news"),
        unsubscribe("news"),
        say("hub:unregister", Value::Null),
        renew(),
    ]
}

#[test]
fn a_registered_claim_acts_as_itself() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, register("alice/two")).accepted();
    hub.asks(alice, send("bob", "chat", Value::Null).from("alice/two"))
        .gets([message(bob, "alice/two", "bob", "chat", Value::Null), acknowledged(alice)]);
}

#[test]
fn a_claim_that_is_nobodys_acts_as_the_sessions_earliest_address() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(alice, register("alice/two")).accepted();
    let chat = || send("bob", "chat", Value::Null).from("tmp");
    hub.asks(alice, chat())
        .gets([message(bob, "alice", "bob", "chat", Value::Null), acknowledged(alice)]);
    hub.asks(alice, unregister("alice")).accepted();
    hub.asks(alice, chat())
        .gets([message(bob, "alice/two", "bob", "chat", Value::Null), acknowledged(alice)]);
}

#[test]
fn a_detached_claim_is_nobodys() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.loses(bob);
    hub.asks(alice, subscribe("news").from("bob")).gets([subscribed(alice, "news", "sub-1")]);
    assert_eq!(hub.known("alice")["topics"], json!(["news"]));
    assert_eq!(hub.known("bob")["topics"], json!([]));
}

#[test]
fn a_claim_that_is_anothers_is_refused() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    for act in acts() {
        let kind = act.fields["type"].as_str().expect("a type").to_owned();
        hub.asks(alice, act.clone().from("bob"))
            .gets([refusal(alice, "unauthorized")])
            .records([refused(alice, &kind, "unauthorized")]);
        hub.tells(alice, act.from("bob")).gets([]);
    }
    assert_eq!(hub.known("bob")["owner"], json!(bob));
}

#[test]
fn a_session_without_an_address_must_register_first() {
    let mut hub = Conversation::new();
    let stranger = hub.connected("stranger");
    for act in acts() {
        hub.asks(stranger, act).gets([refusal(stranger, "unauthorized")]);
    }
}

#[test]
fn a_session_that_lost_its_address_must_register_first() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, unregister("alice")).gets([unregistered(alice, "alice")]);
    hub.asks(alice, subscribe("news")).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn the_session_of_a_superseded_claim_acts_no_more() {
    let mut hub = Conversation::new();
    let old = hub.registered("alice");
    let new = hub.registered("alice");
    hub.asks(old, send("bob", "chat", Value::Null)).nothing();
    let spare = hub.registered("spare");
    hub.asks(spare, subscribe("news").from("alice")).gets([refusal(spare, "unauthorized")]);
    hub.asks(new, disconnect()).gets([
        reply(new, "hub:disconnect", json!({ "acknowledged": true })),
        closed(new, CloseReason::ClientDisconnect),
    ]);
}

#[test]
fn the_hub_goes_by_the_address_that_it_was_given() {
    let mut hub = Conversation::with(|config| {
        config.hub_address = ActorAddress::parse("@(hub/two)").expect("an address");
    });
    let alice = hub.connected("alice");
    hub.asks(alice, register("hub/two")).gets([refusal(alice, "unauthorized")]);
    hub.asks(alice, register("cloudflare/signal-hub")).accepted();
}
