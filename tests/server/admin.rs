//! What an operator reads of a running hub.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::hub::Config;
use signal_hub::runtime::Tokio;
use signal_hub::server::{Limits, Server};
use tokio::io::AsyncReadExt;
use tokio::join;
use tokio::net::TcpStream;

use crate::fixture::{FREE_PORT, Running, http, within};

async fn hub() -> Running {
    Running::limited(Config::default(), Limits::default()).await
}

/// Name and type of each family; each sample must stand below its own HELP and TYPE.
fn families(page: &str) -> BTreeMap<String, String> {
    let mut families = BTreeMap::new();
    let (mut helped, mut current) = (String::new(), String::new());
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty());
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP comes before TYPE");
            current = name.to_owned();
            let before = families.insert(name.to_owned(), kind.to_owned());
            assert_eq!(before, None, "a family stands in one place");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].map(|end| format!("{current}{end}"));
            let owned = match families.get(&current).map(String::as_str) {
                Some("histogram") => of_histogram.iter().any(|part| part == name),
                _ => name == current,
            };
            assert!(owned, "{line} stands below {current}");
            assert!(value.parse::<f64>().unwrap() >= 0.0);
            let labels = &sample[name.len()..];
            assert!(labels.is_empty() || labels.starts_with('{') && labels.ends_with("\"}"));
        }
    }
    families
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads_and_what_the_manual_lists() {
    let hub = hub().await;
    let (head, page) = hub.admin("/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md");
    let manual = fs::read_to_string(path).unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `signal_hub_"));
    let listed: BTreeMap<String, String> = rows
        .map(|row| {
            let (name, rest) = row.split_once("` | ").unwrap();
            (format!("signal_hub_{name}"), rest.split(' ').next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(families(&page), listed);
}

#[tokio::test]
async fn numbers_move_with_what_happens() {
    let hub = hub().await;
    assert_eq!(hub.metric("handle_seconds_count").await, 0.0);
    let mut client = hub.connect().await;
    client.register("@(one)").await;
    client.ask("@(one)", "hub:subscribe", json!({ "topic": "news" }), json!({})).await;
    assert_eq!(client.hear().await["type"], "hub:subscribed");
    let message = json!({ "to": "@(nobody)", "type": "note", "data": 1 });
    client.ask("@(one)", "hub:send", message, json!({})).await;
    assert_eq!(client.hear().await["type"], "hub:unknown_actor");
    client.ask("@(one)", "hub:register", json!({}), json!({})).await;
    assert_eq!(client.hear().await["type"], "hub:error");
    for (sample, value) in [
        ("sessions{phase=\"connected\"}", 1.0),
        ("sessions_opened_total", 1.0),
        ("connections", 1.0),
        ("registrations", 1.0),
        ("subscriptions", 1.0),
        ("frames_received_total", 5.0),
        ("requests_handled_total", 4.0),
        ("requests_refused_total{code=\"internal_error\"}", 1.0),
        ("messages_dropped_total{reason=\"unknown_actor\"}", 1.0),
        ("messages_sent_total", 5.0),
    ] {
        assert_eq!(hub.metric(sample).await, value, "{sample}");
    }
    assert!(hub.metric("handle_seconds_count").await >= 6.0);
    assert!(hub.metric("handle_seconds_sum").await > 0.0);
    drop(client);
    hub.metric_becomes("sessions_closed_total", 1.0).await;
    assert_eq!(hub.metric("detached").await, 1.0);
}

#[tokio::test]
async fn debug_shows_the_state_and_no_token() {
    let hub = hub().await;
    let mut client = hub.connect().await;
    client.register("@(one)").await;
    let two = json!({ "actorAddress": "@(two)", "capabilities": ["test"] });
    client.ask("@(two)", "hub:register", two, json!({})).await;
    let registered = client.hear().await;
    let token = registered["payload"]["renewalToken"].as_str().unwrap();
    let (head, body) = hub.admin("/debug").await;
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(!body.contains(token), "{body}");
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(state["sessions"]["0"]["addresses"], json!(["@(one)", "@(two)"]));
    assert_eq!(state["addresses"]["@(two)"]["registration"]["owner"], 0);
    assert_eq!(state["totals"]["registrations"], 2);
    assert_eq!(state["counters"]["sessions_opened"], 1);
}

#[tokio::test]
async fn debug_shows_so_many_rows_and_no_more() {
    let limits = Limits { debug_rows_max: 1, ..Limits::default() };
    let hub = Running::limited(Config::default(), limits).await;
    let _clients = (hub.connect().await, hub.connect().await);
    hub.metric_becomes("sessions{phase=\"connecting\"}", 2.0).await;
    let (_, body) = hub.admin("/debug").await;
    let state: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(state["sessions"].as_object().unwrap().len(), 1);
    assert_eq!(state["totals"]["connecting"], 2);
}

#[tokio::test]
async fn admin_health_says_that_the_hub_answers() {
    let (head, body) = hub().await.admin("/health").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], "ok");
}

#[tokio::test]
async fn the_admin_listener_answers_reads_that_name_this_machine() {
    let hub = hub().await;
    for (request, host, status) in [
        ("GET /metrics", "127.0.0.1:9001", "200 OK"),
        ("GET /metrics", "[::1]:9001", "200 OK"),
        ("GET /metrics", "rebound.example", "403 Forbidden"),
        ("GET /debug", "10.0.0.1", "403 Forbidden"),
        ("POST /metrics", "localhost", "405 Method Not Allowed"),
        ("GET /ws", "localhost", "404 Not Found"),
    ] {
        let request = format!("{request} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = http(hub.admin.unwrap(), &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}{answer}");
    }
}

#[tokio::test]
async fn the_admin_listener_is_for_loopback_addresses_only() {
    let server = Server::bind(Tokio, FREE_PORT, Config::default(), ()).await.unwrap();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(server.with_admin(everywhere).await.is_err());
}

#[tokio::test]
async fn the_admin_listener_serves_so_many_at_once_and_no_more() {
    let limits = Limits { admin_connections_max: 1, ..Limits::default() };
    let hub = Running::limited(Config::default(), limits).await;
    let _silent = TcpStream::connect(hub.admin.unwrap()).await.unwrap();
    let mut answer = Vec::new();
    let mut second = TcpStream::connect(hub.admin.unwrap()).await.unwrap();
    within(second.read_to_end(&mut answer)).await.unwrap_or_default();
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_thousand_sessions_come_and_vanish_and_nothing_is_left() {
    const SESSIONS: usize = 1_000;
    let config = Config { resume_window: Duration::from_millis(100), ..Config::default() };
    let hub = Running::limited(config, Limits::default()).await;
    let mut clients = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let mut client = hub.connect().await;
        let address = format!("@(actor/{number})");
        client.register(&address).await;
        client.ask(&address, "hub:subscribe", json!({ "topic": "all" }), json!({})).await;
        assert_eq!(client.hear().await["type"], "hub:subscribed");
        clients.push(client);
    }
    for sample in ["sessions{phase=\"connected\"}", "registrations", "subscriptions"] {
        assert_eq!(hub.metric(sample).await, SESSIONS as f64, "{sample}");
    }
    drop(clients);
    join!(
        biased;
        hub.metric_becomes("connections", 0.0),
        hub.metric_becomes("deadlines", 0.0),
        hub.metric_becomes("sessions_closed_total", SESSIONS as f64),
    );
    for sample in [
        "sessions{phase=\"connecting\"}",
        "sessions{phase=\"connected\"}",
        "sessions{phase=\"disconnecting\"}",
        "registrations",
        "detached",
        "topics",
        "subscriptions",
        "queue_messages",
        "queue_bytes",
        "kept_messages",
        "kept_bytes",
    ] {
        assert_eq!(hub.metric(sample).await, 0.0, "{sample}");
    }
}
