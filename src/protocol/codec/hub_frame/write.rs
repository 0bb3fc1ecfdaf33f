//! What the hub writes: always all eleven keys of the envelope.

use std::num::NonZeroU64;
use std::time::Duration;

use uuid::Uuid;

use super::payloads::{ErrorPayload, ReplyMetadata};
use crate::protocol::codec::write::{push, push_json, text};
use crate::protocol::{
    ActorAddress, Body, Delivery, DeliveryAck, DeliveryStatus, Json, MessageId, Notice, Outgoing,
    Reply, Route, Shared, push_text,
};
use crate::time::Timestamp;

/// The text of [`write_hub_frame`] alone.
pub fn encode_hub_frame(message: &Outgoing, hub: &ActorAddress) -> String {
    text(|frame| write_hub_frame(frame, message, hub))
}

/// Appends one message as the text of a WebSocket frame; `hub` is the hub's own address.
pub fn write_hub_frame(frame: &mut Vec<u8>, message: &Outgoing, hub: &ActorAddress) {
    let timestamp = message.timestamp;
    match &message.body {
        Body::Pong => push(frame, [r#"{"type":"pong"}"#]),
        Body::Reply { correlation, trace_id, reply } => {
            write_prefix(frame, message);
            write_own_head(frame, hub, reply.type_name(), timestamp);
            write_reply_payload(frame, reply);
            push(frame, [METADATA, reply_metadata(reply, trace_id.as_deref()).as_str()]);
            write_tail(frame, correlation.as_ref(), None);
        }
        Body::Notice(notice) => {
            write_prefix(frame, message);
            write_own_head(frame, hub, notice.type_name(), timestamp);
            write_notice_payload(frame, notice);
            push(frame, [METADATA, "{}"]);
            write_tail(frame, None, None);
        }
        Body::Delivery(delivery) => {
            write_prefix(frame, message);
            match delivery.route {
                Route::Send => {
                    write_copy(frame, delivery, timestamp, message.seq);
                }
                // All copies leave the hub at one moment, so they share the timestamp too.
                Route::Publication { .. } | Route::Broadcast => {
                    let shared = delivery.shared.get_or_init(|| share(delivery, timestamp));
                    write_shared(frame, shared, message.seq);
                }
            }
        }
    }
}

/// Bytes of a copy as text, for a recipient whose address has `to` bytes. Reads neither payload nor
/// metadata.
pub fn copy_len(delivery: &Delivery, to: usize, timestamp: Timestamp) -> usize {
    let mut around = Vec::with_capacity(256);
    write_head(&mut around, &delivery.from, &delivery.kind, timestamp);
    push(&mut around, [METADATA]);
    write_tail(&mut around, None, delivery.ttl);
    let data = delivery.payload.len() + delivery.metadata.len();
    PREFIX_LEN + to + around.len() + data
}

/// The part of a delivery that is equal for all recipients.
fn share(delivery: &Delivery, timestamp: Timestamp) -> Shared {
    let mut text = Vec::with_capacity(copy_len(delivery, 0, timestamp));
    let metadata_end = write_copy(&mut text, delivery, timestamp, None);
    Shared { text: text.into(), metadata_end }
}

/// What follows the recipient's address. Returns where the metadata ends, within its last brace.
fn write_copy(
    frame: &mut Vec<u8>,
    delivery: &Delivery,
    timestamp: Timestamp,
    seq: Option<NonZeroU64>,
) -> usize {
    write_head(frame, &delivery.from, &delivery.kind, timestamp);
    let metadata = delivery.metadata.as_str();
    push(frame, [delivery.payload.as_str(), METADATA, &metadata[..metadata.len() - 1]]);
    let metadata_end = frame.len();
    write_seq(frame, seq);
    push(frame, ["}"]);
    write_tail(frame, None, delivery.ttl);
    metadata_end
}

fn write_shared(frame: &mut Vec<u8>, shared: &Shared, seq: Option<NonZeroU64>) {
    if seq.is_none() {
        return frame.extend_from_slice(&shared.text);
    }
    let (begin, end) = shared.text.split_at(shared.metadata_end);
    frame.extend_from_slice(begin);
    write_seq(frame, seq);
    frame.extend_from_slice(end);
}

/// The hub's last key in the metadata, which has others before it.
fn write_seq(frame: &mut Vec<u8>, seq: Option<NonZeroU64>) {
    if let Some(seq) = seq {
        push(frame, [SEQ]);
        push_json(frame, &seq);
    }
}

/// What precedes the recipient's address, with room for the id.
const PREFIX: &str = r#"{"id":"00000000-0000-0000-0000-000000000000","to":""#;
const ID_AT: usize = r#"{"id":""#.len();
const ID_LEN: usize = 36;
/// Bytes of [`write_prefix`] without the recipient's address.
const PREFIX_LEN: usize = PREFIX.len() + r#"","#.len();
const METADATA: &str = r#","metadata":"#;
const SEQ: &str = r#","seq":"#;
/// The most bytes that a number adds to a copy.
pub const SEQ_LEN_MAX: usize = SEQ.len() + 20;

/// The part that differs from recipient to recipient.
fn write_prefix(frame: &mut Vec<u8>, message: &Outgoing) {
    let at = frame.len() + ID_AT;
    push(frame, [PREFIX, message.to.as_str(), r#"","#]);
    frame[at..at + ID_LEN].copy_from_slice(&id_text(message.id));
}

/// An id with its hyphens, as `uuid` writes it digit by digit: each copy of a message has one.
fn id_text(id: Uuid) -> [u8; ID_LEN] {
    let [a, b, c, d] = [96, 64, 32, 0].map(|bits| digits((id.as_u128() >> bits) as u32));
    let mut text = [b'-'; ID_LEN];
    text[..8].copy_from_slice(&a);
    text[9..13].copy_from_slice(&b[..4]);
    text[14..18].copy_from_slice(&b[4..]);
    text[19..23].copy_from_slice(&c[..4]);
    text[24..28].copy_from_slice(&c[4..]);
    text[28..].copy_from_slice(&d);
    text
}

/// The eight hexadecimal digits of a number, made at once.
fn digits(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(number);
    nibbles = (nibbles << 16 | nibbles) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles << 8 | nibbles) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles << 4 | nibbles) & (0x0f * ONES);
    let letters = (nibbles + 6 * ONES) >> 4 & ONES;
    (nibbles + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// What precedes the payload.
fn write_head(frame: &mut Vec<u8>, from: &ActorAddress, kind: &str, timestamp: Timestamp) {
    push(frame, [r#""from":""#, from.as_str(), r#"","type":"#]);
    push_text(frame, kind);
    write_moment(frame, timestamp);
}

/// The same of what the hub says itself; nothing is escaped in its types.
fn write_own_head(frame: &mut Vec<u8>, hub: &ActorAddress, kind: &str, timestamp: Timestamp) {
    push(frame, [r#""from":""#, hub.as_str(), r#"","type":""#, kind, r#"""#]);
    write_moment(frame, timestamp);
}

fn write_moment(frame: &mut Vec<u8>, timestamp: Timestamp) {
    push(frame, [r#","pattern":"tell","timestamp":"#]);
    push_json(frame, &timestamp);
    push(frame, [r#","payload":"#]);
}

/// What follows the metadata.
fn write_tail(frame: &mut Vec<u8>, correlation: Option<&MessageId>, ttl: Option<Duration>) {
    push(frame, [r#","correlationId":"#]);
    match correlation {
        Some(id) => push_text(frame, id.as_str()),
        None => push(frame, ["null"]),
    }
    match ttl {
        Some(ttl) => {
            push(frame, [r#","ttl":"#]);
            push_json(frame, &ttl.as_millis());
            push(frame, [r#","signature":null}"#]);
        }
        None => push(frame, [r#","ttl":null,"signature":null}"#]),
    }
}

pub(super) fn write_reply_payload(frame: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Connected(payload) => push_json(frame, payload),
        Reply::HeartbeatAck(payload) => push_json(frame, payload),
        Reply::Disconnected(payload) => push_json(frame, payload),
        Reply::Registered(payload) => push_json(frame, payload),
        Reply::Unregistered(payload) => push_json(frame, payload),
        Reply::Renewed(payload) => push_json(frame, payload),
        Reply::Recovered(payload) => push_json(frame, payload),
        Reply::Discovered(payload) => push_json(frame, payload),
        Reply::ActorList(payload) => push_json(frame, payload),
        Reply::DeliveryAck(ack) => write_delivery_ack(frame, ack),
        Reply::UnknownActor(payload) => push_json(frame, payload),
        Reply::BroadcastAck(payload) => push_json(frame, payload),
        Reply::Subscribed(payload) => push_json(frame, payload),
        Reply::Unsubscribed(payload) => push_json(frame, payload),
        Reply::Published(payload) => push_json(frame, payload),
        Reply::TokenRefreshed(payload) => push_json(frame, payload),
        Reply::QueueStats(payload) => push_json(frame, payload),
        Reply::Metrics(payload) => push_json(frame, payload),
        Reply::Error(refusal) => push_json(frame, &ErrorPayload::from(refusal.as_ref())),
    }
}

/// What serde would write, which looks for escapes in the keys as well: half of what the hub says is
/// this.
fn write_delivery_ack(frame: &mut Vec<u8>, ack: &DeliveryAck) {
    let DeliveryAck { message_id, delivered_at, status } = ack;
    push(frame, [r#"{"messageId":"#]);
    push_text(frame, message_id.as_str());
    push(frame, [r#","deliveredAt":"#]);
    push_json(frame, delivered_at);
    let status = match status {
        DeliveryStatus::Delivered => r#","status":"delivered"}"#,
        DeliveryStatus::Queued => r#","status":"queued"}"#,
        DeliveryStatus::Other => r#","status":"other"}"#,
    };
    push(frame, [status]);
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

pub(super) fn write_notice_payload(frame: &mut Vec<u8>, notice: &Notice) {
    match notice {
        Notice::Disconnect(payload) => push_json(frame, payload),
        Notice::Unregistered(payload) => push_json(frame, payload),
        Notice::Pause(payload) => push_json(frame, payload),
        Notice::Resume => push(frame, ["{}"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_its_library_writes_it() {
        let spread = |nth: u32| Uuid::from_u128(u128::from(nth) * 0x0123_4567_89ab_cdef_0f1e_2d3c);
        for id in (0..1_000).map(spread).chain([Uuid::max(), Uuid::from_u128(0x0f << 32)]) {
            assert_eq!(id_text(id), id.to_string().as_bytes());
        }
    }
}
