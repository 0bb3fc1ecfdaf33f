//! What a client may ask of the hub: one type per message (protocol, section 4), checked on
//! arrival.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::RenewalToken;
use super::{
    ActorAddress, AuthToken, Discover, Json, ListActors, MessageId, Pattern, Recipient, Recover,
    RecoveryWish, Refusal, SubscriptionId, Topic,
};
use crate::time::Timestamp;

/// One frame from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// `{"type":"ping"}`, answered with `{"type":"pong"}`.
    Ping,
    /// An envelope, shared with the hub's observers.
    Request(Arc<Request>),
}

/// An envelope from a client; its fields are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The sender's choice; the reply's `correlationId`.
    pub id: MessageId,
    /// Who the client claims to be; for who acts see the protocol, section 2.
    pub from: ActorAddress,
    /// The hub, or the recipient of a `hub:send` whose payload names none.
    pub to: ActorAddress,
    /// The envelope's `type`, such as `hub:send`.
    pub type_name: Cow<'static, str>,
    /// Whether the sender waits for a reply.
    pub pattern: Pattern,
    /// The client's clock.
    pub timestamp: Timestamp,
    /// How long after `timestamp` the message may still be delivered; none: for ever.
    pub ttl: Option<Duration>,
    /// A JSON object.
    pub metadata: Json,
    /// The size of the frame.
    pub frame_bytes: FrameBytes,
    /// The payload, or what is wrong with it.
    pub verb: Result<Verb, Refusal>,
}

impl Request {
    /// The longest trace id that a reply repeats, in bytes.
    pub const TRACE_ID_BYTES_MAX: usize = 256;

    /// A request that does not expire and has no metadata.
    pub fn new(
        id: MessageId,
        from: ActorAddress,
        to: ActorAddress,
        pattern: Pattern,
        timestamp: Timestamp,
        verb: Verb,
    ) -> Self {
        Self {
            id,
            from,
            to,
            type_name: verb.type_name().into(),
            pattern,
            timestamp,
            ttl: None,
            metadata: Json::EMPTY_OBJECT,
            frame_bytes: FrameBytes::default(),
            verb: Ok(verb),
        }
    }

    /// The metadata's `traceId`, if it is a string within the bound (protocol, section 1).
    pub fn trace_id(&self) -> Option<Arc<str>> {
        if self.metadata == Json::EMPTY_OBJECT {
            return None;
        }
        let mut found = None;
        let read = self.metadata.each_entry(|key, value| {
            // In JSON a text may be six times as long, if all of it is escaped, plus two quotes.
            if key == "traceId" && value.len() <= 6 * Self::TRACE_ID_BYTES_MAX + 2 {
                found = serde_json::from_str::<String>(value).ok();
            }
        });
        read.ok()?;
        found.filter(|text| text.len() <= Self::TRACE_ID_BYTES_MAX).map(Arc::from)
    }
}

/// Bytes of the frame that a request was read from; zero if it was read from none. It is a note
/// about the request, not a part of it, so any two are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameBytes(pub usize);

impl PartialEq for FrameBytes {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for FrameBytes {}

/// What a request asks for; each variant is one message type (protocol, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Verb {
    /// `hub:connect`.
    Connect(Connect),
    /// `hub:heartbeat`.
    Heartbeat(Heartbeat),
    /// `hub:disconnect`.
    Disconnect(Disconnect),
    /// `hub:register`.
    Register(Register),
    /// `hub:unregister`.
    Unregister(Unregister),
    /// `hub:renew`.
    Renew(Renew),
    /// `hub:recover`.
    Recover(Recover),
    /// `hub:discover`.
    Discover(Discover),
    /// `hub:list_actors`.
    ListActors(ListActors),
    /// `hub:send`.
    Send(Send),
    /// `hub:broadcast`.
    Broadcast(Broadcast),
    /// `hub:subscribe`.
    Subscribe(Subscribe),
    /// `hub:unsubscribe`.
    Unsubscribe(Unsubscribe),
    /// `hub:publish`.
    Publish(Publish),
    /// `hub:queue_stats`: the state of the session's own queue.
    QueueStats,
    /// `hub:metrics`: what the hub counted in the present minute.
    Metrics,
    /// `hub:refresh_token`.
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
            Verb::Recover(_) => "hub:recover",
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
    pub const fn carries_data(&self) -> Option<(&Arc<str>, &Json)> {
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
            | Verb::Recover(_)
            | Verb::Discover(_)
            | Verb::ListActors(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::QueueStats
            | Verb::Metrics
            | Verb::RefreshToken(_) => None,
        }
    }

    /// Returns whether it carries data to other actors.
    pub const fn is_delivery(&self) -> bool {
        self.carries_data().is_some()
    }

    /// Returns whether it is about the acting identity, which the session must have registered
    /// (protocol, section 2).
    pub const fn needs_identity(&self) -> bool {
        match self {
            Verb::Unregister(unregister) => unregister.actor_address.is_none(),
            Verb::Renew(renew) => renew.renewal_token.is_none(),
            Verb::Recover(recover) => recover.actor_address.is_none(),
            Verb::Subscribe(_) | Verb::Unsubscribe(_) => true,
            verb => verb.is_delivery(),
        }
    }
}

/// Opens the session. Its fields travel in the envelope's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// Compatible if the part before its first `.` or `-` is the hub's.
    pub protocol_version: String,
    /// At least one.
    pub capabilities: Vec<String>,
    /// Required where the hub demands tokens.
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
    /// Free text, which the hub ignores.
    pub reason: Option<String>,
}

/// Binds an address to the session, and takes it over if another one has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// The address to bind.
    pub actor_address: ActorAddress,
    /// At least one.
    pub capabilities: Vec<String>,
    /// A JSON object.
    pub metadata: Json,
    /// 1 s to 3600 s.
    #[serde(rename = "ttlSeconds", serialize_with = "whole_seconds")]
    pub ttl: Duration,
    /// Whether each heartbeat of the session renews the registration. Travels in either metadata.
    #[serde(skip)]
    pub renew_on_heartbeat: bool,
    /// Whether messages are numbered and kept for when the address is away; none: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryWish>,
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
    /// Returns whether `metadata`, the registration's or its envelope's, wants heartbeats to renew.
    pub fn renews_on_heartbeat(metadata: &Json) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wish {
            renew_on_heartbeat: Json,
        }
        let is_empty = *metadata == Json::EMPTY_OBJECT;
        !is_empty
            && metadata.to::<Wish>().is_ok_and(|wish| wish.renew_on_heartbeat.as_str() == "true")
    }
}

fn whole_seconds<S: serde::Serializer>(ttl: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(ttl.as_secs())
}

/// Gives an address back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unregister {
    /// None: the acting identity.
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
    /// The recipient.
    pub to: Recipient,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The application's data.
    pub data: Json,
    /// Whether it may wait for a recipient that is away.
    #[serde(skip_serializing_if = "is_true")]
    pub queue: bool,
}

fn is_true(flag: &bool) -> bool {
    *flag
}

/// Carries application data to all registered actors, one copy per address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broadcast {
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The application's data.
    pub data: Json,
    /// Whether the acting identity gets no copy.
    pub exclude_self: bool,
    /// Only actors that registered with it get a copy. Travels in the envelope's metadata.
    #[serde(skip)]
    pub target_capability: Option<String>,
}

impl Broadcast {
    /// A broadcast to everyone, its sender included.
    pub fn new(kind: impl Into<Arc<str>>, data: Json) -> Self {
        Self { kind: kind.into(), data, exclude_self: false, target_capability: None }
    }
}

/// Subscribes the acting identity to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscribe {
    /// The topic to subscribe to.
    pub topic: Topic,
    /// Whether the subscription is to outlive the resume window and the hub, which takes a store.
    pub durable: bool,
}

/// Ends one subscription of the acting identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unsubscribe {
    /// The one to end.
    pub subscription: Subscription,
}

/// How a client names a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subscription {
    /// By its topic.
    Topic(Topic),
    /// By the id that `hub:subscribed` gave.
    #[serde(rename = "subscriptionId")]
    Id(SubscriptionId),
}

/// Carries application data to all subscribers of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Publish {
    /// The topic to publish on.
    pub topic: Topic,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The application's data.
    pub data: Json,
}

/// Presents a newer token of the same principal before the present one expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefreshToken {
    /// The new token.
    pub token: AuthToken,
}
