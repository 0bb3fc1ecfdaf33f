//! Detach and resume (protocol, section 5): what is kept for an actor that may come back, and for
//! how long.

use serde_json::{Value, json};
use signal_hub::hub::{CloseCause, SessionKey, Sizes};

use crate::fixture::*;

/// Registered again, with the subscriptions of before.
fn resumed(key: SessionKey, token: &str, version: u64, subscriptions: Value) -> Seen {
    registration(
        key,
        json!({
            "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": token,
            "version": version, "resumed": true, "subscriptions": subscriptions,
        }),
    )
}

#[test]
fn a_lost_session_leaves_its_address_detached() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.loses(alice).gets([]).records([
        detached("alice", alice, json!({ "connection": "lost" })),
        session_closed(alice, 1006, json!({ "connection": "lost" }), json!(["@(alice)"])),
    ]);
    let known = json!({ "owner": null, "version": 1, "topics": ["news"], "left": 30_000 });
    let left = Sizes { addresses: 1, topics: 1, deadlines: 1, ..Sizes::default() };
    assert_eq!((hub.known("alice"), hub.sizes()), (known, left));
}

#[test]
fn every_end_without_a_goodbye_detaches() {
    let ends = [(CloseCause::Client, "client", 1000), (CloseCause::Protocol, "protocol", 1002)];
    for (cause, name, code) in ends {
        let mut hub = Conversation::new();
        let alice = hub.registered("alice");
        let why = json!({ "connection": name });
        hub.ends(alice, cause).records([
            detached("alice", alice, why.clone()),
            session_closed(alice, code, why, json!(["@(alice)"])),
        ]);
        assert_eq!(hub.known("alice")["left"], 30_000);
    }
}

#[test]
fn who_comes_back_in_time_has_its_subscriptions() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, subscribe("art")).accepted();
    hub.loses(alice);
    hub.after(seconds(10)).nothing();
    let again = hub.connected("alice");
    hub.asks(again, register("alice"))
        .gets([resumed(again, "token-2", 2, json!(["art", "news"]))])
        .records([
            json!({ "event": "actor_resumed", "actorAddress": "@(alice)", "session": again }),
            json!({
                "event": "actor_registered", "actorAddress": "@(alice)", "session": again,
                "sessionId": "session-2", "version": 2, "resumed": true,
            }),
        ]);
    hub.asks(again, publish("news", "flash", Value::Null)).gets([
        publication(again, ["alice", "alice", "news"], "flash", Value::Null),
        published(again, "news", 1),
    ]);
    assert_eq!(hub.counters().resumes, 1);
}

#[test]
fn the_last_millisecond_of_the_window_is_in_time() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.loses(alice);
    let again = hub.connected("alice");
    hub.after(milliseconds(29_999)).accepted();
    hub.asks(again, register("alice")).gets([resumed(again, "token-2", 2, json!(["news"]))]);
    hub.after(seconds(9)).nothing();
    assert_eq!(hub.known("alice")["topics"], json!(["news"]));
}

#[test]
fn the_deadline_itself_is_too_late() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let again = hub.connected("alice");
    hub.loses(alice);
    hub.unnoticed(seconds(30));
    hub.asks(again, register("alice")).gets([registered(again, "alice", "token-2", 1)]).records([
        subscription_removed("alice", "news", 0),
        forgotten("alice", "resume_window_ended"),
        json!({
            "event": "actor_registered", "actorAddress": "@(alice)", "session": again,
            "sessionId": "session-2", "version": 1, "resumed": false,
        }),
    ]);
}

#[test]
fn the_end_of_the_window_forgets() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.loses(alice);
    hub.after(milliseconds(29_999)).nothing();
    hub.after(milliseconds(1)).gets([]).records([
        subscription_removed("alice", "news", 0),
        forgotten("alice", "resume_window_ended"),
    ]);
    assert_eq!(hub.sizes(), Sizes::default());
}

#[test]
fn a_window_of_zero_forgets_at_once() {
    let mut hub = Conversation::with(|config| config.resume_window = seconds(0));
    let alice = hub.subscribed("alice", "news");
    hub.loses(alice).records([
        detached("alice", alice, json!({ "connection": "lost" })),
        subscription_removed("alice", "news", 0),
        forgotten("alice", "resume_window_ended"),
        session_closed(alice, 1006, json!({ "connection": "lost" }), json!(["@(alice)"])),
    ]);
    assert_eq!(hub.sizes(), Sizes::default());
    let again = hub.connected("alice");
    hub.asks(again, register("alice")).gets([registered(again, "alice", "token-2", 1)]);
}

#[test]
fn an_expired_registration_can_be_resumed_by_any_session() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 1)).accepted();
    hub.asks(alice, subscribe("news")).accepted();
    hub.after(seconds(1)).records([detached("alice", alice, json!("expired"))]);
    hub.asks(alice, register("alice")).gets([resumed(alice, "token-2", 2, json!(["news"]))]);
    hub.loses(alice);
    let other = hub.connected("other");
    hub.asks(other, register("alice")).gets([resumed(other, "token-3", 3, json!(["news"]))]);
}

#[test]
fn an_expiry_leaves_the_session_and_its_other_addresses_alone() {
    let mut hub = Conversation::with(|config| config.resume_window = seconds(0));
    let alice = hub.registered("alice");
    hub.asks(alice, register_for("brief", 1)).accepted();
    hub.after(seconds(1)).gets([lost(alice, "brief", "expired")]).records([
        detached("brief", alice, json!("expired")),
        forgotten("brief", "resume_window_ended"),
    ]);
    assert_eq!((hub.known("brief"), &hub.known("alice")["owner"]), (Value::Null, &json!(alice)));
}

#[test]
fn the_version_grows_over_all_of_it() {
    let mut hub = Conversation::new();
    for version in 1..4 {
        let alice = hub.registered("alice");
        assert_eq!(hub.known("alice")["version"], 2 * version - 1);
        hub.asks(alice, renew()).accepted();
        hub.loses(alice);
        assert_eq!(hub.known("alice")["version"], 2 * version);
    }
}

#[test]
fn a_window_acts_only_on_its_own_detachment() {
    let mut hub = Conversation::new();
    let first = hub.subscribed("alice", "news");
    hub.loses(first);
    hub.after(seconds(20)).nothing();
    let second = hub.registered("alice");
    hub.after(seconds(5)).nothing();
    hub.loses(second);
    hub.after(seconds(29)).nothing();
    assert_eq!(hub.known("alice")["left"], 1_000);
}

#[test]
fn a_detached_address_gets_nothing_and_misses_it() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let bob = hub.registered("bob");
    hub.loses(alice);
    hub.asks(bob, publish("news", "flash", json!(1)))
        .gets([published(bob, "news", 0)])
        .records([dropped("alice", "detached")]);
    let again = hub.connected("alice");
    hub.asks(again, register("alice")).gets([resumed(again, "token-3", 2, json!(["news"]))]);
}
