//! What the hub sends: one envelope a message, whose shared part is built once however many
//! sessions get it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::json::text_len;
use super::{ActorAddress, Json, MessageId, Notice, Reply, Topic};
use crate::time::Timestamp;

/// Whether the sender waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    Tell,
    Ask,
}

impl Pattern {
    /// The pattern as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pattern::Tell => "tell",
            Pattern::Ask => "ask",
        }
    }
}

/// One message from the hub to one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub id: Uuid,
    pub to: ActorAddress,
    /// The hub's clock.
    pub timestamp: Timestamp,
    pub body: Body,
}

/// What a message from the hub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The text frame `{"type":"pong"}`, no envelope.
    Pong,
    /// The answer to the request `correlation`, or to a frame that bore no id.
    Reply {
        correlation: Option<MessageId>,
        /// What the request bore in its metadata, for its sender to find the answer by.
        trace_id: Option<Arc<str>>,
        reply: Box<Reply>,
    },
    Notice(Notice),
    Delivery(Arc<Delivery>),
}

/// Application data on its way to one or many recipients.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The acting identity of the sender.
    pub from: ActorAddress,
    /// The application's type, shared with the records of its copies.
    pub kind: Arc<str>,
    pub payload: Json,
    /// A JSON object, the hub's keys included.
    pub metadata: Json,
    pub route: Route,
    /// The id of the request that carried it.
    pub origin: MessageId,
    pub ttl: Option<Duration>,
    /// The encoded text behind `id` and `to`, written by the first session that needs it.
    pub(super) shared: OnceLock<String>,
}

impl Delivery {
    /// A delivery that no session has encoded yet.
    pub fn new(
        from: ActorAddress,
        kind: impl Into<Arc<str>>,
        payload: Json,
        metadata: Json,
        route: Route,
        origin: MessageId,
        ttl: Option<Duration>,
    ) -> Self {
        let (kind, shared) = (kind.into(), OnceLock::new());
        Self { from, kind, payload, metadata, route, origin, ttl, shared }
    }
}

/// Two deliveries are equal if they say the same, whether encoded yet or not.
impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        (&self.from, &self.kind, &self.payload, &self.metadata)
            == (&other.from, &other.kind, &other.payload, &other.metadata)
            && (&self.route, &self.origin, self.ttl) == (&other.route, &other.origin, other.ttl)
    }
}

impl Eq for Delivery {}

/// How a delivery came to its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// By `hub:send`, to this address.
    Send,
    /// By `hub:publish`, as a subscriber of the topic.
    Publication { topic: Topic },
    /// By `hub:broadcast`, as one of all.
    Broadcast,
}

impl Outgoing {
    /// What the message counts for in the bound of an outgoing queue, in bytes: whatever in it a
    /// client can make long, plus [`Outgoing::ENVELOPE_WEIGHT`].
    pub fn weight(&self) -> usize {
        match &self.body {
            Body::Pong => 0,
            Body::Reply { correlation, trace_id, reply } => {
                let data = reply.data_len();
                let correlation = correlation.as_ref().map_or(0, |id| text_len(id.as_str()));
                let trace_id = trace_id.as_ref().map_or(0, |id| text_len(id) + 12);
                // What may be as large as a message can be must not be any larger.
                let names = self.to.as_str().len() + correlation + trace_id;
                let names = if reply.is_page() { names } else { 0 };
                Self::ENVELOPE_WEIGHT + names + data
            }
            Body::Notice(_) => Self::ENVELOPE_WEIGHT,
            Body::Delivery(delivery) => {
                let data = delivery.payload.len() + delivery.metadata.len();
                Self::ENVELOPE_WEIGHT + delivery.kind.len() + data
            }
        }
    }

    /// Whether this is application data whose time to live was over before `now`. It runs from the
    /// message's arrival, which is when its copies were made.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        match &self.body {
            Body::Delivery(delivery) => delivery.ttl.is_some_and(|ttl| self.timestamp + ttl < now),
            Body::Pong | Body::Reply { .. } | Body::Notice(_) => false,
        }
    }

    /// What an envelope counts for beside its application data, in bytes.
    pub const ENVELOPE_WEIGHT: usize = 512;

    /// The envelope's `type`.
    pub fn type_name(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Pong => "pong".into(),
            Body::Reply { reply, .. } => reply.type_name().into(),
            Body::Notice(notice) => notice.type_name().into(),
            Body::Delivery(delivery) => delivery.kind.as_ref().into(),
        }
    }
}
