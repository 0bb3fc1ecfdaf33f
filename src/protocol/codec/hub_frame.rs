//! What the hub sends: all eleven keys of the envelope, always.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::client_frame::quoted;
use crate::protocol::{
    ActorAddress, Body, Connected, Delivery, Details, DisconnectNotice, ErrorCode, Json, MessageId,
    Notice, Outgoing, Pattern, Refusal, Reply, Route, Topic,
};
use crate::time::Timestamp;

/// Writes one message as the text of a WebSocket frame; `hub` is the hub's own address.
pub fn encode_hub_frame(message: &Outgoing, hub: &ActorAddress) -> String {
    match &message.body {
        Body::Pong => r#"{"type":"pong"}"#.to_owned(),
        Body::Reply { correlation, reply } => {
            let payload = reply_payload(reply);
            let correlation = correlation.as_ref();
            encode_own(
                message,
                hub,
                reply.type_name(),
                correlation,
                &payload,
                &reply_metadata(reply),
            )
        }
        Body::Notice(notice) => {
            encode_own(message, hub, notice.type_name(), None, &notice_payload(notice), "{}")
        }
        Body::Delivery(delivery) => encode_delivery(message, delivery),
    }
}

fn encode_own(
    message: &Outgoing,
    hub: &ActorAddress,
    kind: &str,
    correlation: Option<&MessageId>,
    payload: &str,
    metadata: &str,
) -> String {
    let mut text = prefix(message, 256 + payload.len());
    write!(
        text,
        r#""from":"{hub}","type":"{kind}","pattern":"tell","timestamp":{},"payload":{payload},"metadata":{metadata},"correlationId":{},"ttl":null,"signature":null}}"#,
        message.timestamp,
        correlation.map_or_else(|| "null".to_owned(), |id| quoted(id.as_str())),
    )
    .expect("writing to a String cannot fail");
    text
}

fn encode_delivery(message: &Outgoing, delivery: &Delivery) -> String {
    // All copies of a delivery leave the hub at one moment, so its timestamp is shared too.
    let shared = delivery.shared.get_or_init(|| {
        format!(
            r#""from":"{}","type":{},"pattern":"tell","timestamp":{},"payload":{},"metadata":{},"correlationId":{},"ttl":{},"signature":null}}"#,
            delivery.from,
            quoted(&delivery.kind),
            message.timestamp,
            delivery.payload,
            delivery.metadata,
            match delivery.route {
                Route::Send => "null".to_owned(),
                Route::Publication { .. } => quoted(delivery.origin.as_str()),
            },
            milliseconds_or_null(delivery.ttl),
        )
    });
    let mut text = prefix(message, shared.len());
    text.push_str(shared);
    text
}

/// What differs from recipient to recipient.
fn prefix(message: &Outgoing, more: usize) -> String {
    let mut text = String::with_capacity(64 + message.to.as_str().len() + more);
    write!(text, r#"{{"id":"{}","to":"{}","#, message.id.hyphenated(), message.to)
        .expect("writing to a String cannot fail");
    text
}

pub(super) fn milliseconds_or_null(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "null".to_owned(), |duration| duration.as_millis().to_string())
}

fn to_json<T: Serialize>(payload: &T) -> String {
    serde_json::to_string(payload).expect("a payload has string keys and holds valid JSON")
}

fn reply_payload(reply: &Reply) -> String {
    match reply {
        Reply::Connected(payload) => to_json(payload),
        Reply::HeartbeatAck(payload) => to_json(payload),
        Reply::Disconnected(payload) => to_json(payload),
        Reply::Registered(payload) => to_json(payload),
        Reply::Unregistered(payload) => to_json(payload),
        Reply::Renewed(payload) => to_json(payload),
        Reply::DeliveryAck(payload) => to_json(payload),
        Reply::UnknownActor(payload) => to_json(payload),
        Reply::Subscribed(payload) => to_json(payload),
        Reply::Unsubscribed(payload) => to_json(payload),
        Reply::Published(payload) => to_json(payload),
        Reply::Error(refusal) => to_json(&ErrorPayload::from(refusal)),
    }
}

/// The SEAG client reads the outcome of a registration from the metadata.
fn reply_metadata(reply: &Reply) -> String {
    match reply {
        Reply::Connected(connected) => {
            to_json(&ConnectedMetadata { actor_identity: connected.actor_identity.clone() })
        }
        Reply::Registered(registered) => to_json(&serde_json::json!({
            "actorAddress": registered.actor_address,
            "expiresAt": registered.expires_at,
            "renewalToken": registered.renewal_token,
            "version": registered.version,
        })),
        _ => "{}".to_owned(),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectedMetadata {
    actor_identity: Option<ActorAddress>,
}

fn notice_payload(notice: &Notice) -> String {
    match notice {
        Notice::Disconnect(payload) => to_json(payload),
        Notice::TakenOver { actor_address } => to_json(&TakenOver {
            actor_address: actor_address.clone(),
            reason: DisconnectNotice::DUPLICATE_CONNECTION.to_owned(),
        }),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TakenOver {
    actor_address: ActorAddress,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct ErrorPayload {
    code: ErrorCode,
    message: String,
    resolution: String,
    details: serde_json::Value,
}

impl From<&Refusal> for ErrorPayload {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            message: refusal.message.to_string(),
            resolution: refusal.resolution.to_string(),
            details: details_json(&refusal.details),
        }
    }
}

fn details_json(details: &Details) -> serde_json::Value {
    match details {
        Details::None => serde_json::json!({}),
        Details::Field { field, expected, received } => {
            serde_json::json!({ "field": field, "expected": expected, "received": received })
        }
        Details::RetryAfter { wait, limit } => serde_json::json!({
            "retryAfterMs": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "retryAfter": wait.as_millis().div_ceil(1000) as u64,
            "limit": limit,
        }),
        Details::Size { actual, max } => {
            serde_json::json!({ "actualSize": actual, "maxSize": max })
        }
        Details::Limit { limit } => serde_json::json!({ "limit": limit }),
    }
}

/// One frame from the hub, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubFrame {
    Pong,
    Message(Box<HubMessage>),
}

/// One envelope from the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubMessage {
    pub id: MessageId,
    pub from: ActorAddress,
    pub to: ActorAddress,
    pub timestamp: Timestamp,
    pub ttl: Option<Duration>,
    /// A JSON object.
    pub metadata: Json,
    pub body: HubBody,
}

/// What an envelope from the hub carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubBody {
    /// The answer to the request `correlation`; without one, to a frame that bore no id.
    Reply {
        correlation: Option<MessageId>,
        reply: Reply,
    },
    Notice(Notice),
    /// Application data. `origin` is the id of the request that carried it.
    Delivery {
        kind: String,
        payload: Json,
        route: Route,
        origin: Option<MessageId>,
    },
    /// A `hub:*` message of a newer hub.
    Unknown {
        kind: String,
        payload: Json,
    },
}

/// A frame that no hub of this protocol sends.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHubFrame {
    #[error("not an envelope of the hub: {0}")]
    Envelope(serde_json::Error),
    #[error("{kind} without the payload of its kind: {error}")]
    Payload { kind: String, error: serde_json::Error },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    id: MessageId,
    from: ActorAddress,
    to: ActorAddress,
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "pattern")]
    _pattern: Pattern,
    timestamp: Timestamp,
    payload: Json,
    metadata: Json,
    correlation_id: Option<MessageId>,
    ttl: Option<u64>,
}

/// Reads one frame from the hub.
pub fn decode_hub_frame(frame: &Bytes) -> Result<HubFrame, InvalidHubFrame> {
    if is_pong(frame) {
        return Ok(HubFrame::Pong);
    }
    let envelope: Envelope = serde_json::from_slice(frame).map_err(InvalidHubFrame::Envelope)?;
    let body = decode_body(&envelope)
        .map_err(|error| InvalidHubFrame::Payload { kind: envelope.kind.clone(), error })?;
    Ok(HubFrame::Message(Box::new(HubMessage {
        id: envelope.id,
        from: envelope.from,
        to: envelope.to,
        timestamp: envelope.timestamp,
        ttl: envelope.ttl.map(Duration::from_millis),
        metadata: envelope.metadata,
        body,
    })))
}

fn is_pong(frame: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Only {
        #[serde(rename = "type")]
        kind: String,
        id: Option<serde::de::IgnoredAny>,
    }
    frame.len() < 64
        && serde_json::from_slice::<Only>(frame)
            .is_ok_and(|only| only.kind == "pong" && only.id.is_none())
}

fn decode_body(envelope: &Envelope) -> Result<HubBody, serde_json::Error> {
    if !envelope.kind.starts_with("hub:") {
        return decode_delivery(envelope);
    }
    let notice = match (envelope.kind.as_str(), &envelope.correlation_id) {
        ("hub:disconnect", None) => Some(Notice::Disconnect(read(&envelope.payload)?)),
        ("hub:unregistered", None) => {
            let taken: TakenOver = read(&envelope.payload)?;
            Some(Notice::TakenOver { actor_address: taken.actor_address })
        }
        _ => None,
    };
    if let Some(notice) = notice {
        return Ok(HubBody::Notice(notice));
    }
    Ok(match decode_reply(envelope)? {
        Some(reply) => HubBody::Reply { correlation: envelope.correlation_id.clone(), reply },
        None => HubBody::Unknown { kind: envelope.kind.clone(), payload: envelope.payload.clone() },
    })
}

fn decode_reply(envelope: &Envelope) -> Result<Option<Reply>, serde_json::Error> {
    let payload = &envelope.payload;
    Ok(Some(match envelope.kind.as_str() {
        "hub:connected" => {
            let metadata: ConnectedMetadata = read(&envelope.metadata)?;
            let connected: Connected = read(payload)?;
            Reply::Connected(Connected { actor_identity: metadata.actor_identity, ..connected })
        }
        "hub:heartbeat_ack" => Reply::HeartbeatAck(read(payload)?),
        "hub:disconnect" => Reply::Disconnected(read(payload)?),
        "hub:registered" => Reply::Registered(read(payload)?),
        "hub:unregistered" => Reply::Unregistered(read(payload)?),
        "hub:renewed" => Reply::Renewed(read(payload)?),
        "hub:delivery_ack" => Reply::DeliveryAck(read(payload)?),
        "hub:unknown_actor" => Reply::UnknownActor(read(payload)?),
        "hub:subscribed" => Reply::Subscribed(read(payload)?),
        "hub:unsubscribed" => Reply::Unsubscribed(read(payload)?),
        "hub:published" => Reply::Published(read(payload)?),
        "hub:error" => Reply::Error(read::<ErrorPayload>(payload)?.into()),
        _ => return Ok(None),
    }))
}

/// Beside the hub's keys a forwarded message bears its sender's: those decide nothing here.
fn decode_delivery(envelope: &Envelope) -> Result<HubBody, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Forwarded {
        #[serde(default)]
        forwarded: bool,
        original_message_id: Option<MessageId>,
    }
    #[derive(Deserialize)]
    struct Published {
        topic: Option<Topic>,
    }
    let metadata: Forwarded = read(&envelope.metadata)?;
    let topic = match metadata.forwarded {
        true => None,
        false => read::<Published>(&envelope.metadata)?.topic,
    };
    let (route, origin) = match topic {
        Some(topic) => (Route::Publication { topic }, envelope.correlation_id.clone()),
        None => (Route::Send, metadata.original_message_id),
    };
    let (kind, payload) = (envelope.kind.clone(), envelope.payload.clone());
    Ok(HubBody::Delivery { kind, payload, route, origin })
}

fn read<T: DeserializeOwned>(json: &Json) -> Result<T, serde_json::Error> {
    serde_json::from_str(json.as_str())
}

impl From<ErrorPayload> for Refusal {
    fn from(payload: ErrorPayload) -> Self {
        let details = read_details(&payload.details);
        Refusal {
            code: payload.code,
            message: payload.message.into(),
            resolution: payload.resolution.into(),
            details,
        }
    }
}

fn read_details(details: &serde_json::Value) -> Details {
    let number = |key: &str| details.get(key).and_then(serde_json::Value::as_u64);
    let text = |key: &str| details.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    if let (Some(field), Some(expected)) = (text("field"), text("expected")) {
        let received = text("received").unwrap_or_default();
        return Details::Field { field: field.into(), expected: expected.into(), received };
    }
    if let (Some(wait), Some(limit)) = (number("retryAfterMs"), number("limit")) {
        return Details::RetryAfter { wait: Duration::from_millis(wait), limit };
    }
    if let (Some(actual), Some(max)) = (number("actualSize"), number("maxSize")) {
        return Details::Size { actual: actual as usize, max: max as usize };
    }
    number("limit").map_or(Details::None, |limit| Details::Limit { limit: limit as usize })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;

    fn hub() -> ActorAddress {
        ActorAddress::parse("@(hub)").expect("an address")
    }

    fn outgoing(body: Body) -> Outgoing {
        let to = ActorAddress::parse("@(a)").expect("an address");
        Outgoing { id: Uuid::nil(), to, timestamp: Timestamp::from_millis(5), body }
    }

    fn round_trip(body: Body) -> HubBody {
        let text = encode_hub_frame(&outgoing(body), &hub());
        match decode_hub_frame(&Bytes::from(text)).expect("a frame of the hub") {
            HubFrame::Message(message) => message.body,
            HubFrame::Pong => panic!("not a pong"),
        }
    }

    #[test]
    fn every_message_bears_all_eleven_keys() {
        let notice = Notice::TakenOver { actor_address: hub() };
        let text = encode_hub_frame(&outgoing(Body::Notice(notice)), &hub());
        let envelope: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).expect("an object");
        let keys: Vec<&str> = envelope.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "correlationId",
                "from",
                "id",
                "metadata",
                "pattern",
                "payload",
                "signature",
                "timestamp",
                "to",
                "ttl",
                "type",
            ]
        );
        assert!(envelope["metadata"].is_object());
    }

    #[test]
    fn a_refusal_crosses_the_wire_with_its_details() {
        for refusal in [
            Refusal::missing("topic", "a topic"),
            Refusal::new(ErrorCode::BroadcastLimitExceeded, "m", "r"),
            Refusal::new(ErrorCode::RateLimited, "m", "r")
                .with(Details::RetryAfter { wait: Duration::from_millis(1), limit: 100 }),
            Refusal::new(ErrorCode::MessageTooLarge, "m", "r")
                .with(Details::Size { actual: 2, max: 1 }),
        ] {
            let reply = Reply::Error(refusal);
            let body = Body::Reply { correlation: None, reply: Box::new(reply.clone()) };
            assert_eq!(round_trip(body), HubBody::Reply { correlation: None, reply });
        }
    }

    #[test]
    fn a_publication_names_its_topic_and_its_origin() {
        let topic = Topic::parse("news").expect("a topic");
        let origin = MessageId::parse("m\"1").expect("an id");
        let payload = Json::parse(r#"{"b": 1.0}"#).expect("JSON");
        let metadata = Json::from(serde_json::json!({ "topic": "news", "publication": true }));
        let route = Route::Publication { topic };
        let delivery = Delivery::new(
            hub(),
            "t".into(),
            payload.clone(),
            metadata,
            route.clone(),
            origin.clone(),
            None,
        );
        assert_eq!(
            round_trip(Body::Delivery(Arc::new(delivery))),
            HubBody::Delivery { kind: "t".into(), payload, route, origin: Some(origin) }
        );
    }

    #[test]
    fn a_pong_is_no_envelope() {
        let text = encode_hub_frame(&outgoing(Body::Pong), &hub());
        assert_eq!(text, r#"{"type":"pong"}"#);
        assert_eq!(decode_hub_frame(&text.into()).ok(), Some(HubFrame::Pong));
    }
}
