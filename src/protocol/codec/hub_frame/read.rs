//! The hub's frames as a client reads them.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::payloads::{ErrorPayload, ReplyMetadata};
use crate::protocol::{
    ActorAddress, Connected, Json, MessageId, Notice, Pattern, Reply, Route, Topic,
};
use crate::time::Timestamp;

/// One frame from the hub, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubFrame {
    /// The answer to a ping.
    Pong,
    /// An envelope.
    Message(Box<HubMessage>),
}

/// One envelope from the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubMessage {
    /// The hub's id of the envelope.
    pub id: MessageId,
    /// The hub, or the sender of application data.
    pub from: ActorAddress,
    /// The address that it was sent to.
    pub to: ActorAddress,
    /// The hub's time.
    pub timestamp: Timestamp,
    /// How long the sender allowed for the delivery.
    pub ttl: Option<Duration>,
    /// A JSON object.
    pub metadata: Json,
    /// The number of application data, if its recipient recovers.
    pub seq: Option<NonZeroU64>,
    /// What the envelope carries.
    pub body: HubBody,
}

impl HubMessage {
    /// The envelope's `type`.
    pub fn type_name(&self) -> &str {
        match &self.body {
            HubBody::Reply { reply, .. } => reply.type_name(),
            HubBody::Notice(notice) => notice.type_name(),
            HubBody::Delivery { kind, .. } | HubBody::Unknown { kind, .. } => kind,
        }
    }
}

/// What an envelope from the hub carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubBody {
    /// The answer to a request, or to a frame that had no valid id.
    Reply {
        /// The id of the request.
        correlation: Option<MessageId>,
        /// The payload.
        reply: Reply,
    },
    /// Something the hub says unasked.
    Notice(Notice),
    /// Application data.
    Delivery {
        /// The application's type.
        kind: String,
        /// The application's data.
        payload: Json,
        /// How it came here.
        route: Route,
        /// The id of the request that carried it.
        origin: Option<MessageId>,
    },
    /// A `hub:*` message that only newer hubs send.
    Unknown {
        /// The envelope's `type`.
        kind: String,
        /// The payload.
        payload: Json,
    },
}

/// A frame that no hub of this protocol sends.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHubFrame {
    /// Not JSON, or not the hub's envelope.
    #[error("not an envelope of the hub: {0}")]
    Envelope(serde_json::Error),
    /// A known type with a payload that is not its own.
    #[error("{kind} without the payload of its kind: {error}")]
    Payload {
        /// The envelope's `type`.
        kind: String,
        /// What is wrong with the payload.
        error: serde_json::Error,
    },
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
    let (body, seq) = decode_body(&envelope)
        .map_err(|error| InvalidHubFrame::Payload { kind: envelope.kind.clone(), error })?;
    Ok(HubFrame::Message(Box::new(HubMessage {
        id: envelope.id,
        from: envelope.from,
        to: envelope.to,
        timestamp: envelope.timestamp,
        ttl: envelope.ttl.map(Duration::from_millis),
        metadata: envelope.metadata,
        seq,
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

fn decode_body(envelope: &Envelope) -> Result<(HubBody, Option<NonZeroU64>), serde_json::Error> {
    if !envelope.kind.starts_with("hub:") {
        return decode_delivery(envelope);
    }
    let notice = match (envelope.kind.as_str(), &envelope.correlation_id) {
        ("hub:disconnect", None) => Some(Notice::Disconnect(read(&envelope.payload)?)),
        ("hub:unregistered", None) => Some(Notice::Unregistered(read(&envelope.payload)?)),
        ("hub:pause", None) => Some(Notice::Pause(read(&envelope.payload)?)),
        ("hub:resume", None) => Some(Notice::Resume),
        _ => None,
    };
    if let Some(notice) = notice {
        return Ok((HubBody::Notice(notice), None));
    }
    let body = match decode_reply(envelope)? {
        Some(reply) => HubBody::Reply { correlation: envelope.correlation_id.clone(), reply },
        None => HubBody::Unknown { kind: envelope.kind.clone(), payload: envelope.payload.clone() },
    };
    Ok((body, None))
}

fn decode_reply(envelope: &Envelope) -> Result<Option<Reply>, serde_json::Error> {
    let payload = &envelope.payload;
    Ok(Some(match envelope.kind.as_str() {
        "hub:connected" => {
            let metadata: ReplyMetadata<'_> = read(&envelope.metadata)?;
            let connected: Connected = read(payload)?;
            Reply::Connected(Connected { actor_identity: metadata.actor_identity, ..connected })
        }
        "hub:heartbeat_ack" => Reply::HeartbeatAck(read(payload)?),
        "hub:disconnect" => Reply::Disconnected(read(payload)?),
        "hub:registered" => Reply::Registered(read(payload)?),
        "hub:unregistered" => Reply::Unregistered(read(payload)?),
        "hub:renewed" => Reply::Renewed(read(payload)?),
        "hub:recovered" => Reply::Recovered(read(payload)?),
        "hub:discovered" => Reply::Discovered(read(payload)?),
        "hub:actor_list" => Reply::ActorList(read(payload)?),
        "hub:delivery_ack" => Reply::DeliveryAck(read(payload)?),
        "hub:unknown_actor" => Reply::UnknownActor(read(payload)?),
        "hub:broadcast_ack" => Reply::BroadcastAck(read(payload)?),
        "hub:subscribed" => Reply::Subscribed(read(payload)?),
        "hub:unsubscribed" => Reply::Unsubscribed(read(payload)?),
        "hub:published" => Reply::Published(read(payload)?),
        "hub:token_refreshed" => Reply::TokenRefreshed(read(payload)?),
        "hub:queue_stats_response" => Reply::QueueStats(read(payload)?),
        "hub:metrics_response" => Reply::Metrics(read(payload)?),
        "hub:error" => Reply::Error(Box::new(read::<ErrorPayload>(payload)?.into())),
        _ => return Ok(None),
    }))
}

/// The keys that tell the route and the number are the hub's: it drops a sender's values under them.
fn decode_delivery(
    envelope: &Envelope,
) -> Result<(HubBody, Option<NonZeroU64>), serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct HubKeys {
        topic: Option<Topic>,
        #[serde(default)]
        broadcast: bool,
        original_message_id: Option<MessageId>,
        seq: Option<NonZeroU64>,
    }
    let hub_keys: HubKeys = read(&envelope.metadata)?;
    let seq = hub_keys.seq;
    let route = match hub_keys {
        HubKeys { topic: Some(topic), .. } => Route::Publication { topic },
        HubKeys { topic: None, broadcast: true, .. } => Route::Broadcast,
        HubKeys { topic: None, broadcast: false, .. } => Route::Send,
    };
    let (kind, payload) = (envelope.kind.clone(), envelope.payload.clone());
    let origin = hub_keys.original_message_id;
    Ok((HubBody::Delivery { kind, payload, route, origin }, seq))
}

fn read<T: DeserializeOwned>(json: &Json) -> Result<T, serde_json::Error> {
    serde_json::from_str(json.as_str())
}
