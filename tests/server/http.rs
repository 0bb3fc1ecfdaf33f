//! What the port says to requests that are no WebSocket, and to those that become one.

use std::time::Duration;

use serde_json::Value;
use signal_hub::hub::{Config, Input, SessionKey};
use signal_hub::protocol::ClientFrame;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Running, UPGRADE, within};

#[tokio::test]
async fn health_tells_service_version_and_time() {
    let hub = Running::start(Config::default()).await;
    let answer = hub.http("GET /health HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], "ok");
    assert_eq!(body["service"], "signal-hub");
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert!(body["timestamp"].as_u64().unwrap() > 1_600_000_000_000);
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_by_status() {
    let hub = Running::start(Config::default()).await;
    for (request, status) in [
        ("GET /nothing HTTP/1.1", "404 Not Found"),
        ("GET /ws HTTP/1.1", "426 Upgrade Required"),
        ("GET / HTTP/1.1", "426 Upgrade Required"),
        ("POST /health HTTP/1.1", "405 Method Not Allowed"),
    ] {
        let request = format!("{request}\r\nHost: hub\r\nConnection: close\r\n\r\n");
        let answer = hub.http(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn an_old_websocket_version_is_told_the_right_one() {
    let hub = Running::start(Config::default()).await;
    let request = UPGRADE.replace("Version: 13", "Version: 8");
    let answer = hub.http(&request.replace("Connection: ", "Connection: close, ")).await;
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
}

#[tokio::test]
async fn the_best_subprotocol_that_both_know_is_agreed_on() {
    let subprotocols = ["chat.v2", "chat.v1"].map(str::to_owned).to_vec();
    let limits = Limits { subprotocols, ..Limits::default() };
    let hub = Running::limited(Config::default(), limits).await;
    for (offer, agreed) in [
        ("", None),
        ("Sec-WebSocket-Protocol: chat.v1\r\n", Some("chat.v1")),
        ("Sec-WebSocket-Protocol: other, chat.v1,chat.v2\r\n", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: chat.v1\r\n", Some("chat.v1")),
        ("Sec-WebSocket-Protocol: other\r\n", None),
    ] {
        let request = UPGRADE.replace("Host: hub\r\n", &format!("Host: hub\r\n{offer}"));
        let mut stream = hub.tcp().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let length = within(stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let mut lines = answer.lines();
        let found = lines.find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(found, agreed, "{offer}");
    }
}

#[tokio::test]
async fn both_paths_become_a_websocket() {
    let mut hub = Running::start(Config::default()).await;
    for (path, key) in [("/ws", SessionKey(0)), ("/", SessionKey(1))] {
        let client = hub.connect_to(path).await;
        assert!(matches!(hub.input().await, Input::Opened(opened, _) if opened == key));
        drop(client);
        hub.closed(key).await;
    }
}

#[tokio::test]
async fn a_handshake_is_answered_alike_whole_and_in_parts_and_frames_behind_it_are_not_lost() {
    let mut hub = Running::start(Config::default()).await;
    let text = br#"{"type":"ping"}"#;
    let head = [0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    let bytes = [UPGRADE.as_bytes(), &head, text].concat();
    let mut answers = Vec::new();
    for (key, first) in [(0, bytes.len()), (1, 1), (2, UPGRADE.len() - 1)] {
        let mut stream = hub.tcp().await;
        stream.set_nodelay(true).unwrap();
        stream.write_all(&bytes[..first]).await.unwrap();
        Tokio.sleep(Duration::from_millis(20)).await;
        stream.write_all(&bytes[first..]).await.unwrap();
        let opened = hub.input().await;
        assert!(matches!(opened, Input::Opened(SessionKey(of), _) if of == key), "{opened:?}");
        assert_eq!(hub.input().await, Input::Frame(SessionKey(key), Ok(ClientFrame::Ping)));
        let mut answer = vec![0; 1024];
        let length = within(stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        answers.push(answer.split_inclusive("\r\n\r\n").next().unwrap().to_owned());
        drop(stream);
        hub.closed(SessionKey(key)).await;
    }
    assert!(answers[0].starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{}", answers[0]);
    assert_eq!(answers[1..], [answers[0].clone(), answers[0].clone()]);
}

#[tokio::test]
async fn what_only_begins_like_a_handshake_is_refused_as_ever() {
    let hub = Running::start(Config::default()).await;
    for (from, to, status) in [
        ("Host: hub\r\n", "", "400"),
        ("Host: hub\r\n", "Host: hub\r\nHost: hub\r\n", "400"),
        ("/ws", "/nothing", "404"),
        ("GET", "HEAD", "405"),
        ("HTTP/1.1", "HTTP/1.0", "426"),
        ("HTTP/1.1", "HTTP/9.1", "400"),
        ("Host: hub", "Host : hub", "400"),
    ] {
        let request = UPGRADE.replacen(from, to, 1).replace("Connection: ", "Connection: close, ");
        let answer = hub.http(&request).await;
        assert_eq!(answer.get(9..12), Some(status), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_health_check_may_keep_its_connection_and_is_no_failed_handshake() {
    let config = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    let hub = Running::limited(config, Limits::default()).await;
    let mut stream = hub.tcp().await;
    let began = Tokio.monotonic();
    while Tokio.monotonic() - began < Duration::from_millis(300) {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        let length = within(stream.read(&mut answer)).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
        Tokio.sleep(Duration::from_millis(70)).await;
    }
    drop(stream);
    hub.metric_becomes("connections", 0.0).await;
    let sample = "connections_refused_total{reason=\"handshake_timeout\"}";
    assert_eq!(hub.metric(sample).await, 0.0);
}

#[tokio::test]
async fn a_kept_connection_that_asks_nothing_more_is_cut_after_idle_timeout() {
    let config = Config {
        connect_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    let hub = Running::limited(config, Limits::default()).await;
    let answer = hub.http("GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let sample = "connections_refused_total{reason=\"handshake_timeout\"}";
    assert_eq!(hub.metric(sample).await, 0.0);
}

#[tokio::test]
async fn a_connection_that_does_not_shake_hands_is_cut() {
    let config = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    let hub = Running::start(config).await;
    for begin in ["", "GET /ws HTTP/1.1\r\nHost:"] {
        let mut stream = hub.tcp().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap_or_default();
        assert_eq!(answer, b"");
    }
    assert_eq!(hub.stop().await, (vec![Input::Shutdown], Ok(())));
}
