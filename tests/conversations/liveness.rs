//! Silence and its deadlines (protocol, section 3).

use serde_json::json;
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

#[test]
fn a_session_must_connect_in_time() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.after(milliseconds(9_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(session, CloseReason::ConnectTimeout)]).records([
        session_closed(session, 4005, json!({ "closed": "connect_timeout" }), json!([])),
    ]);
}

#[test]
fn a_connect_in_the_last_millisecond_is_in_time() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.unnoticed(milliseconds(9_999));
    hub.asks(session, connect()).accepted();
    hub.after(seconds(50)).nothing();
}

#[test]
fn a_connect_at_the_very_deadline_is_too_late() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.unnoticed(seconds(10));
    hub.asks(session, connect()).gets([closed(session, CloseReason::ConnectTimeout)]);
}

#[test]
fn signs_of_life_do_not_replace_hub_connect() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.after(seconds(5)).nothing();
    hub.pongs(session).nothing();
    hub.frame(session, br#"{"type":"ping"}"#).gets([Seen::Pong(session)]);
    hub.after(seconds(5)).gets([closed(session, CloseReason::ConnectTimeout)]);
}

#[test]
fn a_silent_session_is_closed() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.after(milliseconds(59_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(alice, CloseReason::IdleTimeout)]).records([
        detached("alice", alice, json!({ "closed": "idle_timeout" })),
        session_closed(alice, 4004, json!({ "closed": "idle_timeout" }), json!(["@(alice)"])),
    ]);
}

#[test]
fn every_frame_is_a_sign_of_life() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.after(seconds(59)).nothing();
    hub.pongs(alice).nothing();
    hub.after(seconds(59)).nothing();
    hub.tells(alice, heartbeat()).accepted();
    hub.after(seconds(59)).nothing();
    hub.frame(alice, br#"{"type":"ping"}"#).gets([Seen::Pong(alice)]);
    hub.after(seconds(59)).nothing();
    hub.frame(alice, b"malformed").records([]);
    hub.asks(alice, renew()).accepted();
    hub.after(milliseconds(59_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(alice, CloseReason::IdleTimeout)]);
}

#[test]
fn what_the_hub_writes_is_no_sign_of_life() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.after(seconds(30)).nothing();
    hub.tells(alice, send("bob", "chat", json!(1))).accepted();
    hub.drains_all(bob).nothing();
    hub.after(seconds(30)).gets([closed(bob, CloseReason::IdleTimeout)]);
}

#[test]
fn silence_is_found_at_the_next_input_when_nobody_called_before() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.unnoticed(seconds(60));
    hub.asks(alice, heartbeat()).gets([closed(alice, CloseReason::IdleTimeout)]);
}

#[test]
fn where_the_hub_is_called_late_what_was_due_first_comes_first() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 70)).accepted();
    hub.unnoticed(seconds(20));
    hub.pongs(alice);
    hub.unnoticed(seconds(100));
    hub.pongs(alice)
        .gets([lost(alice, "alice", "expired"), closed(alice, CloseReason::IdleTimeout)]);
}

#[test]
fn while_the_hub_stands_still_nobody_is_silent() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.after(seconds(40)).nothing();
    hub.stands_still(seconds(100)).nothing();
    hub.pongs(alice).nothing();
    hub.after(milliseconds(19_999)).nothing();
    hub.after(milliseconds(1)).gets([closed(bob, CloseReason::IdleTimeout)]);
    hub.after(milliseconds(39_999)).gets([]);
    hub.after(milliseconds(1)).gets([closed(alice, CloseReason::IdleTimeout)]);
}

#[test]
fn what_ends_ends_later_by_what_the_hub_stood_still() {
    let mut hub = Conversation::with(|config| config.idle_timeout = seconds(10_000));
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(bob, subscribe("news")).accepted();
    hub.loses(bob).accepted();
    hub.after(seconds(20)).nothing();
    hub.stands_still(seconds(300)).nothing();
    hub.after(milliseconds(9_999)).nothing();
    assert_eq!(hub.after(milliseconds(1)).events(), ["subscription_removed", "actor_forgotten"]);
    hub.asks(alice, renew()).accepted();
    hub.after(milliseconds(299_999)).nothing();
    assert_eq!(hub.after(milliseconds(1)).events(), ["actor_detached"]);
}

#[test]
fn a_hub_that_is_a_second_late_has_not_stood_still() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.after(milliseconds(59_000)).nothing();
    hub.stands_still(seconds(1)).gets([closed(alice, CloseReason::IdleTimeout)]);
}

#[test]
fn a_token_expires_on_time_whether_the_hub_stands_still_or_not() {
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&claims("alice", json!({ "exp": 30 })));
    hub.stands_still(seconds(30)).gets([closed(alice, CloseReason::TokenExpired)]);
}
