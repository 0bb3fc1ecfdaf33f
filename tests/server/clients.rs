//! The server and the client of this project, on loopback.

use serde_json::json;
use signal_hub::client::{
    ActorConfig, Client, ClientConfig, Ending, Event, Events, Message, SendOutcome,
};
use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, Route, Topic};
use signal_hub::runtime::Tokio;

use crate::fixture::{Running, within};

fn address(name: &str) -> ActorAddress {
    ActorAddress::from_path(name).unwrap()
}

async fn registered(server: &Running, name: &str) -> (Client, Events) {
    let hub = format!("ws://{}/ws", server.address).parse().unwrap();
    let config = ClientConfig::new(hub, vec![ActorConfig::new(address(name))]);
    let (client, mut events) = Client::connect(Tokio, config);
    until(&mut events, |event| matches!(event, Event::Registered { .. }).then_some(())).await;
    (client, events)
}

/// The first event that `wanted` wants; those before it are passed over.
async fn until<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        let event = within(events.next()).await.expect("the client goes on");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

async fn delivered(events: &mut Events) -> Message {
    until(events, |event| match event {
        Event::Delivered(message) => Some(*message),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_message_arrives_unaltered() {
    let server = Running::start(Config::default()).await;
    let (alice, _) = registered(&server, "alice").await;
    let (_bob, mut heard) = registered(&server, "bob").await;
    let outcome = alice.ask_send(address("bob"), "chat", json!([1, { "a": null }]).into()).await;
    assert!(matches!(outcome, Ok(SendOutcome::Delivered(_))), "{outcome:?}");
    let message = delivered(&mut heard).await;
    assert_eq!(message.payload.as_str(), r#"[1,{"a":null}]"#);
    assert_eq!((message.from, message.kind), (address("alice"), "chat".to_owned()));
}

#[tokio::test]
async fn a_subscription_outlives_a_lost_connection() {
    let server = Running::start(Config::default()).await;
    let (alice, _) = registered(&server, "alice").await;
    let (bob, mut heard) = registered(&server, "bob").await;
    let topic = Topic::parse("news").unwrap();
    bob.subscribe(topic.clone()).await.unwrap();
    bob.drop_connection().await.unwrap();
    let subscriptions = until(&mut heard, |event| match event {
        Event::Registered { subscriptions, .. } => Some(subscriptions),
        _ => None,
    })
    .await;
    assert_eq!(subscriptions, std::slice::from_ref(&topic));

    let published = alice.ask_publish(topic.clone(), "headline", json!(1).into()).await;
    assert_eq!(published.unwrap().subscriber_count, 1);
    assert_eq!(delivered(&mut heard).await.route, Route::Publication { topic });
}

#[tokio::test]
async fn a_replaced_client_ends_and_does_not_come_back() {
    let server = Running::start(Config::default()).await;
    let (_old, mut old_events) = registered(&server, "alice").await;
    let (new, _new_events) = registered(&server, "alice").await;
    let why = until(&mut old_events, |event| match event {
        Event::Ended { why } => Some(why),
        _ => None,
    })
    .await;
    assert_eq!(why, Ending::DuplicateConnection);
    assert!(new.heartbeat().await.is_ok(), "the new client is unharmed");
}

#[tokio::test]
async fn a_client_that_takes_leave_is_unknown_at_once() {
    let server = Running::start(Config::default()).await;
    let (alice, _) = registered(&server, "alice").await;
    let (bob, _) = registered(&server, "bob").await;
    assert_eq!(bob.disconnect(None).await, Ok(true));
    let outcome = alice.ask_send(address("bob"), "chat", json!(null).into()).await;
    assert!(matches!(outcome, Ok(SendOutcome::UnknownActor(_))), "{outcome:?}");
}
