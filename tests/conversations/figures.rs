//! hub:queue_stats and hub:metrics (protocol, section 4): what the hub counts.

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;

use crate::fixture::*;

fn stats(key: SessionKey, depth: usize, rate: u64) -> Seen {
    let payload = json!({
        "queueDepth": depth, "processingRate": rate, "pauseThreshold": 768,
        "resumeThreshold": 256,
    });
    reply(key, "hub:queue_stats_response", payload)
}

fn ask_stats() -> Say {
    say("hub:queue_stats", Value::Null)
}

#[test]
fn a_queue_is_told_as_it_was_before_the_answer() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.drains_all(alice);
    hub.asks(alice, ask_stats()).gets([stats(alice, 0, 0)]).records([]);
    hub.asks(alice, ask_stats()).gets([stats(alice, 1, 0)]);
    hub.tells(alice, ask_stats()).nothing();
}

#[test]
fn the_rate_is_what_was_written_in_the_last_whole_second() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.drains(alice, 2, 0);
    hub.asks(alice, ask_stats()).gets([stats(alice, 0, 0)]);
    hub.unnoticed(seconds(1));
    hub.drains(alice, 1, 0);
    hub.asks(alice, ask_stats()).gets([stats(alice, 0, 2)]);
    hub.unnoticed(seconds(1));
    hub.asks(alice, ask_stats()).gets([stats(alice, 1, 1)]);
    hub.unnoticed(seconds(1));
    hub.asks(alice, ask_stats()).gets([stats(alice, 2, 0)]);
}

#[test]
fn everyone_has_a_queue_of_its_own() {
    let mut hub = Conversation::with(|config| {
        (config.pause_threshold, config.resume_threshold) = (9, 3);
    });
    let [alice, bob] = hub.all_registered(["alice", "bob"]);
    hub.drains_all(alice);
    hub.tells(bob, send("bob", "note", Value::Null));
    let payload = hub.asks(alice, ask_stats()).payload();
    let expected = json!({
        "queueDepth": 0, "processingRate": 0, "pauseThreshold": 9, "resumeThreshold": 3,
    });
    assert_eq!(payload, expected);
}

#[test]
fn metrics_are_those_of_the_present_minute() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let (carol, _) = hub.opens();
    hub.loses(carol);
    // Each conversation begins 40 seconds into a minute.
    hub.asks(alice, subscribe("")).gets([invalid(
        alice,
        "topic",
        "a topic: a string of 1 to 256 bytes",
        "string",
    )]);
    let metrics = |received, sent, errors, opened, closed, start: u64, now: u64| {
        json!({
            "messages_received": received, "messages_sent": sent, "errors": errors,
            "connections_opened": opened, "connections_closed": closed, "windowStart": start,
            "timestamp": now,
        })
    };
    let ask = || say("hub:metrics", Value::Null);
    hub.asks(alice, ask())
        .gets([reply(
            alice,
            "hub:metrics_response",
            metrics(4, 3, 1, 2, 1, 999_960_000, 1_000_000_000),
        )])
        .records([]);
    hub.after(seconds(20));
    let (bob, _) = hub.opens();
    hub.loses(bob);
    hub.frame(alice, b"[]");
    hub.asks(alice, ask()).gets([reply(
        alice,
        "hub:metrics_response",
        metrics(2, 1, 1, 1, 1, 1_000_020_000, 1_000_020_000),
    )]);
}
