//! What the hub says of its own accord or in reply: the payloads of its `hub:*` messages
//! (protocol, section 4), for the hub to write and for the client to read.

use serde::{Deserialize, Serialize};

use super::address::RenewalToken;
use super::{
    ActorAddress, ActorList, AuthToken, Discovered, Json, MessageId, Recipient, Refusal, SessionId,
    SubscriptionId, Topic,
};
use crate::time::Timestamp;

/// The answer to one request. Its envelope's `correlationId` is the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Connected(Connected),
    HeartbeatAck(HeartbeatAck),
    Disconnected(Disconnected),
    Registered(Registered),
    Unregistered(Unregistered),
    Renewed(Renewed),
    Discovered(Discovered),
    ActorList(ActorList),
    DeliveryAck(DeliveryAck),
    UnknownActor(UnknownActor),
    BroadcastAck(BroadcastAck),
    Subscribed(Subscribed),
    Unsubscribed(Unsubscribed),
    Published(Published),
    QueueStats(QueueStats),
    Metrics(Metrics),
    TokenRefreshed(TokenRefreshed),
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

    /// Whether it is a page of the directory.
    pub(super) const fn is_page(&self) -> bool {
        matches!(self, Reply::Discovered(_) | Reply::ActorList(_))
    }

    /// Bytes of what a client can make as long as it likes: what is echoed and what is listed.
    pub(super) fn data_len(&self) -> usize {
        /// What a topic in a list takes beside its text.
        const TOPIC: usize = 32;
        match self {
            Reply::HeartbeatAck(ack) => ack.timestamp.len(),
            Reply::Registered(registered) => {
                registered.subscriptions.iter().map(|topic| TOPIC + topic.as_str().len()).sum()
            }
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

/// What the hub says unasked; no `correlationId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `hub:disconnect`: the hub is about to close this session.
    Disconnect(DisconnectNotice),
    /// `hub:unregistered`: this session has the address no more, and lives on.
    Unregistered(UnregisteredNotice),
    /// `hub:pause`: this session feeds one that does not keep up.
    Pause(PauseNotice),
    /// `hub:resume`: the cause of the latest pause is gone.
    Resume,
}

impl Notice {
    /// The envelope's `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Notice::Disconnect(_) => "hub:disconnect",
            Notice::Unregistered(_) => "hub:unregistered",
            Notice::Pause(_) => "hub:pause",
            Notice::Resume => "hub:resume",
        }
    }
}

/// What the session has no more, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnregisteredNotice {
    pub actor_address: ActorAddress,
    pub reason: UnregisterReason,
}

/// Why the hub takes an address from a session that lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnregisterReason {
    /// Another session registered it.
    DuplicateConnection,
    /// The registration's time to live was over.
    Expired,
    /// The session's newer token does not allow it.
    TokenNarrowed,
    /// A newer hub's.
    #[serde(other)]
    Other,
}

/// Who does not keep up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseNotice {
    /// `slow_consumer`.
    pub reason: String,
    /// The recipient.
    pub actor_address: ActorAddress,
    /// Messages that wait for its session.
    pub queue_depth: usize,
}

impl PauseNotice {
    /// The reason of a recipient that reads too slowly.
    pub const SLOW_CONSUMER: &'static str = "slow_consumer";
}

/// Why the hub is about to close a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisconnectNotice {
    /// `duplicate_connection`, `server_shutdown`.
    pub reason: String,
    /// The same for a person.
    pub message: String,
}

impl DisconnectNotice {
    /// The reason of a takeover.
    pub const DUPLICATE_CONNECTION: &'static str = "duplicate_connection";
    /// The reason of the hub's end.
    pub const SERVER_SHUTDOWN: &'static str = "server_shutdown";
}

/// The session is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    pub session_id: SessionId,
    pub server_version: String,
    /// The hub's time when it answered; older hubs do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time: Option<Timestamp>,
    /// When the session ends unless its token is refreshed before; none with auth off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
    /// Bytes.
    pub max_message_size: usize,
    /// Milliseconds.
    pub heartbeat_interval: u64,
    pub capabilities: HubCapabilities,
    /// In the envelope's metadata: the token's address with auth on, else absent.
    #[serde(skip)]
    pub actor_identity: Option<ActorAddress>,
}

/// What the hub offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubCapabilities {
    pub max_actors_per_instance: usize,
    pub supports_backpressure: bool,
    pub supported_content_types: Vec<String>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatAck {
    /// The request's, or null.
    pub timestamp: Json,
    pub server_time: Timestamp,
}

/// The hub heard that the client leaves; close 1000 follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    pub acknowledged: bool,
}

/// The session owns the address from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    pub actor_address: ActorAddress,
    pub expires_at: Timestamp,
    pub renewal_token: RenewalToken,
    /// Grows with each registration and renewal while the hub knows the address.
    pub version: u64,
    /// The address was detached and got its subscriptions back.
    pub resumed: bool,
    /// The topics that the address is subscribed to, in order, as many as one message has room for.
    pub subscriptions: Vec<Topic>,
    /// How many there are in all, where not all of them are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_count: Option<usize>,
}

/// The address is free and forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unregistered {
    pub actor_address: ActorAddress,
    pub unregistered_at: Timestamp,
}

/// The registration lives longer; the old token is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewed {
    pub actor_address: ActorAddress,
    pub expires_at: Timestamp,
    pub renewal_token: RenewalToken,
}

/// The message was handed to the recipient's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAck {
    /// The request's id.
    pub message_id: MessageId,
    pub delivered_at: Timestamp,
    pub status: DeliveryStatus,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    Delivered,
}

/// Nobody is registered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownActor {
    /// As the sender wrote it; most often an address.
    pub actor_address: Recipient,
    pub message: String,
}

/// The broadcast was handed to so many actors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastAck {
    /// The request's id.
    pub message_id: MessageId,
    /// Copies handed to sessions.
    pub delivered_count: usize,
    /// Copies dropped because the recipient's queue is at its bound.
    pub failed_count: usize,
}

/// The acting identity is subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribed {
    pub topic: Topic,
    pub subscription_id: SubscriptionId,
}

/// The acting identity is no longer subscribed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsubscribed {
    pub topic: Topic,
    pub unsubscribed_at: Timestamp,
}

/// The publication was handed to so many sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub topic: Topic,
    /// Copies handed to sessions.
    pub subscriber_count: usize,
}

/// How the outgoing queue of the asking session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStats {
    /// Messages that wait to be written.
    pub queue_depth: usize,
    /// Messages that were written in the last whole second.
    pub processing_rate: u64,
    /// Messages beyond which those who feed the session are told to pause.
    pub pause_threshold: usize,
    /// Messages below which they are told to resume.
    pub resume_threshold: usize,
}

/// What the whole hub counted since `window_start`, the beginning of the present minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Frames from clients.
    pub messages_received: u64,
    /// Messages put into outgoing queues.
    pub messages_sent: u64,
    /// Requests refused and frames that were none.
    pub errors: u64,
    pub connections_opened: u64,
    pub connections_closed: u64,
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
    pub expires_at: Timestamp,
}
