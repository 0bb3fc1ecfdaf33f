//! hub:subscribe, hub:unsubscribe and hub:publish (protocol, section 4).

use serde_json::{Value, json};

use crate::fixture::*;

const TOPIC: &str = "a string of 1 to 256 bytes";

#[test]
fn a_subscription_is_acknowledged_with_its_id() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, subscribe("news")).gets([subscribed(alice, "news", "sub-1")]).records([
        json!({
            "event": "subscription_added", "actorAddress": "@(alice)", "topic": "news",
            "subscriptionId": "sub-1", "subscriberCount": 1,
        }),
    ]);
    let durable = json!({ "topic": "art", "durable": true });
    let told = json!({ "topic": "art", "subscriptionId": "sub-2", "durable": false });
    hub.asks(alice, say("hub:subscribe", durable)).gets([reply(alice, "hub:subscribed", told)]);
}

#[test]
fn repeating_a_subscription_gives_the_same_one() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, subscribe("news")).gets([subscribed(alice, "news", "sub-1")]).records([]);
    let bob = hub.registered("bob");
    hub.asks(bob, subscribe("news")).gets([subscribed(bob, "news", "sub-2")]);
    hub.asks(alice, publish("news", "flash", Value::Null)).gets([
        publication(alice, ["alice", "alice", "news"], "flash", Value::Null),
        publication(bob, ["alice", "bob", "news"], "flash", Value::Null),
        published(alice, "news", 2),
    ]);
}

#[test]
fn a_topic_has_1_to_256_bytes() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, subscribe(&"t".repeat(256))).accepted();
    for bad in ["", &"t".repeat(257)] {
        hub.asks(alice, subscribe(bad)).gets([invalid(
            alice,
            "topic",
            "a topic: a string of 1 to 256 bytes",
            "string",
        )]);
    }
    hub.asks(alice, say("hub:subscribe", json!({}))).gets([missing(alice, "topic", TOPIC)]);
    hub.asks(alice, say("hub:publish", json!({ "type": "t" })))
        .gets([missing(alice, "topic", TOPIC)]);
    hub.asks(alice, say("hub:subscribe", json!({ "topic": "t", "durable": 1 }))).gets([invalid(
        alice,
        "durable",
        "true or false",
        "1",
    )]);
}

#[test]
fn a_session_holds_no_more_subscriptions_than_its_bound() {
    let mut hub = Conversation::with(|config| config.subscriptions_per_session_max = 2);
    let alice = hub.subscribed("alice", "one");
    hub.asks(alice, register("alice/two")).accepted();
    hub.asks(alice, subscribe("two").from("alice/two")).accepted();
    let full = refusal(alice, "rate_limited").because(json!({ "limit": 2 }));
    hub.asks(alice, subscribe("three")).gets([full]).records([refused(
        alice,
        "hub:subscribe",
        "rate_limited",
    )]);
    hub.asks(alice, subscribe("one")).gets([subscribed(alice, "one", "sub-1")]);
    hub.asks(alice, unsubscribe("one")).accepted();
    hub.asks(alice, subscribe("three")).accepted();
}

#[test]
fn a_subscription_ends_by_topic_by_id_or_by_a_topic_sent_as_id() {
    for named in [unsubscribe("news"), unsubscribe_id("sub-1"), unsubscribe_id("news")] {
        let mut hub = Conversation::new();
        let alice = hub.subscribed("alice", "news");
        hub.asks(alice, subscribe("art")).accepted();
        hub.asks(alice, named)
            .gets([unsubscribed(alice, "news")])
            .records([subscription_removed("alice", "news", 0)]);
        assert_eq!(hub.known("alice")["topics"], json!(["art"]));
        hub.asks(alice, publish("news", "flash", Value::Null)).gets([published(alice, "news", 0)]);
    }
}

#[test]
fn whoever_is_not_subscribed_is_told_so_and_ends_nobody_elses() {
    let mut hub = Conversation::new();
    let bob = hub.subscribed("bob", "news");
    let alice = hub.subscribed("alice", "art");
    for named in ["news", "sub-1"] {
        hub.asks(alice, unsubscribe_id(named)).gets([unsubscribed(alice, named)]).records([]);
    }
    hub.asks(alice, unsubscribe("news")).gets([unsubscribed(alice, "news")]).records([]);
    hub.asks(alice, say("hub:unsubscribe", json!({}))).gets([missing(alice, "topic", TOPIC)]);
    assert_eq!(hub.known("bob")["topics"], json!(["news"]));
    hub.asks(bob, unsubscribe_id("sub-1")).gets([unsubscribed(bob, "news")]);
}

#[test]
fn a_publisher_that_is_subscribed_gets_its_own_copy() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let data = json!({ "n": 1 });
    hub.asks(alice, publish("news", "flash", data.clone()))
        .gets([
            publication(alice, ["alice", "alice", "news"], "flash", data),
            published(alice, "news", 1),
        ])
        .records([delivered("alice", "alice", "flash", alice)]);
}

#[test]
fn each_registered_address_gets_one_copy() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    hub.asks(alice, register("alice/two")).accepted();
    hub.asks(alice, subscribe("news").from("alice/two")).accepted();
    let bob = hub.registered("bob");
    hub.asks(bob, publish("news", "flash", Value::Null)).gets([
        publication(alice, ["bob", "alice", "news"], "flash", Value::Null),
        publication(alice, ["bob", "alice/two", "news"], "flash", Value::Null),
        published(bob, "news", 2),
    ]);
}

#[test]
fn a_publication_carries_its_senders_metadata_and_its_time_to_live() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let metadata = json!({ "trace": "t", "topic": "art" });
    let flash = publish("news", "flash", Value::Null).with("metadata", metadata).with("ttl", 9);
    hub.tells(alice, flash).gets([publication(
        alice,
        ["alice", "alice", "news"],
        "flash",
        Value::Null,
    )
    .bearing("trace", "t")
    .with("ttl", 9)]);
}

#[test]
fn a_publication_without_subscribers_counts_none() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.asks(alice, publish("news", "flash", Value::Null))
        .gets([published(alice, "news", 0)])
        .records([]);
}

#[test]
fn the_count_is_of_copies_handed_over() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| hub.subscribed(name, "news"));
    hub.loses(bob);
    hub.asks(alice, publish("news", "flash", Value::Null))
        .gets([
            publication(carol, ["alice", "carol", "news"], "flash", Value::Null),
            published(alice, "news", 1),
        ])
        .records([dropped("bob", "detached"), delivered("alice", "carol", "flash", carol)]);
}

#[test]
fn a_publication_that_arrives_after_its_time_goes_nowhere() {
    let mut hub = Conversation::new();
    let alice = hub.subscribed("alice", "news");
    let late = publish("news", "flash", Value::Null).with("ttl", 1).aged(milliseconds(5_002));
    hub.asks(alice, late).gets([refusal(alice, "message_expired")]).records([
        dropped("cloudflare/signal-hub", "expired"),
        refused(alice, "hub:publish", "message_expired"),
    ]);
}

#[test]
fn told_subscriptions_are_quiet() {
    let mut hub = Conversation::new();
    let alice = hub.registered("alice");
    hub.tells(alice, subscribe("news")).gets([]);
    hub.tells(alice, unsubscribe("news")).gets([]);
    hub.tells(alice, unsubscribe("news")).gets([]).records([]);
}
