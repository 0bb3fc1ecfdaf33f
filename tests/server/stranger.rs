//! A client that knows nothing but the protocol gets all the way through it.

use serde_json::json;
use signal_hub::hub::Config;

use crate::fixture::{Client, Running};

async fn two_strangers() -> (Running, Client, Client) {
    let server = Running::start(Config::default()).await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    alice.register("@(alice)").await;
    bob.register("@(bob)").await;
    (server, alice, bob)
}

#[tokio::test]
async fn a_subscriber_gets_a_publication() {
    let (_server, mut alice, mut bob) = two_strangers().await;
    bob.ask("@(bob)", "hub:subscribe", json!({ "topic": "news" }), json!({})).await;
    assert_eq!(bob.hear().await["type"], "hub:subscribed");

    let publication = json!({ "topic": "news", "type": "headline", "data": { "n": 1.0 } });
    alice.ask("@(alice)", "hub:publish", publication, json!({})).await;
    assert_eq!(alice.hear().await["payload"], json!({ "topic": "news", "subscriberCount": 1 }));

    let heard = bob.hear().await;
    assert_eq!(heard["type"], "headline");
    assert_eq!(heard["from"], "@(alice)");
    assert_eq!(heard["to"], "@(bob)");
    assert_eq!(heard["payload"], json!({ "n": 1.0 }));
    let metadata = &heard["metadata"];
    assert_eq!((&metadata["topic"], &metadata["publication"]), (&json!("news"), &json!(true)));
    assert_eq!(metadata["via"], "@(cloudflare/signal-hub)");
}

#[tokio::test]
async fn whoever_is_taken_over_is_told_and_then_closed_4003() {
    let (server, mut old, _bob) = two_strangers().await;
    old.ask("@(alice)", "hub:subscribe", json!({ "topic": "news" }), json!({})).await;
    assert_eq!(old.hear().await["type"], "hub:subscribed");

    let mut new = server.connect().await;
    let hello = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
    new.ask("@(alice)", "hub:connect", json!(null), hello).await;
    assert_eq!(new.hear().await["type"], "hub:connected");
    let wanted = json!({ "actorAddress": "@(alice)", "capabilities": ["test"] });
    new.ask("@(alice)", "hub:register", wanted, json!({})).await;
    let registered = new.hear().await;
    assert_eq!(registered["payload"]["version"], 2);
    assert_eq!(registered["payload"]["subscriptions"], json!(["news"]));

    let notice = old.hear().await;
    assert_eq!(notice["type"], "hub:disconnect");
    assert_eq!(notice["payload"]["reason"], "duplicate_connection");
    assert_eq!(old.close_frame().await, (4003, "duplicate_connection".to_owned()));
}

#[tokio::test]
async fn the_close_of_the_old_connection_leaves_the_new_one_alone() {
    let (server, old, mut bob) = two_strangers().await;
    let mut new = server.connect().await;
    new.register("@(alice)").await;
    drop(old);

    let message = json!({ "to": "@(alice)", "type": "chat", "data": "still there?" });
    bob.ask("@(bob)", "hub:send", message, json!({})).await;
    assert_eq!(bob.hear().await["type"], "hub:delivery_ack");
    assert_eq!(new.hear().await["payload"], "still there?");
}

#[tokio::test]
async fn an_ask_to_nobody_is_answered() {
    let (_server, mut alice, _bob) = two_strangers().await;
    alice.ask("@(alice)", "hub:send", json!({ "to": "@(nobody)", "type": "t" }), json!({})).await;
    let reply = alice.hear().await;
    assert_eq!(reply["type"], "hub:unknown_actor");
    assert_eq!(reply["correlationId"], "1");
    assert_eq!(reply["payload"]["actorAddress"], "@(nobody)");
}
