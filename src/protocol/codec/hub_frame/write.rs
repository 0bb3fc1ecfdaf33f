//! What the hub writes: always all eleven keys of the envelope.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::payloads::{ErrorPayload, ReplyMetadata};
use crate::protocol::codec::client_frame::quoted;
use crate::protocol::{ActorAddress, Body, Delivery, Json, MessageId, Notice, Outgoing, Reply};
use crate::time::Timestamp;

/// The text of [`write_hub_frame`] alone.
pub fn encode_hub_frame(message: &Outgoing, hub: &ActorAddress) -> String {
    let mut text = Vec::with_capacity(512);
    write_hub_frame(&mut text, message, hub);
    String::from_utf8(text).expect("names and JSON are UTF-8")
}

/// Appends one message as the text of a WebSocket frame; `hub` is the hub's own address.
pub fn write_hub_frame(text: &mut Vec<u8>, message: &Outgoing, hub: &ActorAddress) {
    match &message.body {
        Body::Pong => text.extend_from_slice(br#"{"type":"pong"}"#),
        Body::Reply { correlation, trace_id, reply } => {
            let payload = reply_payload(reply);
            let metadata = reply_metadata(reply, trace_id.as_deref());
            let (kind, correlation) = (reply.type_name(), correlation.as_ref());
            write_own(text, message, hub, kind, correlation, &payload, metadata.as_str());
        }
        Body::Notice(notice) => {
            let payload = notice_payload(notice);
            write_own(text, message, hub, notice.type_name(), None, &payload, "{}");
        }
        Body::Delivery(delivery) => write_delivery(text, message, delivery),
    }
}

fn write_own(
    text: &mut Vec<u8>,
    message: &Outgoing,
    hub: &ActorAddress,
    kind: &str,
    correlation: Option<&MessageId>,
    payload: &str,
    metadata: &str,
) {
    write_prefix(text, message);
    write!(
        text,
        r#""from":"{hub}","type":"{kind}","pattern":"tell","timestamp":{},"payload":{payload},"metadata":{metadata},"correlationId":{},"ttl":null,"signature":null}}"#,
        message.timestamp,
        correlation.map_or_else(|| "null".to_owned(), |id| quoted(id.as_str())),
    )
    .expect("writing to memory cannot fail");
}

fn write_delivery(text: &mut Vec<u8>, message: &Outgoing, delivery: &Delivery) {
    // All copies of a delivery leave the hub at one moment, so they share the timestamp too.
    let shared = delivery.shared.get_or_init(|| {
        let (payload, metadata) = (delivery.payload.as_str(), delivery.metadata.as_str());
        shared_text(delivery, message.timestamp, payload, metadata)
    });
    write_prefix(text, message);
    text.extend_from_slice(shared.as_bytes());
}

/// Bytes of a copy as text, for a recipient whose address has `to` bytes. Reads neither payload nor
/// metadata.
pub fn copy_len(delivery: &Delivery, to: usize, timestamp: Timestamp) -> usize {
    let around = shared_text(delivery, timestamp, "", "").len();
    let data = delivery.payload.len() + delivery.metadata.len();
    PREFIX_LEN + to + around + data
}

fn shared_text(delivery: &Delivery, timestamp: Timestamp, payload: &str, metadata: &str) -> String {
    format!(
        r#""from":"{}","type":{},"pattern":"tell","timestamp":{timestamp},"payload":{payload},"metadata":{metadata},"correlationId":null,"ttl":{},"signature":null}}"#,
        delivery.from,
        quoted(&delivery.kind),
        milliseconds_or_null(delivery.ttl),
    )
}

/// Bytes of [`write_prefix`] without the recipient's address.
const PREFIX_LEN: usize = r#"{"id":"00000000-0000-0000-0000-000000000000","to":"","#.len();

/// The part that differs from recipient to recipient.
fn write_prefix(text: &mut Vec<u8>, message: &Outgoing) {
    write!(text, r#"{{"id":"{}","to":"{}","#, message.id.hyphenated(), message.to)
        .expect("writing to memory cannot fail");
}

pub(in crate::protocol::codec) fn milliseconds_or_null(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "null".to_owned(), |duration| duration.as_millis().to_string())
}

fn to_json<T: Serialize>(payload: &T) -> String {
    serde_json::to_string(payload).expect("a payload has string keys and holds valid JSON")
}

pub(super) fn reply_payload(reply: &Reply) -> String {
    match reply {
        Reply::Connected(payload) => to_json(payload),
        Reply::HeartbeatAck(payload) => to_json(payload),
        Reply::Disconnected(payload) => to_json(payload),
        Reply::Registered(payload) => to_json(payload),
        Reply::Unregistered(payload) => to_json(payload),
        Reply::Renewed(payload) => to_json(payload),
        Reply::Discovered(payload) => to_json(payload),
        Reply::ActorList(payload) => to_json(payload),
        Reply::DeliveryAck(payload) => to_json(payload),
        Reply::UnknownActor(payload) => to_json(payload),
        Reply::BroadcastAck(payload) => to_json(payload),
        Reply::Subscribed(payload) => to_json(payload),
        Reply::Unsubscribed(payload) => to_json(payload),
        Reply::Published(payload) => to_json(payload),
        Reply::TokenRefreshed(payload) => to_json(payload),
        Reply::QueueStats(payload) => to_json(payload),
        Reply::Metrics(payload) => to_json(payload),
        Reply::Error(refusal) => to_json(&ErrorPayload::from(refusal.as_ref())),
    }
}

/// The SEAG client reads the outcome of a registration from the metadata.
pub(super) fn reply_metadata(reply: &Reply, trace_id: Option<&str>) -> Json {
    let metadata = match reply {
        Reply::Connected(connected) => {
            let actor_identity = connected.actor_identity.clone();
            ReplyMetadata { actor_identity, trace_id, ..ReplyMetadata::default() }
        }
        Reply::Registered(registered) => ReplyMetadata {
            actor_address: Some(registered.actor_address.clone()),
            expires_at: Some(registered.expires_at),
            renewal_token: Some(registered.renewal_token),
            version: Some(registered.version),
            trace_id,
            ..ReplyMetadata::default()
        },
        _ if trace_id.is_none() => return Json::EMPTY_OBJECT,
        _ => ReplyMetadata { trace_id, ..ReplyMetadata::default() },
    };
    Json::from_value(&metadata).expect("texts and numbers are JSON")
}

pub(super) fn notice_payload(notice: &Notice) -> String {
    match notice {
        Notice::Disconnect(payload) => to_json(payload),
        Notice::Unregistered(payload) => to_json(payload),
        Notice::Pause(payload) => to_json(payload),
        Notice::Resume => "{}".to_owned(),
    }
}
