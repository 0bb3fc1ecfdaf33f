//! How fast a session may ask (protocol, section 6).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

/// A hub that lets a session ask twice at once and then twice a second; alice has asked for her
/// address a second ago.
fn strict() -> (Conversation, SessionKey) {
    let mut hub = Conversation::with(|config| {
        (config.rate_limit_per_second, config.rate_limit_burst) = (2, 2);
    });
    let alice = hub.registered("alice");
    hub.unnoticed(seconds(1));
    (hub, alice)
}

fn note() -> Say {
    send("alice", "note", Value::Null)
}

fn too_fast(key: SessionKey, wait: u64) -> Seen {
    let details = json!({ "retryAfterMs": wait, "retryAfter": wait.div_ceil(1_000), "limit": 2 });
    refusal(key, "rate_limited").because(details)
}

#[test]
fn an_ask_too_many_is_dropped_and_answered() {
    let (mut hub, alice) = strict();
    hub.asks(alice, note()).accepted();
    hub.asks(alice, note()).accepted();
    hub.asks(alice, note()).gets([too_fast(alice, 500)]).records([refused(
        alice,
        "hub:send",
        "rate_limited",
    )]);
    hub.unnoticed(milliseconds(499));
    hub.asks(alice, note()).gets([too_fast(alice, 1)]);
    hub.unnoticed(milliseconds(1));
    hub.asks(alice, note()).accepted();
    hub.asks(alice, note()).gets([too_fast(alice, 500)]);
}

#[test]
fn a_teller_hears_of_it_once_a_second() {
    let (mut hub, alice) = strict();
    for _ in 0..2 {
        hub.tells(alice, note()).accepted();
    }
    let record = || refused_tell(alice, "hub:send", "rate_limited");
    hub.tells(alice, note()).gets([too_fast(alice, 500)]).records([record()]);
    hub.tells(alice, note()).gets([]).records([record()]);
    hub.unnoticed(milliseconds(999));
    hub.tells(alice, note()).accepted();
    hub.tells(alice, note()).gets([]);
    hub.unnoticed(milliseconds(1));
    hub.tells(alice, note()).accepted();
    hub.tells(alice, note()).gets([too_fast(alice, 500)]);
}

#[test]
fn what_keeps_a_session_alive_is_counted_apart_and_what_ends_it_is_free() {
    let (mut hub, alice) = strict();
    for _ in 0..9 {
        hub.asks(alice, heartbeat()).accepted();
        hub.frame(alice, br#"{"type":"ping"}"#).gets([Seen::Pong(alice)]);
    }
    hub.asks(alice, note()).accepted();
    hub.asks(alice, note()).accepted();
    hub.asks(alice, disconnect()).accepted();
}

#[test]
fn a_ping_too_many_is_dropped_and_counted_and_still_a_sign_of_life() {
    let mut hub = Conversation::with(|config| {
        (config.ping_limit_per_second, config.ping_limit_burst) = (2, 2);
    });
    let alice = hub.registered("alice");
    let ping = br#"{"type":"ping"}"#;
    hub.unnoticed(seconds(59));
    hub.frame(alice, ping).gets([Seen::Pong(alice)]);
    hub.frame(alice, ping).gets([Seen::Pong(alice)]);
    hub.frame(alice, ping).nothing();
    hub.asks(alice, heartbeat()).gets([too_many_heartbeats(alice, 500)]);
    hub.tells(alice, heartbeat()).gets([too_many_heartbeats(alice, 500)]);
    hub.tells(alice, heartbeat()).gets([]);
    assert_eq!(hub.counters().pings_dropped, 1);
    hub.after(milliseconds(59_999)).nothing();
    hub.frame(alice, ping).gets([Seen::Pong(alice)]);
}

fn too_many_heartbeats(key: SessionKey, wait: u64) -> Seen {
    let details = json!({ "retryAfterMs": wait, "retryAfter": wait.div_ceil(1_000), "limit": 2 });
    refusal(key, "rate_limited").because(details)
}

#[test]
fn a_frame_weighs_one_more_for_each_4_kibibytes() {
    let (mut hub, alice) = strict();
    let heavy = || send("alice", "note", json!("x".repeat(3 * 4_096)));
    hub.asks(alice, heavy()).accepted();
    hub.asks(alice, note()).gets([too_fast(alice, 1_500)]);
    hub.unnoticed(milliseconds(1_500));
    hub.asks(alice, note()).accepted();
}

#[test]
fn whom_a_request_concerns_weighs_too() {
    let mut hub = Conversation::with(|config| {
        (config.rate_limit_per_second, config.rate_limit_burst) = (2, 2);
        config.rate_limit_rows = 2;
    });
    let [alice, _, _, _] = hub.all_registered(["alice", "bob", "carol", "dave"]);
    for concerning_four in [
        say("hub:broadcast", json!({ "type": "note" })),
        say("hub:discover", Value::Null),
        say("hub:list_actors", Value::Null),
        say("hub:discover", json!({ "pattern": "*nobody" })),
        say("hub:discover", json!({ "metadata": { "lang": "none" } })),
    ] {
        hub.unnoticed(seconds(9));
        hub.asks(alice, concerning_four).accepted();
        hub.asks(alice, note()).gets([too_fast(alice, 1_000)]);
    }
}

#[test]
fn a_debt_is_paid_however_large_the_burst() {
    let (mut hub, alice) = strict();
    let huge = send("alice", "note", json!("x".repeat(40 * 4_096)));
    hub.tells(alice, huge).accepted();
    hub.asks(alice, note()).gets([too_fast(alice, 20_000)]);
}

#[test]
fn weights_can_be_switched_off() {
    let mut hub = Conversation::with(|config| {
        (config.rate_limit_per_second, config.rate_limit_burst) = (2, 3);
        (config.rate_limit_bytes, config.rate_limit_rows) = (0, 0);
    });
    let alice = hub.registered("alice");
    hub.asks(alice, send("alice", "note", json!("x".repeat(100_000)))).accepted();
    hub.asks(alice, note()).accepted();
}

#[test]
fn a_request_that_is_wrong_counts_too() {
    let (mut hub, alice) = strict();
    hub.asks(alice, say("hub:nonsense", Value::Null));
    hub.asks(alice, subscribe(""));
    hub.asks(alice, subscribe("")).gets([too_fast(alice, 500)]);
}

#[test]
fn one_rate_limited_session_is_nobody_elses_business() {
    let (mut hub, alice) = strict();
    for _ in 0..9 {
        hub.tells(alice, note());
    }
    let bob = hub.registered("bob");
    hub.asks(bob, send("alice", "chat", Value::Null)).accepted();
}

#[test]
fn without_a_limit_a_session_may_ask_as_fast_as_it_can() {
    let mut hub = Conversation::with(|config| config.rate_limit_per_second = 0);
    let alice = hub.registered("alice");
    for _ in 0..400 {
        hub.tells(alice, publish("news", "flash", Value::Null)).accepted();
        hub.frame(alice, br#"{"type":"ping"}"#).gets([Seen::Pong(alice)]);
    }
}
