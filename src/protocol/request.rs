//! What a client may ask of the hub: one type a message (protocol, section 4), checked on arrival.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::RenewalToken;
use super::{
    ActorAddress, AuthToken, Discover, Json, ListActors, MessageId, Pattern, Recipient, Refusal,
    SubscriptionId, Topic,
};
use crate::time::Timestamp;

/// One frame from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// `{"type":"ping"}`, answered with `{"type":"pong"}`.
    Ping,
    /// An envelope; whoever watches the hub may keep it, too.
    Request(Arc<Request>),
}

/// An envelope from a client: its fields are valid, its payload is in `verb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: MessageId,
    /// Who the client says it is. A claim: see the acting identity (protocol, section 2).
    pub from: ActorAddress,
    pub to: ActorAddress,
    pub type_name: Cow<'static, str>,
    pub pattern: Pattern,
    /// The client's clock.
    pub timestamp: Timestamp,
    pub ttl: Option<Duration>,
    /// A JSON object.
    pub metadata: Json,
    pub frame_bytes: FrameBytes,
    /// What is asked for, or why the payload cannot be that.
    pub verb: Result<Verb, Refusal>,
}

impl Request {
    /// The longest trace id that comes back, in bytes.
    pub const TRACE_ID_BYTES_MAX: usize = 256;

    /// The metadata's `traceId`, if it is a string that is not too long (protocol, section 1).
    pub fn trace_id(&self) -> Option<Arc<str>> {
        if self.metadata == Json::EMPTY_OBJECT {
            return None;
        }
        let mut found = None;
        let read = self.metadata.each_entry(|key, value| {
            // A value may be six times as long as its text, all of it escapes, and two quotes.
            if key == "traceId" && value.len() <= 6 * Self::TRACE_ID_BYTES_MAX + 2 {
                found = serde_json::from_str::<String>(value).ok();
            }
        });
        read.ok()?;
        found.filter(|text| text.len() <= Self::TRACE_ID_BYTES_MAX).map(Arc::from)
    }
}

/// How many bytes the frame had that a request was read from; zero where it was read from none. A
/// note about the request and no part of it: any two notes are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameBytes(pub usize);

impl PartialEq for FrameBytes {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for FrameBytes {}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Verb {
    Connect(Connect),
    Heartbeat(Heartbeat),
    Disconnect(Disconnect),
    Register(Register),
    Unregister(Unregister),
    Renew(Renew),
    Discover(Discover),
    ListActors(ListActors),
    Send(Send),
    Broadcast(Broadcast),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Publish(Publish),
    /// How the session's own queue does.
    QueueStats,
    /// What the hub counted in the present minute.
    Metrics,
    RefreshToken(RefreshToken),
}

impl Verb {
    /// The envelope's `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Verb::Connect(_) => "hub:connect",
            Verb::Heartbeat(_) => "hub:heartbeat",
            Verb::Disconnect(_) => "hub:disconnect",
            Verb::Register(_) => "hub:register",
            Verb::Unregister(_) => "hub:unregister",
            Verb::Renew(_) => "hub:renew",
            Verb::Discover(_) => "hub:discover",
            Verb::ListActors(_) => "hub:list_actors",
            Verb::Send(_) => "hub:send",
            Verb::Broadcast(_) => "hub:broadcast",
            Verb::Subscribe(_) => "hub:subscribe",
            Verb::Unsubscribe(_) => "hub:unsubscribe",
            Verb::Publish(_) => "hub:publish",
            Verb::QueueStats => "hub:queue_stats",
            Verb::Metrics => "hub:metrics",
            Verb::RefreshToken(_) => "hub:refresh_token",
        }
    }

    /// The application's type and data, if it carries them to other actors.
    pub const fn carries_data(&self) -> Option<(&String, &Json)> {
        match self {
            Verb::Send(send) => Some((&send.kind, &send.data)),
            Verb::Broadcast(broadcast) => Some((&broadcast.kind, &broadcast.data)),
            Verb::Publish(publish) => Some((&publish.kind, &publish.data)),
            Verb::Connect(_)
            | Verb::Heartbeat(_)
            | Verb::Disconnect(_)
            | Verb::Register(_)
            | Verb::Unregister(_)
            | Verb::Renew(_)
            | Verb::Discover(_)
            | Verb::ListActors(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::QueueStats
            | Verb::Metrics
            | Verb::RefreshToken(_) => None,
        }
    }

    /// Whether it carries data to other actors.
    pub const fn is_delivery(&self) -> bool {
        self.carries_data().is_some()
    }

    /// Whether it is about the acting identity, which the session must have registered (protocol,
    /// section 2).
    pub const fn needs_identity(&self) -> bool {
        match self {
            Verb::Unregister(unregister) => unregister.actor_address.is_none(),
            Verb::Renew(renew) => renew.renewal_token.is_none(),
            Verb::Subscribe(_) | Verb::Unsubscribe(_) => true,
            verb => verb.is_delivery(),
        }
    }
}

/// Opens the session. Its fields travel in the envelope's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// What stands before its first `.` or `-` must be the hub's.
    pub protocol_version: String,
    /// At least one.
    pub capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<AuthToken>,
    /// A JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_metadata: Option<Json>,
}

/// A sign of life that wants an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// Echoed as it is.
    pub timestamp: Json,
}

/// The client leaves for good: its addresses are forgotten at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disconnect {
    pub reason: Option<String>,
}

/// Binds an address to the session, taking it over from another one if need be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    pub actor_address: ActorAddress,
    /// At least one.
    pub capabilities: Vec<String>,
    /// A JSON object.
    pub metadata: Json,
    /// 1 s to 3600 s.
    #[serde(rename = "ttlSeconds", serialize_with = "whole_seconds")]
    pub ttl: Duration,
    /// Whether each heartbeat of the session renews. Travels in either metadata.
    #[serde(skip)]
    pub renew_on_heartbeat: bool,
}

impl Register {
    /// The time to live of a registration that names none.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(300);
    /// The metadata's key for [`Register::renew_on_heartbeat`].
    pub const RENEW_ON_HEARTBEAT: &str = "renewOnHeartbeat";
    /// The longest time to live; a longer one is cut to it.
    pub const TTL_MAX: Duration = Duration::from_secs(3600);
}

impl Register {
    /// Whether metadata, of the registration or of its envelope, want each heartbeat to renew.
    pub fn renews_on_heartbeat(metadata: &Json) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wish {
            renew_on_heartbeat: Json,
        }
        metadata.to::<Wish>().is_ok_and(|wish| wish.renew_on_heartbeat.as_str() == "true")
    }
}

fn whole_seconds<S: serde::Serializer>(ttl: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(ttl.as_secs())
}

/// Gives an address back, or the acting identity where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unregister {
    pub actor_address: Option<ActorAddress>,
}

/// Extends a registration by its own time to live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Renew {
    /// The current token of the address; without one, the owner renews its acting identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal_token: Option<RenewalToken>,
}

/// Carries application data to one actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Send {
    pub to: Recipient,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Json,
}

/// Carries application data to all registered actors, one copy an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broadcast {
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Json,
    /// Whether the acting identity gets no copy.
    pub exclude_self: bool,
    /// Only to actors that registered with it. Travels in the envelope's metadata.
    #[serde(skip)]
    pub target_capability: Option<String>,
}

impl Broadcast {
    /// A broadcast to everyone, its sender included.
    pub fn new(kind: impl Into<String>, data: Json) -> Self {
        Self { kind: kind.into(), data, exclude_self: false, target_capability: None }
    }
}

/// Subscribes the acting identity to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscribe {
    pub topic: Topic,
    /// Accepted, reserved.
    pub durable: bool,
}

/// Ends one subscription of the acting identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unsubscribe {
    pub subscription: Subscription,
}

/// How a client names a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subscription {
    Topic(Topic),
    #[serde(rename = "subscriptionId")]
    Id(SubscriptionId),
}

/// Carries application data to all subscribers of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Publish {
    pub topic: Topic,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Json,
}

/// Shows a newer token of the same principal, before the present one expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefreshToken {
    pub token: AuthToken,
}
