//! What refusals say to people. The protocol promises codes and details and, but for "topic is
//! required", no words: they are asserted here and nowhere else.

use serde_json::{Value, json};

use crate::fixture::*;

#[track_caller]
fn says(heard: &Heard, words: &str) {
    assert_eq!(heard.prose(), [words]);
}

#[test]
fn a_refusal_says_what_the_session_may_not_do() {
    let mut hub = Conversation::new();
    let (opened, guest, alice) = (hub.opened(), hub.connected("guest"), hub.registered("alice"));
    hub.registered("bob");
    let spent = "00000000-0000-4000-8000-000000000000";
    let foreign = json!({ "protocolVersion": "9.0", "capabilities": ["chat"] });
    for (who, request, words) in [
        (opened, heartbeat(), "send hub:connect first"),
        (opened, connect_with(foreign), "this hub speaks protocol 0.1.0, the client 9.0"),
        (guest, connect(), "already connected"),
        (guest, subscribe("news"), "register first"),
        (guest, renew_with(spent), "the renewal token is unknown or spent"),
        (alice, subscribe("news").from("bob"), "@(bob) is registered by another session"),
        (alice, unregister("bob"), "@(bob) is not registered by this session"),
        (
            alice,
            register("cloudflare/signal-hub"),
            "@(cloudflare/signal-hub) is the hub's own address",
        ),
        (alice, say("hub:dance", Value::Null), "Unknown message type: hub:dance"),
        (alice, refresh("a token"), "this hub takes no tokens"),
        (
            alice,
            broadcast("flash", Value::Null).with("ttl", 1).aged(milliseconds(5_002)),
            "the message's time to live was over when it arrived",
        ),
        (alice, heartbeat().with("pattern", "shout"), "pattern must be tell or ask"),
    ] {
        says(&hub.asks(who, request), words);
    }
    says(&hub.frame(alice, b"[]"), "the client sent a frame that is not a JSON object");
    says(&hub.frame(alice, b"{\"a\":\"\xff\"}"), "the client sent a frame that is not UTF-8");
    let words = "a message of 1048577 bytes is larger than 1048576";
    says(&hub.too_large(alice, 1_048_577), words);
}

#[test]
fn a_refusal_says_which_bound_was_reached() {
    let mut hub = Conversation::with(|config| {
        config.registrations_max = 4;
        config.addresses_per_session_max = 2;
        config.subscriptions_per_session_max = 1;
        config.broadcast_recipients_max = 2;
        config.message_bytes_max = 2_048;
        config.queue_messages_max = 8;
    });
    let (alice, bob) = (hub.subscribed("alice", "news"), hub.registered("bob"));
    hub.asks(alice, register("alice/two")).accepted();
    says(&hub.asks(alice, register("alice/3")), "this session has 2 addresses and gets no more");
    hub.asks(bob, register("bob/two")).accepted();
    hub.drains_all(alice);
    let guest = hub.connected("guest");
    while hub.queued(bob).messages < 8 {
        hub.tells(alice, send("bob", "chat", Value::Null)).accepted();
    }
    let large = "the message would arrive as 2240 bytes, and no message has more than 2048";
    for (who, request, words) in [
        (guest, register("guest"), "the hub holds 4 registrations and takes no more"),
        (alice, subscribe("more"), "this session holds 1 subscriptions and gets no more"),
        (
            alice,
            broadcast("flash", Value::Null),
            "a broadcast goes to at most 2 actors, and more are registered",
        ),
        (
            alice,
            send("bob", "chat", Value::Null),
            "the queue of @(bob) is full; the message was dropped",
        ),
        (alice, send("bob", "chat", json!("x".repeat(1_960))).with("id", "m"), large),
    ] {
        says(&hub.asks(who, request), words);
    }
    for (request, words) in [
        (renew(), "this session makes more than 1 requests a second"),
        (heartbeat(), "this session makes more than 1 heartbeats a second"),
    ] {
        let mut hub = Conversation::with(|config| {
            (config.rate_limit_per_second, config.rate_limit_burst) = (1, 2);
            (config.ping_limit_per_second, config.ping_limit_burst) = (1, 2);
        });
        let alice = hub.registered("alice");
        let last = (0..9).map(|_| hub.asks(alice, request.clone())).find(|h| !h.prose().is_empty());
        says(&last.expect("nine are too many"), words);
    }
}

#[test]
fn a_refusal_says_what_is_wrong_with_a_token() {
    let good = token("alice");
    let (unsigned, _) = good.rsplit_once('.').expect("three parts");
    for (token, words) in [
        ("garbage".to_owned(), "the token is not a signed JWT"),
        ("a".repeat(16_385), "the token has more bytes than the hub looks at"),
        (format!("{unsigned}.AAAA"), "the token's signature is wrong"),
        (claims("alice", json!({ "exp": 0 })), "the token has expired"),
        (claims("alice", json!({ "nbf": 1 })), "the token is not valid yet"),
        (
            claims("alice", json!({ "iss": "someone" })),
            "the token's claim iss is missing or not valid",
        ),
    ] {
        let mut hub = Conversation::with_tokens();
        let session = hub.opened();
        says(&hub.asks(session, connect_as(&token)), words);
    }
    let mut hub = Conversation::with_tokens();
    let alice = hub.admitted(&token("alice"));
    hub.asks(alice, register("alice")).accepted();
    says(&hub.asks(alice, register("bob")), "the token does not allow @(bob)");
    says(&hub.asks(alice, refresh(&token("bob"))), "the token is another principal's");
    let eve = hub.admitted(&claims("alice", json!({ "sub": "user-eve" })));
    says(&hub.asks(eve, register("alice")), "@(alice) belongs to another principal");
}
