//! hub:connect, hub:heartbeat, hub:disconnect and the text ping (protocol, sections 1, 3 and 4).

use serde_json::{Value, json};
use signal_hub::hub::{CloseCause, Sizes};
use signal_hub::protocol::CloseReason;

use crate::fixture::*;

#[test]
fn a_session_begins_with_hub_connect() {
    let mut hub = Conversation::new();
    let (session, heard) = hub.opens();
    heard.gets([]).records([json!({
        "event": "session_opened", "session": session, "sessionId": "session-1",
        "peer": "127.0.0.1:40000",
    })]);
    let payload = json!({
        "sessionId": "session-1",
        "serverVersion": "0.1.0",
        "serverTime": 0,
        "maxMessageSize": 1_048_576,
        "heartbeatInterval": 25_000,
        "capabilities": {
            "maxActorsPerInstance": 50_000,
            "supportsBackpressure": true, "supportsRecovery": true,
            "supportedContentTypes": ["application/json"],
        },
    });
    hub.asks(session, connect()).gets([reply(session, "hub:connected", payload)]).records([
        json!({ "event": "session_connected", "session": session, "sessionId": "session-1" }),
    ]);
}

#[test]
fn a_connect_by_tell_is_silent() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.tells(session, connect()).gets([]);
    hub.asks(session, register("alice")).accepted();
}

#[test]
fn what_a_client_claims_in_connect_is_no_identity() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    assert_eq!(hub.known("alice"), Value::Null);
    hub.asks(alice, subscribe("news")).gets([refusal(alice, "unauthorized")]);
}

#[test]
fn only_the_major_number_of_the_version_must_agree() {
    for version in ["0.1.0", "0.0.1", "0.99.3", "0", "0.2", "0.1.0-beta", "0-beta", "0.1.0.0"] {
        let mut hub = Conversation::new();
        let session = hub.opened();
        let metadata = json!({ "protocolVersion": version, "capabilities": ["chat"] });
        hub.asks(session, connect_with(metadata)).accepted();
    }
    for version in ["1.0.0", "2.1.0", "1", "00.1.0", "v0.1.0", "10.1.0", "", "one"] {
        let mut hub = Conversation::new();
        let session = hub.opened();
        let metadata = json!({ "protocolVersion": version, "capabilities": ["chat"] });
        hub.asks(session, connect_with(metadata)).gets([
            refusal(session, "version_mismatch"),
            closed(session, CloseReason::VersionMismatch),
        ]);
    }
}

#[test]
fn a_connect_without_its_fields_ends_the_session() {
    let capabilities = "a non-empty array of strings";
    let fails = |metadata: Value, because: fn(_, &str, &str) -> Seen, field: &str, rule: &str| {
        let mut hub = Conversation::new();
        let session = hub.opened();
        let closes = closed(session, CloseReason::InvalidConnect);
        hub.asks(session, connect_with(metadata)).gets([because(session, field, rule), closes]);
    };
    fails(json!({ "protocolVersion": "0.1.0" }), missing, "capabilities", capabilities);
    let array: fn(_, &str, &str) -> Seen = |key, field, rule| invalid(key, field, rule, "array");
    let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": [] });
    fails(metadata, array, "capabilities", capabilities);
    let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": [1] });
    fails(metadata, array, "capabilities", capabilities);
}

#[test]
fn a_connect_without_a_version_or_of_another_one_is_told_of_that_alone() {
    const FIELD: &str = "protocolVersion";
    const RULE: &str = "the hub's version, or one of the same major number";
    for (version, wrong) in [
        (Value::Null, (|key| missing(key, FIELD, RULE)) as fn(_) -> Seen),
        (json!(0), |key| invalid(key, FIELD, RULE, "0")),
        (json!(["0"]), |key| invalid(key, FIELD, RULE, "array")),
    ] {
        for capabilities in [json!(["chat"]), Value::Null] {
            let mut hub = Conversation::new();
            let session = hub.opened();
            let metadata = json!({ "protocolVersion": version, "capabilities": capabilities });
            hub.asks(session, connect_with(metadata)).gets([
                wrong(session).coded("version_mismatch"),
                closed(session, CloseReason::VersionMismatch),
            ]);
        }
    }
    let mut hub = Conversation::new();
    let session = hub.opened();
    let foreign = json!({ "protocolVersion": "9.0", "capabilities": "all", "authToken": 7 });
    hub.asks(session, connect_with(foreign)).gets([
        refusal(session, "version_mismatch"),
        closed(session, CloseReason::VersionMismatch),
    ]);
}

#[test]
fn a_client_may_tell_about_itself() {
    let metadata = |about: Value| {
        json!({
            "protocolVersion": "0.1.0", "capabilities": ["chat"], "clientMetadata": about,
        })
    };
    for about in [Value::Null, json!({}), json!({ "name": "browser" })] {
        let mut hub = Conversation::new();
        let session = hub.opened();
        hub.asks(session, connect_with(metadata(about))).accepted();
    }
    let mut hub = Conversation::new();
    let session = hub.opened();
    hub.asks(session, connect_with(metadata(json!("browser")))).gets([
        invalid(session, "clientMetadata", "an object", "string"),
        closed(session, CloseReason::InvalidConnect),
    ]);
}

#[test]
fn a_session_may_end_before_it_connects() {
    for cause in [CloseCause::Client, CloseCause::Lost, CloseCause::Protocol] {
        let mut hub = Conversation::new();
        let session = hub.opened();
        assert_eq!(hub.ends(session, cause).events(), ["session_closed"]);
        assert_eq!(hub.sizes(), Sizes::default());
    }
}

#[test]
fn a_failed_connect_leaves_its_records() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    let bare = || connect_with(json!({ "protocolVersion": "0.1.0" }));
    hub.tells(session, bare()).gets([closed(session, CloseReason::InvalidConnect)]);
    let session = hub.opened();
    hub.asks(session, bare()).records([
        refused(session, "hub:connect", "internal_error"),
        session_closed(session, 1008, json!({ "closed": "invalid_connect" }), json!([])),
    ]);
}

#[test]
fn who_asks_to_connect_and_may_not_has_time_to_read_why() {
    let mut hub = Conversation::new();
    let [asking, telling] = [hub.opened(), hub.opened()];
    hub.asks(asking, connect_with(json!({}))).lingers([asking]);
    hub.tells(telling, connect_with(json!({}))).lingers([]);
    let mut hub = Conversation::with(|config| config.refusal_linger = seconds(0));
    let asking = hub.opened();
    hub.asks(asking, connect_with(json!({}))).lingers([]);
}

#[test]
fn nothing_but_hub_connect_is_accepted_first() {
    let mut hub = Conversation::new();
    let session = hub.opened();
    for early in [register("alice"), heartbeat(), disconnect(), send("bob", "chat", Value::Null)] {
        let kind = early.fields["type"].as_str().expect("a type").to_owned();
        hub.asks(session, early).gets([refusal(session, "unauthorized")]).records([refused(
            session,
            &kind,
            "unauthorized",
        )]);
    }
    hub.asks(session, connect()).accepted();
}

#[test]
fn a_second_connect_is_refused_and_changes_nothing() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let before = hub.known("alice");
    for again in [connect(), connect_with(json!({}))] {
        hub.asks(alice, again).gets([refusal(alice, "unauthorized")]).records([refused(
            alice,
            "hub:connect",
            "unauthorized",
        )]);
    }
    assert_eq!(hub.known("alice"), before);
}

#[test]
fn a_heartbeat_is_acknowledged_whether_asked_or_told() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let ack = |timestamp| {
        reply(alice, "hub:heartbeat_ack", json!({ "timestamp": timestamp, "serverTime": 0 }))
    };
    hub.asks(alice, heartbeat()).gets([ack(json!(5))]).records([]);
    hub.tells(alice, heartbeat()).gets([ack(json!(5))]).records([]);
    hub.asks(alice, say("hub:heartbeat", Value::Null)).gets([ack(Value::Null)]);
    hub.asks(alice, say("hub:heartbeat", json!({}))).gets([ack(Value::Null)]);
    hub.asks(alice, say("hub:heartbeat", json!(7))).gets([invalid(
        alice,
        "payload",
        "an object",
        "7",
    )]);
}

#[test]
fn a_client_that_leaves_is_acknowledged_before_it_is_closed() {
    let mut hub = Conversation::new();
    let [asking, telling] = hub.all_registered(["alice", "bob"]);
    let goodbye = |key| {
        let ack = reply(key, "hub:disconnect", json!({ "acknowledged": true }));
        [ack, closed(key, CloseReason::ClientDisconnect)]
    };
    hub.asks(asking, disconnect()).gets(goodbye(asking));
    hub.tells(telling, say("hub:disconnect", Value::Null)).gets(goodbye(telling));
}

#[test]
fn a_disconnect_that_cannot_be_read_is_refused() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, say("hub:disconnect", json!({ "reason": 7 })))
        .gets([invalid(alice, "reason", "a string", "7")]);
    assert_eq!(hub.known("alice")["owner"], json!(alice));
}

#[test]
fn who_says_goodbye_is_forgotten_at_once() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, disconnect()).records([
        subscription_removed("alice", "news", 0),
        forgotten("alice", "disconnected"),
        session_closed(alice, 1000, json!({ "closed": "client_disconnect" }), json!(["@(alice)"])),
    ]);
    assert_eq!(hub.sizes(), Sizes { sessions: 1, ..Sizes::default() });
    hub.ends(alice, CloseCause::Hub).nothing();
    let again = hub.connected("alice");
    hub.asks(again, register("alice")).gets([registered(again, "alice", "token-2", 1)]);
}

#[test]
fn what_comes_after_the_end_is_ignored() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, disconnect()).accepted();
    let before = hub.digest();
    hub.asks(alice, register("alice")).nothing();
    hub.frame(alice, b"{").nothing();
    hub.too_large(alice, 2_000_000).nothing();
    hub.pongs(alice).nothing();
    hub.drains(alice, 1, 512).nothing();
    assert_eq!((hub.digest(), hub.counters().frames_ignored), (before, 3));
}

#[test]
fn a_text_ping_gets_a_pong() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    hub.frame(alice, br#"{"type":"ping"}"#).gets([Seen::Pong(alice)]).records([]);
    hub.frame(alice, b" {\n\"type\" : \"ping\" } ").gets([Seen::Pong(alice)]).records([]);
}
