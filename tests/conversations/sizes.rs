//! How large the fields of a request may be (protocol, sections 1 and 4).

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

fn described(metadata: Value) -> Say {
    let mut say = register("alice");
    say.fields["payload"]["metadata"] = metadata;
    say
}

fn capable(capabilities: &[String]) -> Say {
    let mut say = register("alice");
    say.fields["payload"]["capabilities"] = json!(capabilities);
    say
}

/// An object of so many levels.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

/// An object whose text has so many bytes.
fn object_of(bytes: usize) -> Value {
    json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) })
}

#[test]
fn an_applications_type_has_at_most_256_bytes() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.asks(bob, subscribe("news")).accepted();
    let (good, bad) = ("t".repeat(256), "t".repeat(257));
    let expected = "a string of at most 256 bytes";
    for say in [
        |kind: &str| send("bob", kind, Value::Null),
        |kind: &str| publish("news", kind, Value::Null),
        |kind: &str| say("hub:broadcast", json!({ "type": kind })),
    ] {
        hub.asks(alice, say(&good)).accepted();
        hub.asks(alice, say(&bad)).gets([invalid(alice, "type", expected, "257 bytes")]);
    }
}

#[test]
fn an_envelopes_type_has_at_most_256_bytes() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let bad = "t".repeat(257);
    let expected = "a string of at most 256 bytes";
    hub.asks(alice, say(&bad, Value::Null)).gets([invalid(alice, "type", expected, "257 bytes")]);
    assert_eq!(hub.counters().frames_malformed, 1);
}

#[test]
fn an_envelopes_metadata_have_at_most_64_kibibytes() {
    let mut hub = Conversation::new();
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    let note = || send("bob", "chat", Value::Null);
    let expected = "an object of at most 65536 bytes";
    hub.asks(alice, note().with("metadata", object_of(65_536))).accepted();
    let drained = hub.queued(bob);
    hub.asks(alice, note().with("metadata", object_of(65_537))).gets([invalid(
        alice,
        "metadata",
        expected,
        "65537 bytes",
    )]);
    assert_eq!(hub.queued(bob), drained);
    assert_eq!(hub.counters().frames_malformed, 0);
}

#[test]
fn the_metadata_of_connect_are_bounded_by_their_frame_alone() {
    let mut hub = Conversation::new();
    let alice = hub.opened();
    hub.asks(
        alice,
        connect_with(json!({
            "protocolVersion": "0.1.0", "capabilities": vec!["chat"; 1_000],
            "clientMetadata": object_of(100_000),
        })),
    )
    .accepted();
}

#[test]
fn a_registrations_metadata_have_at_most_16_kibibytes() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let expected = "an object of at most 16384 bytes";
    hub.asks(alice, described(object_of(16_385))).gets([invalid(
        alice,
        "metadata",
        expected,
        "16385 bytes",
    )]);
    assert_eq!(hub.known("alice"), Value::Null);
    hub.asks(alice, described(object_of(16_384))).accepted();
}

#[test]
fn a_registrations_metadata_have_at_most_32_levels() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let expected = "an object of at most 32 levels";
    hub.asks(alice, described(nested(33))).gets([invalid(
        alice,
        "metadata",
        expected,
        "33 levels",
    )]);
    hub.asks(alice, described(nested(32))).accepted();
}

#[test]
fn a_registration_has_at_most_64_capabilities_of_128_bytes() {
    let mut hub = Conversation::new();
    let alice = hub.connected("alice");
    let expected = "a non-empty array of at most 64 strings of at most 128 bytes";
    let (good, long) = ("c".repeat(128), "c".repeat(129));
    for bad in [vec![good.clone(); 65], vec![long]] {
        hub.asks(alice, capable(&bad)).gets([invalid(alice, "capabilities", expected, "array")]);
    }
    hub.asks(alice, capable(&vec![good; 64])).accepted();
}

fn too_large(key: SessionKey, actual: usize) -> Seen {
    let details = json!({ "actualSize": actual, "maxSize": 1024 });
    refusal(key, "message_too_large").because(details)
}

/// A hub with frames of a kibibyte; alice, and bob, who is subscribed to the news.
fn narrow() -> (Conversation, SessionKey, SessionKey) {
    let mut hub = Conversation::with(|config| config.message_bytes_max = 1_024);
    let (alice, bob) = (hub.registered("alice"), hub.subscribed("bob", "news"));
    (hub, alice, bob)
}

#[test]
fn what_would_be_delivered_as_too_much_is_refused_and_the_session_stays() {
    let (mut hub, alice, bob) = narrow();
    let queued = hub.queued(bob);
    let data = || json!("x".repeat(800));
    for say in [
        send("bob", "chat", data()),
        publish("news", "chat", data()),
        say("hub:broadcast", json!({ "type": "chat", "data": data() })),
    ] {
        let heard = hub.asks(alice, say);
        assert_eq!(heard.payload()["code"], "message_too_large");
        assert_eq!(heard.events(), ["request_refused"]);
    }
    assert_eq!(hub.queued(bob), queued);
    hub.asks(alice, send("bob", "chat", json!("x".repeat(500)))).accepted();
}

#[test]
fn a_copy_may_be_as_long_as_a_frame() {
    let (mut hub, alice, _) = narrow();
    let note = |bytes: usize| send("bob", "chat", json!("x".repeat(bytes))).with("id", "m");
    let refused = hub.asks(alice, note(1_000)).payload();
    let beyond = refused["details"]["actualSize"].as_u64().expect("a size") as usize - 1_024;
    hub.asks(alice, note(1_000 - beyond + 1)).gets([too_large(alice, 1_025)]);
    hub.asks(alice, note(1_000 - beyond)).accepted();
}

#[test]
fn a_publication_is_measured_by_the_longest_address_whoever_gets_it() {
    let (mut hub, alice, bob) = narrow();
    hub.asks(bob, subscribe("news")).accepted();
    let size = |heard: &Heard| heard.payload()["details"]["actualSize"].as_u64().expect("a size");
    let data = || json!("x".repeat(900));
    let [to_bob, on_a_topic, to_none] =
        [("news", "bob"), ("news", ""), ("none", "")].map(|(topic, to)| match to {
            "" => size(&hub.asks(alice, publish(topic, "chat", data()))),
            to => size(&hub.asks(alice, send(to, "chat", data()))),
        });
    assert_eq!(on_a_topic, to_none);
    let route = json!({ "publication": true, "topic": "news" }).to_string().len()
        - json!({ "forwarded": true }).to_string().len();
    assert_eq!(on_a_topic, to_bob + route as u64 + 258 - "@(bob)".len() as u64);
}

#[test]
fn an_echo_that_would_be_too_much_is_refused() {
    let (mut hub, alice, _) = narrow();
    let heard = hub.asks(alice, say("hub:heartbeat", json!({ "timestamp": "t".repeat(1_000) })));
    assert_eq!(heard.payload()["code"], "message_too_large");
    hub.tells(alice, say("hub:heartbeat", json!({ "timestamp": "t".repeat(1_000) }))).gets([]);
    hub.asks(alice, heartbeat()).accepted();
}

#[test]
fn a_registration_lists_the_subscriptions_that_fit() {
    let (mut hub, alice, _) = narrow();
    for n in 0..7 {
        hub.asks(alice, subscribe(&format!("{n:0250}"))).accepted();
    }
    let heard = hub.asks(alice, register("alice")).payload();
    assert_eq!(heard["subscriptions"], json!([format!("{:0250}", 0)]));
    assert_eq!(heard["subscriptionCount"], 7);
}

#[test]
fn an_empty_queue_takes_a_reply_of_any_size() {
    let mut hub = Conversation::with(|config| config.queue_bytes_max = 1_000);
    let alice = hub.registered("alice");
    for n in 0..100 {
        hub.drains_all(alice);
        hub.asks(alice, subscribe(&format!("{n:0250}"))).accepted();
    }
    hub.drains_all(alice);
    let heard = hub.asks(alice, register("alice"));
    assert_eq!(heard.kinds(), [(alice, "hub:registered".to_owned())]);
    assert!(hub.queued(alice).bytes > 25_000, "{:?}", hub.queued(alice));
}
