//! Frames that are no requests (protocol, section 6).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

/// The error that a frame without an id gets.
fn frame_error(key: SessionKey) -> Seen {
    refusal(key, "internal_error").with("correlationId", Value::Null)
}

#[test]
fn what_is_not_an_object_gets_an_error_and_the_session_stays() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for bad in [&b"[]"[..], b"7", b"null", b"", b"hello", b"\"{}\""] {
        let alice = hub.connected("alice");
        hub.frame(alice, bad).gets([frame_error(alice)]).records([]);
    }
    hub.frame(alice, b"{\"a\":\"\xff\"}").gets([frame_error(alice)]);
    assert_eq!(hub.known("alice")["owner"], json!(alice));
}

#[test]
fn an_envelopes_id_is_kept_in_the_error() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for (frame, id) in [
        (&br#"{"id":"x"}"#[..], json!("x")),
        (br#"{"id":7}"#, Value::Null),
        (br#"{"id":""}"#, Value::Null),
        (b"{}", Value::Null),
    ] {
        hub.frame(alice, frame)
            .gets([missing(alice, "type", "a string").with("correlationId", id)]);
    }
}

#[test]
fn every_required_field_is_asked_for() {
    let id = "a string of 1 to 128 bytes";
    for (field, expected) in [
        ("id", id),
        ("from", "an address: @(path)"),
        ("to", "an address: @(path)"),
        ("type", "a string"),
        ("pattern", "tell or ask"),
        ("timestamp", "epoch milliseconds"),
    ] {
        let mut hub = Conversation::new();
        let alice = hub.registered("alice");
        let mut envelope = json!({
            "id": "x", "from": "@(alice)", "to": "@(bob)", "type": "hub:send", "pattern": "ask",
            "timestamp": 7, "payload": { "type": "chat" },
        });
        let whole = hub.frame(alice, envelope.to_string().as_bytes());
        assert_eq!(whole.kinds(), [(alice, "hub:unknown_actor".to_owned())]);
        envelope.as_object_mut().expect("an object").remove(field);
        let correlation = envelope["id"].clone();
        hub.frame(alice, envelope.to_string().as_bytes())
            .gets([missing(alice, field, expected).with("correlationId", correlation)]);
        assert_eq!(hub.counters().frames_malformed, 1, "{field}");
    }
}

#[test]
fn every_field_is_of_its_type() {
    let path = "an address: @(path), path 1 to 255 bytes of [A-Za-z0-9._~:-] segments joined by /";
    for (field, value, expected, received) in [
        ("from", json!("alice"), path, "string"),
        ("to", json!(1), "an address: @(path)", "1"),
        ("type", json!([]), "a string", "array"),
        ("pattern", json!("shout"), "tell or ask", "string"),
        ("timestamp", json!(-1), "epoch milliseconds", "-1"),
        ("timestamp", json!("1"), "epoch milliseconds", "string"),
        ("metadata", json!([]), "an object", "array"),
        ("correlationId", json!(1), "a string or null", "1"),
        ("signature", json!({}), "a string or null", "object"),
        ("ttl", json!(1.5), "a whole number of milliseconds", "1.5"),
    ] {
        let mut hub = Conversation::new();
        let alice = hub.registered("alice");
        hub.asks(alice, heartbeat().with(field, value))
            .gets([invalid(alice, field, expected, received)]);
        assert_eq!(hub.counters().frames_malformed, 1, "{field}");
    }
}

#[test]
fn an_id_has_1_to_128_bytes() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, heartbeat().with("id", "m".repeat(128))).accepted();
    let rule = "a string of 1 to 128 bytes";
    for bad in [String::new(), "m".repeat(129)] {
        hub.asks(alice, heartbeat().with("id", bad))
            .gets([invalid(alice, "id", rule, "string").with("correlationId", Value::Null)]);
    }
}

#[test]
fn what_may_be_absent_may_be_null_and_what_is_unused_is_read() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    for field in ["payload", "metadata", "correlationId", "ttl", "signature"] {
        hub.asks(alice, heartbeat().with(field, Value::Null)).accepted();
    }
    for field in ["correlationId", "signature"] {
        hub.asks(alice, heartbeat().with(field, "x")).accepted();
    }
    assert_eq!(hub.counters().frames_malformed, 0);
}

#[test]
fn metadata_whose_keys_are_no_text_is_refused() {
    let mut hub = Conversation::new();
    let [alice, _] = hub.all_registered(["alice", "bob"]);
    let frame = br#"{"id":"x","from":"@(alice)","to":"@(bob)","type":"hub:send","pattern":"ask",
        "timestamp":1000000000,"payload":{"type":"chat"},"metadata":{"\ud800":1}}"#;
    let expected = "an object whose keys are Unicode text";
    hub.frame(alice, frame)
        .gets([invalid(alice, "metadata", expected, "object").with("correlationId", "x")]);
}

#[test]
fn even_a_tell_that_is_no_envelope_gets_its_error() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.tells(alice, heartbeat().with("ttl", "soon")).gets([invalid(
        alice,
        "ttl",
        "a whole number of milliseconds",
        "string",
    )]);
}

#[test]
fn an_unknown_type_is_a_refused_request_and_no_malformed_frame() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let rule = "a message type that the hub knows, such as hub:send";
    for kind in ["hub:dance", "chat", "hub:connected"] {
        hub.asks(alice, say(kind, Value::Null))
            .gets([refusal(alice, "internal_error")
                .because(json!({ "field": "type", "expected": rule, "received": kind }))])
            .records([refused(alice, kind, "internal_error")]);
        hub.tells(alice, say(kind, Value::Null)).gets([]);
    }
    assert_eq!(hub.counters().frames_malformed, 0);
}

#[test]
fn unknown_keys_are_ignored() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, heartbeat().with("priority", json!({ "a": [1] })).with("v", 2)).accepted();
}

#[test]
fn the_eighth_malformed_frame_in_a_minute_closes_the_session() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let error = frame_error(alice);
    for _ in 0..7 {
        hub.frame(alice, b"x").gets([error.clone()]);
    }
    hub.unnoticed(milliseconds(59_999));
    hub.frame(alice, b"x").gets([error, closed(alice, CloseReason::TooManyMalformed)]).records([
        detached("alice", alice, json!({ "closed": "too_many_malformed" })),
        session_closed(alice, 1008, json!({ "closed": "too_many_malformed" }), json!(["@(alice)"])),
    ]);
}

#[test]
fn the_minute_slides() {
    let mut hub = Conversation::with(|config| config.idle_timeout = seconds(600));
    let alice = hub.connected("alice");
    hub.asks(alice, register_for("alice", 3_600)).accepted();
    let error = frame_error(alice);
    for _ in 0..20 {
        for _ in 0..7 {
            hub.frame(alice, b"x").gets([error.clone()]);
        }
        hub.unnoticed(seconds(60));
    }
    for _ in 0..7 {
        hub.unnoticed(seconds(8));
        hub.frame(alice, b"x").gets([error.clone()]);
    }
    hub.unnoticed(seconds(3));
    hub.frame(alice, b"x").gets([error, closed(alice, CloseReason::TooManyMalformed)]);
}

#[test]
fn a_frame_beyond_the_bound_closes_the_session() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let details = json!({ "actualSize": 1_048_577, "maxSize": 1_048_576 });
    hub.too_large(alice, 1_048_577)
        .gets([
            refusal(alice, "message_too_large").because(details).with("correlationId", Value::Null),
            closed(alice, CloseReason::MessageTooLarge),
        ])
        .records([
            detached("alice", alice, json!({ "closed": "message_too_large" })),
            session_closed(
                alice,
                1009,
                json!({ "closed": "message_too_large" }),
                json!(["@(alice)"]),
            ),
        ]);
}

#[test]
fn frames_are_judged_before_hub_connect_too() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.frame(session, b"x").gets([frame_error(session)]);
    hub.asks(session, connect()).accepted();
}
