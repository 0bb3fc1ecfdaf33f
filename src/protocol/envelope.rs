//! What the hub sends: one envelope per message. The part that recipients share is built once.

use std::borrow::Cow;
use std::num::NonZeroU64;
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
    /// No reply, and no error either, with the exceptions of the protocol, section 4.
    Tell,
    /// Exactly one reply, while the session is up.
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
    /// A new UUID, which is no secret.
    pub id: Uuid,
    /// The recipient's address.
    pub to: ActorAddress,
    /// The hub's clock.
    pub timestamp: Timestamp,
    /// The number of application data among what a recovering address gets.
    pub seq: Option<NonZeroU64>,
    /// What the envelope carries.
    pub body: Body,
}

/// What a message from the hub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The text frame `{"type":"pong"}`, which is no envelope.
    Pong,
    /// The answer to a request, or to a frame that is none.
    Reply {
        /// The id of the request, where the frame had a valid one.
        correlation: Option<MessageId>,
        /// The `traceId` of the request's metadata, which comes back in the answer's.
        trace_id: Option<Arc<str>>,
        /// The payload.
        reply: Box<Reply>,
    },
    /// Something the hub says unasked.
    Notice(Notice),
    /// Application data; all recipients share it.
    Delivery(Arc<Delivery>),
}

/// Application data on its way to one or many recipients.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The acting identity of the sender.
    pub from: ActorAddress,
    /// The application's type; the audit records of its copies share it.
    pub kind: Arc<str>,
    /// The application's data.
    pub payload: Json,
    /// A JSON object that includes the hub's own keys.
    pub metadata: Json,
    /// How it came to its recipient.
    pub route: Route,
    /// The id of the request that carried it.
    pub origin: MessageId,
    /// How long after its arrival it may still be written; none: for ever.
    pub ttl: Option<Duration>,
    weight: usize,
    /// What many recipients share; written for the first.
    pub(super) shared: OnceLock<Shared>,
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
        let weight = Outgoing::ENVELOPE_WEIGHT + kind.len() + payload.len() + metadata.len();
        Self { from, kind, payload, metadata, route, origin, ttl, weight, shared }
    }

    /// What a copy weighs in a queue.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

/// The encoded text of a delivery after `id` and `to`.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub text: Box<[u8]>,
    /// Where the metadata ends, within its last brace.
    pub metadata_end: usize,
}

/// Two deliveries are equal if their fields are, whether or not they are encoded yet.
impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        (&self.from, &self.kind, &self.payload, &self.metadata)
            == (&other.from, &other.kind, &other.payload, &other.metadata)
            && (&self.route, &self.origin, self.ttl) == (&other.route, &other.origin, other.ttl)
    }
}

impl Eq for Delivery {}

/// How a delivery came to its recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// By `hub:send`, to this address.
    Send,
    /// By `hub:publish`, as a subscriber of the topic.
    Publication {
        /// The topic of the publication.
        topic: Topic,
    },
    /// By `hub:broadcast`, as one of all.
    Broadcast,
}

impl Outgoing {
    /// A message without a number.
    pub fn new(id: Uuid, to: ActorAddress, timestamp: Timestamp, body: Body) -> Self {
        Self { id, to, timestamp, seq: None, body }
    }

    /// The bytes that the message counts for in an outgoing queue: what a client can make long,
    /// plus [`Outgoing::ENVELOPE_WEIGHT`].
    pub fn weight(&self) -> usize {
        match &self.body {
            Body::Pong => 0,
            Body::Reply { correlation, trace_id, reply } => {
                let data = Self::ENVELOPE_WEIGHT + reply.data_len();
                if !reply.is_page() {
                    return data;
                }
                // A page may be as large as a message can be, so nothing beside it goes uncounted.
                let correlation = correlation.as_ref().map_or(0, |id| text_len(id.as_str()));
                let trace_id = trace_id.as_ref().map_or(0, |id| text_len(id) + 12);
                data + self.to.as_str().len() + correlation + trace_id
            }
            Body::Notice(_) => Self::ENVELOPE_WEIGHT,
            Body::Delivery(delivery) => delivery.weight(),
        }
    }

    /// Returns whether this is application data whose time to live ended before `now`. The time
    /// runs from the message's arrival, when its copies were made.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        match &self.body {
            Body::Delivery(delivery) => delivery.ttl.is_some_and(|ttl| self.timestamp + ttl < now),
            Body::Pong | Body::Reply { .. } | Body::Notice(_) => false,
        }
    }

    /// The bytes that an envelope counts for beside its application data.
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
