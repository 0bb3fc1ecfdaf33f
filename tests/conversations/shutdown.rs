//! The end of the hub (protocol, section 4), and what is left when everyone is gone (I34).

use serde_json::{Value, json};
use signal_hub::hub::Sizes;
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

const NOTICE: &str = "The hub is shutting down. Connect again later.";

#[test]
fn a_shutdown_is_told_to_every_session() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let connecting = hub.opened();
    let goodbye = |key| {
        let notice = farewell(key, "server_shutdown", NOTICE);
        [notice, closed(key, CloseReason::ServerShutdown)]
    };
    hub.shuts_down().gets([alice, bob, connecting].into_iter().flat_map(goodbye));
}

#[test]
fn a_shutdown_forgets_everything() {
    let mut hub = Conversation::new();
    let gone = hub.subscribed("gone", "news");
    hub.loses(gone);
    let alice = hub.subscribed("alice", "news");
    let why = json!({ "closed": "server_shutdown" });
    hub.shuts_down().records([
        subscription_removed("alice", "news", 1),
        forgotten("alice", "shutdown"),
        session_closed(alice, 1001, why, json!(["@(alice)"])),
        subscription_removed("gone", "news", 0),
        forgotten("gone", "shutdown"),
    ]);
    assert_eq!(hub.sizes(), Sizes { sessions: 1, ..Sizes::default() });
    hub.loses(alice).nothing();
    assert_eq!(hub.sizes(), Sizes::default());
}

#[test]
fn a_session_with_a_full_queue_is_told_all_the_same() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 1);
    let alice = hub.registered("alice");
    let notice = farewell(alice, "server_shutdown", NOTICE);
    hub.shuts_down().gets([notice, closed(alice, CloseReason::ServerShutdown)]);
}

#[test]
fn a_hub_that_is_shutting_down_takes_nobody() {
    let mut hub = Conversation::new();
    hub.shuts_down().nothing();
    let (late, heard) = hub.opens();
    heard.gets([closed(late, CloseReason::ServerShutdown)]);
    hub.asks(late, connect()).nothing();
}

#[test]
fn a_second_shutdown_changes_nothing() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.shuts_down();
    let before = hub.digest();
    hub.shuts_down().nothing();
    hub.asks(alice, register("alice")).nothing();
    assert_eq!(hub.digest(), before);
}

#[test]
fn nothing_is_left_when_everyone_is_gone() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 8);
    let alice = hub.subscribed("alice", "news");
    let bob = hub.subscribed("bob", "news");
    hub.asks(alice, register("alice/two")).accepted();
    hub.asks(alice, subscribe("art").from("alice/two")).accepted();
    hub.registered("alice");
    for _ in 0..9 {
        hub.tells(bob, publish("news", "flash", Value::Null));
    }
    hub.frame(bob, b"x");
    hub.opened();
    hub.comes_to_rest();
}

#[test]
fn deliveries_and_drops_add_up() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 4);
    let alice = hub.subscribed("alice", "news");
    let bob = hub.subscribed("bob", "news");
    hub.drains_all(alice);
    hub.drains_all(bob);
    for _ in 0..6 {
        hub.tells(alice, publish("news", "flash", Value::Null));
    }
    hub.tells(alice, send("nobody", "chat", Value::Null));
    let counters = hub.counters();
    assert_eq!((counters.messages_delivered, counters.messages_dropped), (8, 5));
}
