//! Last registration wins (protocol, section 5), and whatever comes late from or about the old
//! session changes nothing (I4).

use serde_json::{Value, json};
use signal_hub::hub::CloseCause;
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

fn taken_over(key: signal_hub::hub::SessionKey, subscriptions: Value) -> Seen {
    registration(
        key,
        json!({
            "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-2",
            "version": 2, "resumed": false, "subscriptions": subscriptions,
        }),
    )
}

#[test]
fn the_old_session_is_told_and_closed_before_the_new_one_hears() {
    let mut hub = Conversation::new();
    let old = hub.registered("alice");
    let new = hub.connected("alice");
    hub.asks(new, register("alice"))
        .gets([
            duplicate(old, "alice"),
            closed(old, CloseReason::DuplicateConnection),
            taken_over(new, json!([])),
        ])
        .records([
            json!({
                "event": "duplicate_connection_detected", "actorAddress": "@(alice)",
                "oldSession": old, "oldSessionId": "session-1",
                "newSession": new, "newSessionId": "session-2",
            }),
            session_closed(old, 4003, json!({ "closed": "duplicate_connection" }), json!([])),
            json!({
                "event": "actor_registered", "actorAddress": "@(alice)", "session": new,
                "sessionId": "session-2", "version": 2, "resumed": false,
            }),
        ]);
    assert_eq!(hub.counters().takeovers, 1);
}

#[test]
fn an_old_session_with_other_addresses_lives_on() {
    let mut hub = Conversation::new();
    let old = hub.registered("alice");
    hub.asks(old, register("alice/two")).accepted();
    let new = hub.connected("alice");
    let payload = json!({ "actorAddress": "@(alice)", "reason": "duplicate_connection" });
    let heard = hub.asks(new, register("alice"));
    assert_eq!(heard.events(), ["duplicate_connection_detected", "actor_registered"]);
    assert_eq!(heard.kinds()[1], (new, "hub:registered".to_owned()));
    let mut seen = Vec::from([notice(old, "hub:unregistered", payload)]);
    seen.push(registration(
        new,
        json!({
            "actorAddress": "@(alice)", "expiresAt": 300_000, "renewalToken": "token-3",
            "version": 2, "resumed": false, "subscriptions": [],
        }),
    ));
    heard.gets(seen);
    hub.asks(old, send("alice", "chat", Value::Null)).gets([refusal(old, "unauthorized")]);
    hub.asks(old, send("alice", "chat", Value::Null).from("tmp"))
        .gets([message(new, "alice/two", "alice", "chat", Value::Null), acknowledged(old)]);
}

#[test]
fn the_last_address_that_is_taken_closes_the_old_session() {
    let mut hub = Conversation::new();
    let old = hub.registered("alice");
    hub.asks(old, register("alice/two")).accepted();
    let new = hub.registered("alice");
    hub.asks(new, register("alice/two")).gets([
        duplicate(old, "alice/two"),
        closed(old, CloseReason::DuplicateConnection),
        registered(new, "alice/two", "token-4", 2),
    ]);
}

#[test]
fn subscriptions_move_with_the_address() {
    let mut hub = Conversation::new();
    let old = hub.subscribed("alice", "news");
    let new = hub.connected("alice");
    hub.asks(new, register("alice")).gets([
        duplicate(old, "alice"),
        closed(old, CloseReason::DuplicateConnection),
        taken_over(new, json!(["news"])),
    ]);
    hub.asks(new, publish("news", "flash", json!(1))).gets([
        publication(new, ["alice", "alice", "news"], "flash", json!(1)),
        published(new, "news", 1),
    ]);
}

#[test]
fn nothing_is_delivered_to_the_old_session_any_more() {
    let mut hub = Conversation::new();
    let old = hub.subscribed("alice", "news");
    hub.asks(old, register("alice/two")).accepted();
    let [new, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(bob, send("alice", "chat", json!(1)))
        .gets([message(new, "bob", "alice", "chat", json!(1)), acknowledged(bob)]);
    hub.asks(bob, publish("news", "flash", json!(2))).gets([
        publication(new, ["bob", "alice", "news"], "flash", json!(2)),
        published(bob, "news", 1),
    ]);
}

#[test]
fn a_takeover_spends_the_old_token() {
    let mut hub = Conversation::new();
    let old = hub.registered("alice");
    hub.asks(old, register("alice/two")).accepted();
    hub.registered("alice");
    hub.asks(old, renew_with("token-1")).gets([refusal(old, "unauthorized")]);
    assert_eq!(hub.known("alice")["version"], 2);
}

#[test]
fn what_comes_late_from_the_closed_session_changes_nothing() {
    let mut hub = Conversation::new();
    let old = hub.subscribed("alice", "news");
    let new = hub.registered("alice");
    let before = hub.belongings();
    let digest = hub.digest();
    hub.asks(old, unregister("alice")).nothing();
    hub.asks(old, unsubscribe("news")).nothing();
    hub.asks(old, renew_with("token-1")).nothing();
    hub.tells(old, disconnect()).nothing();
    hub.frame(old, b"not JSON").nothing();
    hub.too_large(old, 2_000_000).nothing();
    hub.drains(old, 5, 5_000).nothing();
    hub.pongs(old).nothing();
    assert_eq!(hub.digest(), digest);
    hub.ends(old, CloseCause::Hub).nothing();
    assert_eq!((hub.belongings(), hub.known("alice")["owner"].clone()), (before, json!(new)));
}

#[test]
fn each_way_in_which_the_old_session_can_end_late_changes_nothing() {
    for cause in [CloseCause::Hub, CloseCause::Client, CloseCause::Lost, CloseCause::Protocol] {
        let mut hub = Conversation::new();
        let old = hub.subscribed("alice", "news");
        let new = hub.registered("alice");
        let before = hub.belongings();
        hub.ends(old, cause).nothing();
        assert_eq!((hub.belongings(), hub.sizes().sessions), (before, 1), "{cause:?}");
        hub.asks(new, send("alice", "chat", Value::Null)).accepted();
    }
}

#[test]
fn the_old_sessions_end_takes_only_what_it_still_owns() {
    let mut hub = Conversation::new();
    let old = hub.subscribed("alice", "news");
    hub.asks(old, register("alice/two")).accepted();
    let new = hub.registered("alice");
    let before = hub.known("alice");
    hub.asks(old, unregister("alice")).gets([refusal(old, "unauthorized")]);
    hub.loses(old).gets([]).records([
        detached("alice/two", old, json!({ "connection": "lost" })),
        session_closed(old, 1006, json!({ "connection": "lost" }), json!(["@(alice/two)"])),
    ]);
    assert_eq!((hub.known("alice"), &before["owner"]), (before.clone(), &json!(new)));
}

#[test]
fn the_old_sessions_timeout_and_goodbye_take_only_what_it_still_owns() {
    for goodbye in [true, false] {
        let mut hub = Conversation::new();
        let old = hub.subscribed("alice", "news");
        hub.asks(old, register("alice/two")).accepted();
        hub.after(seconds(30)).nothing();
        let new = hub.registered("alice");
        if goodbye {
            hub.asks(old, disconnect());
        } else {
            hub.after(seconds(30));
        }
        assert_eq!(hub.known("alice")["owner"], json!(new));
        assert_eq!(hub.known("alice")["topics"], json!(["news"]));
        assert_ne!(hub.known("alice/two")["owner"], json!(old));
    }
}

#[test]
fn the_old_registrations_expiry_is_not_the_new_ones() {
    let mut hub = Conversation::new();
    let old = hub.connected("alice");
    hub.asks(old, register_for("alice", 10)).accepted();
    hub.after(seconds(5)).nothing();
    let new = hub.registered("alice");
    hub.after(seconds(20)).nothing();
    assert_eq!(hub.known("alice")["owner"], json!(new));
}

#[test]
fn each_takeover_is_told_to_the_one_it_supersedes() {
    let mut hub = Conversation::new();
    let mut last = hub.registered("alice");
    for version in 2..5 {
        let next = hub.connected("alice");
        hub.asks(next, register("alice")).gets([
            duplicate(last, "alice"),
            closed(last, CloseReason::DuplicateConnection),
            registered(next, "alice", &format!("token-{version}"), version),
        ]);
        last = next;
    }
    assert_eq!(hub.counters().takeovers, 3);
}

#[test]
fn a_slow_old_session_is_told_all_the_same() {
    let mut hub = Conversation::with(|config| config.queue_messages_max = 2);
    let old = hub.registered("alice");
    hub.asks(old, heartbeat()).accepted();
    hub.asks(old, heartbeat()).accepted();
    let new = hub.connected("alice");
    hub.asks(new, register("alice")).gets([
        duplicate(old, "alice"),
        closed(old, CloseReason::DuplicateConnection),
        taken_over(new, json!([])),
    ]);
}
