//! The async client against a hand-made hub on real sockets.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use signal_hub::client::{
    Client, ClientConfig, DisconnectReason, Ending, Event, Observer, SendOutcome, TransportChange,
};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{
    Body, ClientFrame, Delivery, DeliveryAck, DeliveryStatus, Disconnected, Json, MessageId, Reply,
    Request, Route, Subscribed, SubscriptionId, Verb,
};
use signal_hub::runtime::Tokio;
use signal_hub::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

use hub::{Hub, address, alice, event, listen, topic};

mod hub;

fn ack(request: &Request) -> Reply {
    Reply::DeliveryAck(DeliveryAck {
        message_id: request.id.clone(),
        delivered_at: Timestamp::default(),
        status: DeliveryStatus::Delivered,
    })
}

fn delivery(payload: &str) -> Body {
    Body::Delivery(Arc::new(Delivery::new(
        address("bob"),
        "chat".to_owned(),
        Json::parse(payload).unwrap(),
        Json::EMPTY_OBJECT,
        Route::Send,
        MessageId::parse("o").unwrap(),
        None,
    )))
}

#[tokio::test]
async fn a_client_registers_subscribes_and_asks() {
    let listener = listen().await;
    let (client, mut events) = Client::connect(Tokio, alice(&listener));
    let mut hub = Hub::welcome(&listener, &[]).await;

    let (subscription, ()) = tokio::join!(client.subscribe(topic("news")), async {
        let request = hub.expect("hub:subscribe").await;
        let subscription_id = SubscriptionId::new(Uuid::nil());
        let subscribed = Subscribed { topic: topic("news"), subscription_id, durable: None };
        hub.reply(&request, Reply::Subscribed(subscribed)).await;
    });
    assert_eq!(subscription.unwrap().topic, topic("news"));

    let sending = client.ask_send(address("bob"), "chat", Json::NULL);
    let (outcome, ()) = tokio::join!(sending, async {
        let request = hub.expect("hub:send").await;
        hub.reply(&request, ack(&request)).await;
    });
    assert!(matches!(outcome.unwrap(), SendOutcome::Delivered(_)));

    hub.say(delivery(r#"{"text":"hi"}"#)).await;
    let payload = event(&mut events, |event| match event {
        Event::Delivered(message) => Some(message.payload.clone()),
        _ => None,
    });
    assert_eq!(payload.await.as_str(), r#"{"text":"hi"}"#);
}

#[tokio::test]
async fn a_client_comes_back_and_restores_only_what_is_missing() {
    let listener = listen().await;
    let mut config = alice(&listener);
    config.actors[0].topics = vec![topic("kept"), topic("lost")];
    let (_client, mut events) = Client::connect(Tokio, config);
    let hub = Hub::welcome(&listener, &["kept", "lost"]).await;
    drop(hub);

    let mut hub = Hub::welcome(&listener, &["kept"]).await;
    let request = hub.expect("hub:subscribe").await;
    assert!(
        matches!(request.verb, Ok(Verb::Subscribe(subscribe)) if subscribe.topic == topic("lost"))
    );
    let why = event(&mut events, |event| match event {
        Event::Disconnected { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert!(matches!(why.await, DisconnectReason::Broken(_)));
}

#[tokio::test]
async fn a_connection_dropped_on_request_comes_back() {
    let listener = listen().await;
    let (client, _events) = Client::connect(Tokio, alice(&listener));
    let _first = Hub::welcome(&listener, &[]).await;
    client.drop_connection().await.unwrap();
    let mut second = Hub::welcome(&listener, &[]).await;
    client.send(address("bob"), "chat", Json::NULL).await.unwrap();
    second.expect("hub:send").await;
}

#[tokio::test]
async fn a_takeover_ends_the_client_after_the_close_handshake() {
    let listener = listen().await;
    let (client, mut events) = Client::connect(Tokio, alice(&listener));
    let hub = Hub::welcome(&listener, &[]).await;
    hub.close(4003).await;
    let why = event(&mut events, |event| match event {
        Event::Ended { why } => Some(*why),
        _ => None,
    });
    assert_eq!(why.await, Ending::DuplicateConnection);
    assert_eq!(events.next().await, None);
    assert!(client.heartbeat().await.is_err());
}

#[tokio::test]
async fn a_disconnect_takes_leave() {
    let listener = listen().await;
    let (client, mut events) = Client::connect(Tokio, alice(&listener));
    let mut hub = Hub::welcome(&listener, &[]).await;
    let (acknowledged, ()) = tokio::join!(client.disconnect(None), async {
        let request = hub.expect("hub:disconnect").await;
        hub.reply(&request, Reply::Disconnected(Disconnected { acknowledged: true })).await;
        hub.close(1000).await;
    });
    assert_eq!(acknowledged, Ok(true));
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn dropping_the_handles_writes_what_was_accepted_and_closes() {
    let listener = listen().await;
    let (client, mut events) = Client::connect(Tokio, alice(&listener));
    let mut hub = Hub::welcome(&listener, &[]).await;
    for _ in 0..100 {
        client.send(address("bob"), "chat", Json::NULL).await.unwrap();
    }
    drop(client);
    for _ in 0..100 {
        hub.expect("hub:send").await;
    }
    hub.closed().await;
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn a_server_that_is_no_hub_is_a_failed_attempt() {
    let listener = listen().await;
    let (_client, mut events) = Client::connect(Tokio, alice(&listener));
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let why = event(&mut events, |event| match event {
        Event::ConnectFailed { why: DisconnectReason::ConnectFailed(why), .. } => Some(why.clone()),
        _ => None,
    });
    assert_eq!(why.await, "the server answered 404 Not Found instead of 101 Switching Protocols");
}

#[tokio::test]
async fn frames_that_come_with_the_upgrade_are_read() {
    let listener = listen().await;
    let (_client, mut events) = Client::connect(Tokio, alice(&listener));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
    .into_bytes();
    answer.extend([0x88, 2, 0x0f, 0xa2]);
    stream.write_all(&answer).await.unwrap();
    let why = event(&mut events, |event| match event {
        Event::Ended { why } => Some(*why),
        _ => None,
    });
    assert_eq!(why.await, Ending::VersionMismatch, "close code 4002 came with the upgrade");
}

#[tokio::test]
async fn reading_goes_on_while_writing_is_blocked() {
    let listener = listen().await;
    let (client, mut events) = Client::connect(Tokio, alice(&listener));
    let mut hub = Hub::welcome(&listener, &[]).await;
    let megabyte = Json::from(serde_json::Value::from("x".repeat((1 << 20) - 4096)));
    for _ in 0..32 {
        client.send(address("bob"), "chat", megabyte.clone()).await.unwrap();
    }
    for number in 0..100 {
        hub.say(delivery(&number.to_string())).await;
    }
    let last = event(&mut events, |event| match event {
        Event::Delivered(message) if message.payload.as_str() == "99" => Some(()),
        _ => None,
    });
    last.await;
}

#[tokio::test]
async fn unread_events_stop_the_reading_and_lose_nothing() {
    let listener = listen().await;
    let config = ClientConfig { event_queue_max: 1, ..alice(&listener) };
    let (_client, mut events) = Client::connect(Tokio, config);
    let mut hub = Hub::welcome(&listener, &[]).await;
    for number in 0..100 {
        hub.say(delivery(&number.to_string())).await;
    }
    for number in 0..100 {
        let payload = event(&mut events, |event| match event {
            Event::Delivered(message) => Some(message.payload.to_string()),
            _ => None,
        });
        assert_eq!(payload.await, number.to_string());
    }
}

#[tokio::test]
async fn a_client_takes_the_next_command_as_soon_as_there_is_room_for_its_frame() {
    let listener = listen().await;
    let config = ClientConfig { outgoing_messages_max: 1, ..alice(&listener) };
    let (client, _events) = Client::connect(Tokio, config);
    let mut hub = Hub::welcome(&listener, &[]).await;
    for _ in 0..3 {
        client.send(address("bob"), "chat", Json::NULL).await.unwrap();
        hub.expect("hub:send").await;
    }
}

/// Writes down what a client says and hears, by type.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }
}

impl Observer for Notes {
    fn sent(&mut self, _now: Timestamp, frame: &ClientFrame) {
        if let ClientFrame::Request(request) = frame {
            self.note(request.type_name.clone());
        }
    }

    fn received(&mut self, _now: Timestamp, frame: &HubFrame) {
        if let HubFrame::Message(message) = frame
            && let HubBody::Reply { reply, .. } = &message.body
        {
            self.note(reply.type_name());
        }
    }

    fn transport(&mut self, _now: Timestamp, change: &TransportChange) {
        self.note(format!("{change:?}"));
    }
}

#[tokio::test]
async fn an_observer_sees_all_that_a_client_says_and_hears() {
    let listener = listen().await;
    let notes = Notes::default();
    let (client, mut events) = Client::connect_observed(Tokio, alice(&listener), notes.clone());
    let hub = Hub::welcome(&listener, &[]).await;
    event(&mut events, |event| matches!(event, Event::Registered { .. }).then_some(())).await;
    drop(client);
    hub.closed().await;
    while events.next().await.is_some() {}
    assert_eq!(
        *notes.0.lock().unwrap(),
        [
            "Dialling",
            "Up",
            "hub:connect",
            "hub:connected",
            "hub:register",
            "hub:registered",
            "Abandoned",
        ]
    );
}
