//! What one input makes the hub do is bounded by what it says and brings about, whoever else there is.

use serde_json::{Value, json};
use signal_hub::hub::{SessionKey, Work};

use crate::fixture::*;

/// Alice with so many addresses, each subscribed to a topic of its own and to one of all.
fn crowd(addresses: usize) -> (Conversation, SessionKey) {
    let mut hub = Conversation::with(|config| config.rate_limit_per_second = 0);
    let alice = hub.registered("alice");
    for number in 1..addresses {
        let name = format!("alice/{number}");
        hub.tells(alice, register(&name)).accepted();
        hub.tells(alice, subscribe(&name).from(&name)).accepted();
    }
    (hub, alice)
}

#[test]
fn what_is_asked_by_name_is_looked_up() {
    let (mut hub, alice) = crowd(300);
    hub.drains_all(alice);
    for ask in [
        register("alice/new"),
        register("alice/7"),
        renew(),
        subscribe("new"),
        unsubscribe("new"),
        send("alice/7", "chat", Value::Null).from("alice/9"),
        publish("alice/7", "chat", Value::Null),
        discover("alice/7"),
        discover("@(alice/2"),
        say("hub:discover", json!({ "capabilities": ["chat", "none"] })),
        say("hub:list_actors", json!({ "offset": 1_000 })),
        unregister("alice/new"),
    ] {
        hub.asks(alice, ask.clone()).accepted();
        let Work { rows, .. } = hub.work();
        assert!(rows < 16, "{rows} rows for {ask:?}");
        hub.drains_all(alice);
    }
}

#[test]
fn a_goodbye_takes_time_in_proportion_to_what_it_gives_up() {
    let (mut hub, alice) = crowd(300);
    hub.asks(alice, disconnect());
    assert!(hub.work().rows <= 2 * 300, "{:?}", hub.work());
}

#[test]
fn a_broadcast_to_too_many_looks_at_none() {
    let mut hub = Conversation::with(|config| config.broadcast_recipients_max = 50);
    let alice = hub.registered("alice");
    for number in 0..60 {
        hub.tells(alice, register(&format!("alice/{number}"))).accepted();
    }
    hub.asks(alice, broadcast("chat", Value::Null));
    assert!(hub.work().rows < 16, "{:?}", hub.work());
}

#[test]
fn metadata_with_very_many_keys_is_copied_once() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.drains_all(alice);
    let keys = (0..2_000).map(|key| (key.to_string(), json!(1))).collect();
    let sent = send("alice", "chat", Value::Null).with("metadata", Value::Object(keys));
    hub.asks(alice, sent).accepted();
    assert!(hub.work().bytes < 40_000, "{:?}", hub.work());
}

#[test]
fn a_page_that_the_askers_queue_does_not_take_is_not_written() {
    let mut hub = Conversation::with(|config| {
        (config.rate_limit_per_second, config.queue_messages_max) = (0, 2);
    });
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    for n in 0..60 {
        let mut register = register(&format!("bob/{n}"));
        register.fields["payload"]["metadata"] = json!({ "about": "x".repeat(300) });
        hub.asks(bob, register).accepted();
        hub.drains_all(bob);
    }
    hub.drains_all(alice);
    for _ in 0..4 {
        hub.asks(alice, heartbeat()).accepted();
    }
    // I51 holds what the hub may write for a reply that nobody gets.
    let heard = hub.asks(alice, say("hub:discover", Value::Null));
    assert_eq!(heard.kinds()[0], (alice, "close 1013".to_owned()));
}
