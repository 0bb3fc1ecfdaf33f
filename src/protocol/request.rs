//! What a client may ask of the hub: one type a message (protocol, section 4), checked on arrival.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::address::RenewalToken;
use super::{ActorAddress, Json, MessageId, Pattern, Refusal, SubscriptionId, Topic};
use crate::time::Timestamp;

/// One frame from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// `{"type":"ping"}`, answered with `{"type":"pong"}`.
    Ping,
    /// An envelope.
    Request(Box<Request>),
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
    /// What is asked for, or why the payload cannot be that.
    pub verb: Result<Verb, Refusal>,
}

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
    Send(Send),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Publish(Publish),
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
            Verb::Send(_) => "hub:send",
            Verb::Subscribe(_) => "hub:subscribe",
            Verb::Unsubscribe(_) => "hub:unsubscribe",
            Verb::Publish(_) => "hub:publish",
        }
    }
}

/// Opens the session. Its fields travel in the envelope's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connect {
    /// `major.minor.patch`; the major number must be the hub's.
    pub protocol_version: String,
    /// At least one.
    pub capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<String>,
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
}

impl Register {
    /// The time to live of a registration that names none.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(300);
    /// The longest time to live; a longer one is cut to it.
    pub const TTL_MAX: Duration = Duration::from_secs(3600);
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Send {
    pub to: ActorAddress,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Json,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publish {
    pub topic: Topic,
    /// The application's type; never `hub:*`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Json,
}
