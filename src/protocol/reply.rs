//! What the hub replies: the payloads of its answers (protocol, section 4). The hub writes them and
//! the client reads them.

use serde::{Deserialize, Serialize};

use super::id::RenewalToken;
use super::{
    ActorAddress, ActorList, AuthToken, Discovered, Json, MessageId, Recipient, Recovered,
    Recovery, Refusal, SessionId, SubscriptionId, Topic,
};
use crate::time::Timestamp;

/// The answer to one request. Its envelope's `correlationId` is the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `hub:connected`.
    Connected(Connected),
    /// `hub:heartbeat_ack`.
    HeartbeatAck(HeartbeatAck),
    /// `hub:disconnect`.
    Disconnected(Disconnected),
    /// `hub:registered`.
    Registered(Registered),
    /// `hub:unregistered`.
    Unregistered(Unregistered),
    /// `hub:renewed`.
    Renewed(Renewed),
    /// `hub:recovered`.
    Recovered(Recovered),
    /// `hub:discovered`.
    Discovered(Discovered),
    /// `hub:actor_list`.
    ActorList(ActorList),
    /// `hub:delivery_ack`.
    DeliveryAck(DeliveryAck),
    /// `hub:unknown_actor`.
    UnknownActor(UnknownActor),
    /// `hub:broadcast_ack`.
    BroadcastAck(BroadcastAck),
    /// `hub:subscribed`.
    Subscribed(Subscribed),
    /// `hub:unsubscribed`.
    Unsubscribed(Unsubscribed),
    /// `hub:published`.
    Published(Published),
    /// `hub:queue_stats_response`.
    QueueStats(QueueStats),
    /// `hub:metrics_response`.
    Metrics(Metrics),
    /// `hub:token_refreshed`.
    TokenRefreshed(TokenRefreshed),
    /// `hub:error`.
    Error(Box<Refusal>),
}

impl Reply {
    /// The envelope's `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Reply::Connected(_) => "hub:connected",
            Reply::HeartbeatAck(_) => "hub:heartbeat_ack",
            Reply::Disconnected(_) => "hub:disconnect",
            Reply::Registered(_) => "hub:registered",
            Reply::Unregistered(_) => "hub:unregistered",
            Reply::Renewed(_) => "hub:renewed",
            Reply::Recovered(_) => "hub:recovered",
            Reply::Discovered(_) => "hub:discovered",
            Reply::ActorList(_) => "hub:actor_list",
            Reply::DeliveryAck(_) => "hub:delivery_ack",
            Reply::UnknownActor(_) => "hub:unknown_actor",
            Reply::BroadcastAck(_) => "hub:broadcast_ack",
            Reply::Subscribed(_) => "hub:subscribed",
            Reply::Unsubscribed(_) => "hub:unsubscribed",
            Reply::Published(_) => "hub:published",
            Reply::QueueStats(_) => "hub:queue_stats_response",
            Reply::Metrics(_) => "hub:metrics_response",
            Reply::TokenRefreshed(_) => "hub:token_refreshed",
            Reply::Error(_) => "hub:error",
        }
    }

    /// Returns whether it is a page of the directory.
    pub(super) const fn is_page(&self) -> bool {
        matches!(self, Reply::Discovered(_) | Reply::ActorList(_))
    }

    /// Bytes of the fields that a client can make long: what is echoed and what is listed.
    pub(super) fn data_len(&self) -> usize {
        /// Bytes of a topic in a list beside its text.
        const TOPIC: usize = 32;
        /// Bytes of the answer to a wish to recover.
        const RECOVERY: usize = 256;
        match self {
            Reply::HeartbeatAck(ack) => ack.timestamp.len(),
            Reply::Registered(registered) => {
                let topics = registered.subscriptions.iter();
                let listed: usize = topics.map(|topic| TOPIC + topic.as_str().len()).sum();
                listed + registered.recovery.as_ref().map_or(0, |_| RECOVERY)
            }
            Reply::Recovered(_) => RECOVERY,
            Reply::Discovered(discovered) => discovered.weight(),
            Reply::ActorList(list) => list.weight(),
            Reply::TokenRefreshed(refreshed) => refreshed.token.as_str().len(),
            Reply::Connected(_)
            | Reply::Disconnected(_)
            | Reply::Unregistered(_)
            | Reply::Renewed(_)
            | Reply::DeliveryAck(_)
            | Reply::UnknownActor(_)
            | Reply::BroadcastAck(_)
            | Reply::Subscribed(_)
            | Reply::Unsubscribed(_)
            | Reply::Published(_)
            | Reply::QueueStats(_)
            | Reply::Metrics(_)
            | Reply::Error(_) => 0,
        }
    }
}

/// The session is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    /// The id of the session.
    pub session_id: SessionId,
    /// The version of the program, not of the protocol.
    pub server_version: String,
    /// The hub's time when it answered; older hubs leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time: Option<Timestamp>,
    /// When the session ends unless its token is refreshed before; none with auth off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
    /// Bytes.
    pub max_message_size: usize,
    /// Milliseconds.
    pub heartbeat_interval: u64,
    /// What the hub offers.
    pub capabilities: HubCapabilities,
    /// The token's address, in the envelope's metadata; none with auth off.
    #[serde(skip)]
    pub actor_identity: Option<ActorAddress>,
}

/// What the hub offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubCapabilities {
    /// Registrations that the hub takes.
    pub max_actors_per_instance: usize,
    /// Whether the hub sends `hub:pause` and `hub:resume`.
    pub supports_backpressure: bool,
    /// Whether the hub keeps messages for those that recover; older hubs leave it out.
    #[serde(default)]
    pub supports_recovery: bool,
    /// Media types of payloads.
    pub supported_content_types: Vec<String>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatAck {
    /// The request's, or null.
    pub timestamp: Json,
    /// The hub's time when it answered.
    pub server_time: Timestamp,
}

/// The hub knows that the client leaves; close 1000 follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// Whether the hub acknowledged the goodbye: always true.
    pub acknowledged: bool,
}

/// The session owns the address from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The registered address.
    pub actor_address: ActorAddress,
    /// When the registration ends unless it is renewed.
    pub expires_at: Timestamp,
    /// Renews the registration.
    pub renewal_token: RenewalToken,
    /// Grows with each registration and renewal while the hub knows the address.
    pub version: u64,
    /// Whether the address was detached and got its subscriptions back.
    pub resumed: bool,
    /// The topics that the address is subscribed to, in order, as many as one message has room for.
    pub subscriptions: Vec<Topic>,
    /// How many there are in all, if not all are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_count: Option<usize>,
    /// The answer to the registration's wish to recover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// The address is free and forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unregistered {
    /// The freed address.
    pub actor_address: ActorAddress,
    /// The hub's time when it was freed.
    pub unregistered_at: Timestamp,
}

/// The registration lives longer; the old token is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewed {
    /// The renewed address.
    pub actor_address: ActorAddress,
    /// When the registration ends now.
    pub expires_at: Timestamp,
    /// Renews the registration next time.
    pub renewal_token: RenewalToken,
}

/// The message was handed to the recipient's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAck {
    /// The request's id.
    pub message_id: MessageId,
    /// The hub's time of the delivery.
    pub delivered_at: Timestamp,
    /// What became of the message.
    pub status: DeliveryStatus,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// The recipient's session has it.
    Delivered,
    /// The hub keeps it for the recipient, as long as the recovery window lasts; without a store, no
    /// longer than it runs.
    Queued,
    /// What only newer hubs do with a message.
    #[serde(other)]
    Other,
}

/// Nobody is registered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownActor {
    /// What the sender wrote; most often an address.
    pub actor_address: Recipient,
    /// The same for a person.
    pub message: String,
}

/// The broadcast was handed to the recipients' sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastAck {
    /// The request's id.
    pub message_id: MessageId,
    /// Copies handed to sessions.
    pub delivered_count: usize,
    /// Copies dropped because a recipient's queue or the store was full, or too large to be kept.
    pub failed_count: usize,
    /// Copies kept for recipients that are to recover them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queued_count: usize,
}

/// The acting identity is subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribed {
    /// The topic subscribed to.
    pub topic: Topic,
    /// Names the subscription in `hub:unsubscribe`.
    pub subscription_id: SubscriptionId,
    /// Whether it is durable; said only to who asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
}

/// The acting identity is no longer subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsubscribed {
    /// The request's topic, or the subscription's.
    pub topic: Topic,
    /// The hub's time when the subscription ended.
    pub unsubscribed_at: Timestamp,
}

/// The publication was handed to the subscribers' sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The request's topic.
    pub topic: Topic,
    /// Copies handed to sessions.
    pub subscriber_count: usize,
    /// Copies kept for subscribers that are to recover them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queued_count: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The state of the asking session's outgoing queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStats {
    /// Messages that wait.
    pub queue_depth: usize,
    /// Messages written in the last whole second.
    pub processing_rate: u64,
    /// Waiting messages above which senders are told to pause.
    pub pause_threshold: usize,
    /// Waiting messages below which senders are told to resume.
    pub resume_threshold: usize,
}

/// What the whole hub counted in the present minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Frames from clients.
    pub messages_received: u64,
    /// Messages put into outgoing queues.
    pub messages_sent: u64,
    /// Refused requests and frames that were no envelopes.
    pub errors: u64,
    /// Sessions opened.
    pub connections_opened: u64,
    /// Sessions closed.
    pub connections_closed: u64,
    /// When the counting began.
    #[serde(rename = "windowStart")]
    pub window_start: Timestamp,
    /// When the hub answered.
    pub timestamp: Timestamp,
}

/// The session lives as long as this token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRefreshed {
    /// The one that the client sent.
    pub token: AuthToken,
    /// When the session ends unless its token is refreshed again.
    pub expires_at: Timestamp,
}
