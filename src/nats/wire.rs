//! What goes over the wire to JetStream and what comes back, as data. Whatever comes is somebody else's: nothing of it
//! may panic, and what cannot be read is unsure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Settings;
use crate::cluster::engine::{Key, Revision};

/// Another write of the row came before.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another write of the row is proposed and not yet decided: this one was not even proposed.
const WRITE_UNDER_WAY: u64 = 10_164;
const NO_MESSAGE_FOUND: u64 = 10_037;
const STREAM_NOT_FOUND: u64 = 10_059;

/// The header that makes a write a compare-and-set.
pub(super) const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// The header by which a bucket says that a row is deleted.
pub(super) const OPERATION: &str = "KV-Operation";
pub(super) const DELETED: &str = "DEL";
/// What the keys begin with of what watches write.
pub(super) const MARKS: &str = "w.";

#[derive(Debug, Deserialize)]
struct Reply<T> {
    error: Option<ApiError>,
    #[serde(flatten)]
    answer: Option<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

/// What became of a published write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    Stored(Revision),
    /// It is not stored: the row has another revision.
    Wrong,
    /// It is not stored: another write of the row is under way.
    Busy,
    Unsure,
}

/// The last message of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LastMessage {
    /// Without a value it marks a deletion.
    Is(Revision, Option<Bytes>),
    None,
    Unsure,
}

/// Where a row stands in a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) revision: Revision,
    /// The first row of a watch has 1.
    pub(super) in_watch: u64,
    /// How many rows the watch has not yet shown.
    pub(super) left: u64,
}

/// What a new watch starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) before: Revision,
    pub(super) left: u64,
}

pub(super) fn published(payload: &[u8]) -> Published {
    #[derive(Deserialize)]
    struct Ack {
        #[serde(default)]
        seq: u64,
    }
    let Ok(reply) = serde_json::from_slice::<Reply<Ack>>(payload) else {
        return Published::Unsure;
    };
    match (reply.error.map(|error| error.err_code), reply.answer) {
        (Some(WRONG_LAST_SEQUENCE), _) => Published::Wrong,
        (Some(WRITE_UNDER_WAY), _) => Published::Busy,
        (None, Some(Ack { seq: seq @ 1.. })) => Published::Stored(Revision(seq)),
        (Some(_), _) | (None, _) => Published::Unsure,
    }
}

pub(super) fn last_message(payload: &[u8]) -> LastMessage {
    #[derive(Deserialize)]
    struct Got {
        message: Option<Stored>,
    }
    #[derive(Deserialize)]
    struct Stored {
        seq: u64,
        #[serde(default)]
        hdrs: String,
        #[serde(default)]
        data: String,
    }
    let Ok(reply) = serde_json::from_slice::<Reply<Got>>(payload) else {
        return LastMessage::Unsure;
    };
    let stored = match (reply.error, reply.answer) {
        (Some(error), _) if error.err_code == NO_MESSAGE_FOUND => return LastMessage::None,
        (None, Some(Got { message: Some(stored) })) => stored,
        (Some(_), _) | (None, _) => return LastMessage::Unsure,
    };
    let (Ok(headers), Ok(data)) = (STANDARD.decode(stored.hdrs), STANDARD.decode(stored.data))
    else {
        return LastMessage::Unsure;
    };
    let is_deleted = String::from_utf8_lossy(&headers).lines().any(is_deletion);
    LastMessage::Is(Revision(stored.seq), (!is_deleted).then(|| data.into()))
}

fn is_deletion(header: &str) -> bool {
    header.split_once(':').is_some_and(|(name, value)| name == OPERATION && removes(value.trim()))
}

/// Whether an operation leaves no row.
pub(super) fn removes(operation: &str) -> bool {
    [DELETED, "PURGE"].contains(&operation)
}

/// Reads where a row stands from the subject that its receipt would go to.
pub(super) fn place(reply: &str) -> Option<Place> {
    let parts: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    // Servers may put their domain and account before the stream, and more at the end.
    let from_stream = match parts.len() {
        7 => &parts[..],
        9.. => &parts[2..],
        _ => return None,
    };
    let number = |at: usize| from_stream.get(at)?.parse().ok();
    Some(Place { revision: Revision(number(3)?), in_watch: number(4)?, left: number(6)? })
}

pub(super) fn begun(payload: &[u8]) -> Option<Begun> {
    #[derive(Deserialize)]
    struct Consumer {
        num_pending: u64,
        delivered: Delivered,
    }
    #[derive(Deserialize)]
    struct Delivered {
        stream_seq: u64,
    }
    let reply: Reply<Consumer> = serde_json::from_slice(payload).ok()?;
    let consumer = reply.answer.filter(|_| reply.error.is_none())?;
    Some(Begun { before: Revision(consumer.delivered.stream_seq), left: consumer.num_pending })
}

/// What a request for JetStream itself was answered.
pub(super) fn answered(payload: &[u8]) -> Result<Value, ApiError> {
    let unreadable =
        |error: serde_json::Error| ApiError { err_code: 0, description: error.to_string() };
    let reply: Reply<Value> = serde_json::from_slice(payload).map_err(unreadable)?;
    match reply.error {
        Some(error) => Err(error),
        None => Ok(reply.answer.unwrap_or_default()),
    }
}

impl ApiError {
    pub(super) fn is_no_stream(&self) -> bool {
        self.err_code == STREAM_NOT_FOUND
    }
}

pub(super) fn ask_last_message(settings: &Settings, key: &Key) -> (String, Bytes) {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", settings.stream());
    let last_by_subj = format!("{}{key}", settings.rows());
    (subject, text(&json!({ "last_by_subj": last_by_subj })))
}

/// A consumer that nobody acknowledges, that one server keeps in memory, and that ends with whoever hears it.
pub(super) fn ask_watch(settings: &Settings, name: &str, deliver_to: &str) -> (String, Bytes) {
    let subject = format!("$JS.API.CONSUMER.CREATE.{}.{name}", settings.stream());
    let config = json!({
        "name": name,
        "deliver_subject": deliver_to,
        "deliver_policy": "last_per_subject",
        "filter_subject": format!("{}>", settings.rows()),
        "ack_policy": "none",
        "max_deliver": 1,
        "replay_policy": "instant",
        "flow_control": true,
        "idle_heartbeat": nanoseconds(settings.heartbeat),
        "inactive_threshold": nanoseconds(settings.heartbeat * 30),
        "mem_storage": true,
        "num_replicas": 1,
    });
    (subject, text(&json!({ "stream_name": settings.stream(), "config": config })))
}

/// What the stream must be; a server adds what it has beside.
pub(super) fn stream_config(settings: &Settings) -> Value {
    json!({
        "name": settings.stream(),
        "subjects": [format!("{}>", settings.rows())],
        "retention": "limits",
        "storage": "file",
        "num_replicas": settings.replicas,
        "max_msgs_per_subject": 1,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "discard": "new",
        "deny_delete": true,
        "allow_rollup_hdrs": true,
        "allow_direct": false,
    })
}

pub(super) fn text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("its keys are text").into()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
/// Adds a message to what goes to a node.
pub(super) fn pack(parcel: &mut BytesMut, message: &[u8]) {
    let length = u32::try_from(message.len()).expect("messages have megabytes at most");
    parcel.put_u32(length);
    parcel.put_slice(message);
}

/// Takes the next message of what came from a node. What is no parcel is one message that makes no sense.
pub(super) fn unpack(parcel: &mut Bytes) -> Option<Bytes> {
    if parcel.is_empty() {
        return None;
    }
    let whole = std::mem::take(parcel);
    let mut rest = whole.clone();
    let length = rest.try_get_u32().ok().and_then(|length| usize::try_from(length).ok());
    match length.filter(|length| *length <= rest.len()) {
        Some(length) => {
            let message = rest.split_to(length);
            *parcel = rest;
            Some(message)
        }
        None => Some(whole),
    }
}
