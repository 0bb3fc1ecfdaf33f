//! What nodes tell each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::Revision;
use super::row::{Format, Incarnation, Place, read};
use crate::protocol::{ActorAddress, Delivery, Json, MessageId, Route};

/// The largest message between nodes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Comes first.
    #[serde(rename = "v")]
    pub format: Format,
    /// The sender.
    pub from: Place,
    /// Its process.
    pub incarnation: Incarnation,
    /// Grows with each message from this sender to this node.
    pub number: u64,
    /// What it says.
    pub body: MessageBody,
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageBody {
    /// Hand this to these addresses.
    Deliver {
        /// Names the answer.
        relay: u64,
        /// Each with the version of its registration, as the sender knows it.
        to: Vec<(ActorAddress, Revision)>,
        /// What they get.
        delivery: Box<Relayed>,
    },
    /// What became of it.
    Delivered {
        /// The delivery.
        relay: u64,
        /// The recipients, in their order.
        to: Vec<ActorAddress>,
        /// Recipient by recipient.
        fates: Vec<Fate>,
    },
}

/// What became of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It joined its recipient's queue.
    Delivered,
    /// It is kept for its recipient.
    Queued,
    /// The recipient's queue is full.
    QueueFull,
    /// The address is not there, or no longer.
    Stale,
}

/// Application data on its way to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relayed {
    from: ActorAddress,
    kind: String,
    payload: Json,
    metadata: Json,
    route: Route,
    origin: MessageId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl: Option<Duration>,
}

impl From<&Delivery> for Relayed {
    fn from(delivery: &Delivery) -> Self {
        Self {
            from: delivery.from.clone(),
            kind: delivery.kind.to_string(),
            payload: delivery.payload.clone(),
            metadata: delivery.metadata.clone(),
            route: delivery.route.clone(),
            origin: delivery.origin.clone(),
            ttl: delivery.ttl,
        }
    }
}

impl From<Relayed> for Arc<Delivery> {
    fn from(relayed: Relayed) -> Self {
        let Relayed { from, kind, payload, metadata, route, origin, ttl } = relayed;
        Arc::new(Delivery::new(from, kind, payload, metadata, route, origin, ttl))
    }
}

impl Message {
    /// The text of the message.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("messages are JSON").into()
    }

    /// Reads it, or says what is wrong.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        read(text, MESSAGE_BYTES_MAX)
    }
}
