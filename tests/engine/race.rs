//! A race of writers that expect the same revision, in the engine's own words: it asks a server that no hub would take.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use signal_hub::runtime::{Runtime, Tokio};

use super::servers::Servers;

/// In how many rounds more than one writer was told that it had won.
pub async fn race(servers: &Servers, writers: usize, rounds: usize) -> usize {
    let addresses = servers.addresses();
    let mut clients = Vec::new();
    for index in 0..writers {
        clients.push(client(&addresses[index % addresses.len()]).await);
    }
    let config = json!({
        "name": "KV_race", "subjects": ["$KV.race.>"], "num_replicas": 3, "storage": "file",
        "max_msgs_per_subject": 1, "retention": "limits", "discard": "new",
    });
    let mut made = Value::Null;
    while made["config"].is_null() {
        Tokio.sleep(Duration::from_millis(200)).await;
        made = ask(&clients[0], "$JS.API.STREAM.CREATE.KV_race", None, &config.to_string()).await;
    }
    let (mut last, mut double) = (0, 0);
    for _ in 0..rounds {
        let writing = clients.iter().map(|client| ask(client, "$KV.race.row", Some(last), "mine"));
        let answers = join_all(writing).await;
        let won: Vec<u64> = answers
            .iter()
            .filter(|answer| answer["error"].is_null())
            .filter_map(|answer| answer["seq"].as_u64())
            .collect();
        double += usize::from(won.len() > 1);
        last = match won.iter().max() {
            Some(last) => *last,
            None => last_of(&clients[0]).await.unwrap_or(last),
        };
    }
    double
}

async fn client(address: &str) -> Client {
    loop {
        match async_nats::connect(address).await {
            Ok(client) => return client,
            Err(_) => Tokio.sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn last_of(client: &Client) -> Option<u64> {
    let asked = r#"{"last_by_subj":"$KV.race.row"}"#;
    ask(client, "$JS.API.STREAM.MSG.GET.KV_race", None, asked).await["message"]["seq"].as_u64()
}

/// What was answered, or null if nothing was.
async fn ask(client: &Client, subject: &str, expected: Option<u64>, payload: &str) -> Value {
    let mut request = Request::new().payload(payload.to_owned().into());
    if let Some(expected) = expected {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string().as_str());
        request = request.headers(headers);
    }
    let answer = client.send_request(subject.to_owned(), request).await;
    answer
        .ok()
        .and_then(|message| serde_json::from_slice(&message.payload).ok())
        .unwrap_or_default()
}
