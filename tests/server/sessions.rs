//! A session from its first frame to its end, as the client and as the hub see it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use signal_hub::hub::{CloseCause, Config, Input, SessionKey};
use signal_hub::protocol::{ClientFrame, Malformed};
use signal_hub::server::Limits;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::fixture::{Client, Running, within};

const FIRST: SessionKey = SessionKey(0);

async fn session(config: Config) -> (Running, Client) {
    let mut hub = Running::start(config).await;
    let client = hub.connect().await;
    assert!(matches!(hub.input().await, Input::Opened(FIRST, _)));
    (hub, client)
}

#[tokio::test]
async fn a_websocket_ping_is_answered_and_is_a_sign_of_life() {
    let (mut hub, mut client) = session(Config::default()).await;
    client.send(Message::Ping(Bytes::from_static(b"abc"))).await;
    assert_eq!(client.receive().await, Message::Pong(Bytes::from_static(b"abc")));
    assert_eq!(hub.input().await, Input::Alive(FIRST));
}

#[tokio::test]
async fn the_server_pings_and_the_answer_is_a_sign_of_life() {
    let config = Config { ping_interval: Duration::from_millis(20), ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    for _ in 0..2 {
        assert_eq!(client.receive().await, Message::Ping(Bytes::new()));
        within(client.0.flush()).await.unwrap();
        assert_eq!(hub.input().await, Input::Alive(FIRST));
    }
}

#[tokio::test]
async fn text_and_binary_frames_are_read_alike() {
    let (mut hub, mut client) = session(Config::default()).await;
    let text = r#"{"type":"ping"}"#;
    for ping in [Message::text(text), Message::binary(text.as_bytes())] {
        client.send(ping).await;
        assert_eq!(client.receive().await, Message::text(r#"{"type":"pong"}"#));
        assert_eq!(hub.input().await, Input::Frame(FIRST, Ok(ClientFrame::Ping)));
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_at_once() {
    // A server that waited for anything would wait for this long.
    let config = Config { close_timeout: Duration::from_secs(60), ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    client.send(Message::Close(Some(frame))).await;
    assert_eq!(client.close_frame().await.0, 1000);
    assert_eq!(hub.closed(FIRST).await, CloseCause::Client);
}

#[tokio::test]
async fn a_frame_beyond_the_bound_is_reported_then_closes_1009() {
    let config = Config { message_bytes_max: 1_000, ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    client.send(Message::text("x".repeat(1_001))).await;
    let too_large = Malformed::TooLarge { actual: 1_001, max: 1_000 };
    assert_eq!(hub.input().await, Input::Frame(FIRST, Err(too_large)));
    let error = client.hear().await;
    assert_eq!(error["payload"]["code"], "message_too_large");
    assert_eq!(error["payload"]["details"], json!({ "actualSize": 1_001, "maxSize": 1_000 }));
    assert_eq!(client.close_frame().await, (1009, "message too large".to_owned()));
    assert_eq!(hub.closed(FIRST).await, CloseCause::Hub);
}

/// The next frame; signs of life before it are passed over.
async fn frame(hub: &mut Running) -> Input {
    loop {
        match hub.input().await {
            Input::Alive(_) => {}
            input => return input,
        }
    }
}

#[tokio::test]
async fn whose_message_is_much_too_large_reads_why_before_close_1009() {
    let config = Config { message_bytes_max: 1_000, ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    client.send(Message::text("x".repeat(9_000_000))).await;
    let too_large = Malformed::TooLarge { actual: 9_000_000, max: 1_000 };
    assert_eq!(frame(&mut hub).await, Input::Frame(FIRST, Err(too_large)));
    let error = client.hear().await;
    assert_eq!(error["payload"]["code"], "message_too_large");
    assert_eq!(error["payload"]["details"], json!({ "actualSize": 9_000_000, "maxSize": 1_000 }));
    assert_eq!(client.close_frame().await, (1009, "message too large".to_owned()));
    assert_eq!(hub.closed(FIRST).await, CloseCause::Hub);
}

#[tokio::test]
async fn a_message_that_grows_too_large_in_fragments_is_reported_then_closes_1009() {
    let config = Config { message_bytes_max: 1_000, ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    for opcode in [Data::Text, Data::Continue, Data::Continue] {
        let fragment = Frame::message(vec![b'x'; 400], OpCode::Data(opcode), false);
        client.send(Message::Frame(fragment)).await;
    }
    let too_large = Malformed::TooLarge { actual: 1_200, max: 1_000 };
    assert_eq!(frame(&mut hub).await, Input::Frame(FIRST, Err(too_large)));
    assert_eq!(client.hear().await["payload"]["code"], "message_too_large");
    assert_eq!(client.close_frame().await, (1009, "message too large".to_owned()));
    assert_eq!(hub.closed(FIRST).await, CloseCause::Hub);
}

#[tokio::test]
async fn refused_clients_give_way_to_others_and_to_a_shutdown() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let hub = Running::limited(Config::default(), limits).await;
    let mut refused = [hub.connect().await, hub.connect().await];
    for client in &mut refused {
        client.ask("@(a)", "hub:connect", json!(null), json!({})).await;
        assert_eq!(client.hear().await["type"], "hub:error");
    }
    hub.connect().await.register("@(b)").await;
    for client in &mut refused {
        assert!(client.close_frame().await.0 >= 4000);
    }
    let mut late = hub.connect().await;
    late.ask("@(a)", "hub:connect", json!(null), json!({})).await;
    assert_eq!(late.hear().await["type"], "hub:error");
    let stopped = hub.stop();
    let (close, (_, end)) = tokio::join!(biased; late.close_frame(), stopped);
    assert!(close.0 >= 4000 && end.is_ok());
}

#[tokio::test]
async fn a_breach_of_the_websocket_protocol_closes_1002() {
    let (mut hub, mut client) = session(Config::default()).await;
    client.send(stray_continuation()).await;
    assert_eq!(client.close_frame().await.0, 1002);
    assert_eq!(hub.closed(FIRST).await, CloseCause::Protocol);
}

#[tokio::test]
async fn the_hub_closes_a_session_when_its_deadline_comes() {
    let config = Config { connect_timeout: Duration::from_millis(100), ..Config::default() };
    let (mut hub, mut client) = session(config).await;
    let reason = "no hub:connect within connect_timeout".to_owned();
    assert_eq!(client.close_frame().await, (4005, reason));
    assert_eq!(hub.closed(FIRST).await, CloseCause::Hub);
}

#[tokio::test]
async fn every_session_ends_once_and_last_whatever_ends_it() {
    let config = Config { close_timeout: Duration::from_millis(100), ..Config::default() };
    let hub = Running::start(config).await;
    for round in 0..4 {
        for end in [End::Polite, End::Abrupt, End::Rude] {
            let mut client = hub.connect().await;
            client.register(&format!("@(actor/{round})")).await;
            end.of(client).await;
        }
    }
    let mut survivor = hub.connect().await;
    survivor.register("@(survivor)").await;
    let (inputs, end) = hub.stop().await;
    assert_eq!(end, Ok(()));
    assert_each_session_ends_once_and_last(&inputs);
}

enum End {
    Polite,
    Abrupt,
    Rude,
}

impl End {
    async fn of(self, mut client: Client) {
        match self {
            End::Polite => within(client.0.close(None)).await.unwrap(),
            End::Abrupt => drop(client),
            End::Rude => client.send(stray_continuation()).await,
        }
    }
}

fn stray_continuation() -> Message {
    Message::Frame(Frame::message("", OpCode::Data(Data::Continue), true))
}

fn assert_each_session_ends_once_and_last(inputs: &[Input]) {
    let mut is_open = BTreeMap::new();
    for input in inputs {
        let Some(key) = input.session() else { continue };
        let before = match input {
            Input::Opened(..) => is_open.insert(key, true),
            Input::Closed(..) => is_open.insert(key, false),
            _ => is_open.get(&key).copied(),
        };
        let expected = if matches!(input, Input::Opened(..)) { None } else { Some(true) };
        assert_eq!(before, expected, "{input:?}");
    }
    assert_eq!(is_open.len(), 13);
    assert!(is_open.values().all(|open| !open), "{is_open:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_is_closed() {
    let config = Config {
        slow_consumer_timeout: Duration::from_millis(100),
        close_timeout: Duration::from_millis(100),
        // A flood, and all under one id.
        rate_limit_per_second: 0,
        dedupe_window: Duration::ZERO,
        ..Config::default()
    };
    let mut hub = Running::start(config).await;
    let mut slow = hub.connect().await;
    slow.register("@(slow)").await;
    let mut busy = hub.connect().await;
    busy.register("@(busy)").await;
    let flood = json!({ "to": "@(slow)", "type": "flood", "data": "x".repeat(100_000) });
    loop {
        busy.ask("@(busy)", "hub:send", flood.clone(), json!({})).await;
        if busy.hear().await["type"] == "hub:unknown_actor" {
            break;
        }
    }
    assert_eq!(hub.closed(FIRST).await, CloseCause::Hub);
}

#[tokio::test]
async fn a_client_that_writes_without_reading_is_heard_to_the_end() {
    const ASKS: usize = 200;
    // All answers fit into the queue: the hub has no reason to close the session.
    let config = Config {
        queue_bytes_max: 100 * 1024 * 1024,
        ping_limit_per_second: 0,
        ..Config::default()
    };
    let mut hub = Running::start(config).await;
    let mut client = hub.connect().await;
    client.register("@(writer)").await;
    let echoed = json!({ "timestamp": "x".repeat(200_000) });
    for _ in 0..ASKS {
        client.ask("@(writer)", "hub:heartbeat", echoed.clone(), json!({})).await;
    }
    for _ in 0..ASKS {
        assert_eq!(client.hear().await["type"], "hub:heartbeat_ack");
    }
    drop(client);
    hub.closed(FIRST).await;
}
