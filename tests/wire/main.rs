//! The wire format, message by message: whatever the hub sends and whatever the client sends, as
//! pretty JSON in `snapshots`. Who changes one of these files changes the protocol.

mod from_client;
mod from_hub;
mod parts;
mod plain;

use serde_json::Value;
use signal_hub::protocol::{ActorAddress, Json, MessageId, Topic};
use signal_hub::time::Timestamp;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn hub() -> ActorAddress {
    address("cloudflare/signal-hub")
}

fn address(path: &str) -> ActorAddress {
    ActorAddress::from_path(path).expect("a path")
}

fn topic() -> Topic {
    Topic::parse("news").expect("a topic")
}

fn message_id() -> MessageId {
    MessageId::parse("3f0f2c5e-0000-4000-8000-000000000001").expect("an id")
}

fn uuid(number: u128) -> Uuid {
    uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
}

fn data() -> Json {
    serde_json::json!({ "text": "hi", "n": [1, null] }).into()
}

/// The frames of a kind, one below the other.
fn pretty(frames: impl IntoIterator<Item = String>) -> String {
    let frames = frames.into_iter().map(|frame| {
        let value: Value = serde_json::from_str(&frame).expect("a frame is JSON");
        serde_json::to_string_pretty(&value).expect("JSON can be written")
    });
    frames.collect::<Vec<String>>().join("\n")
}
