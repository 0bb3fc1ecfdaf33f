//! What a client tells its user unasked. Each variant carries what its doc says, nothing else.

use std::time::Duration;

use crate::protocol::{
    ActorAddress, Json, MessageId, Refusal, RenewalToken, Route, SessionId, Topic, UnregisterReason,
};
use crate::time::Timestamp;

/// Something happened to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The hub accepted `hub:connect`. Addresses are not registered yet.
    Connected {
        session: SessionId,
        /// The token's address where the hub demands tokens.
        identity: Option<ActorAddress>,
    },
    /// The address belongs to this client's session from now on.
    Registered {
        address: ActorAddress,
        /// Grows with each registration of the address, whoever made it.
        version: u64,
        /// The address was detached and got its subscriptions back.
        resumed: bool,
        /// What the hub knew the address to be subscribed to. Wanted topics that are missing are
        /// being subscribed to, topics no longer wanted are being given up.
        subscriptions: Vec<Topic>,
        /// The hub's clock.
        expires_at: Timestamp,
        renewal_token: RenewalToken,
    },
    /// The registration lives longer.
    Renewed { address: ActorAddress, expires_at: Timestamp, renewal_token: RenewalToken },
    /// The hub will not have the address; with `retry_in` the client asks again, else it is no
    /// longer wanted.
    RegistrationRefused { address: ActorAddress, refusal: Box<Refusal>, retry_in: Option<Duration> },
    /// The hub will not restore a subscription; the topic is no longer wanted.
    SubscriptionRefused { address: ActorAddress, topic: Topic, refusal: Box<Refusal> },
    /// An application message for one of the client's addresses.
    Delivered(Box<Message>),
    /// The hub took the address from this session, which lives on. One that expired is registered
    /// again; any other is no longer wanted.
    Unregistered { address: ActorAddress, reason: UnregisterReason },
    /// `hub:pause`: what this client sends piles up; it had better send nothing until
    /// [`Event::Resumed`]. Nothing is held back here.
    Paused {
        /// `slow_consumer`.
        reason: String,
        /// Who reads too slowly.
        address: ActorAddress,
        /// Messages that wait for its session.
        queue_depth: usize,
    },
    /// `hub:resume`: the cause of the latest [`Event::Paused`] is gone. It names nobody.
    Resumed,
    /// `hub:error` that answers no ask under way: to a tell, to an ask that timed out, or to a
    /// frame that bore no id.
    HubError { correlation: Option<MessageId>, refusal: Box<Refusal> },
    /// `hub:disconnect` from the hub: it is about to close the session.
    CloseAnnounced { reason: String, message: String },
    /// A `hub:*` message that this client does not know: its type and its payload.
    Unknown { kind: String, payload: Json },
    /// A frame that is no message of a hub, and why.
    Invalid { why: String },
    /// The session is over; with `retry_in` the client comes back, else [`Event::Ended`] follows.
    Disconnected { session: SessionId, why: Loss, retry_in: Option<Duration> },
    /// An attempt to open a session failed; `retry_in` as above.
    ConnectFailed { why: Loss, retry_in: Option<Duration> },
    /// The last event: this client connects no more.
    Ended { why: Ending },
}

/// An application message as the hub delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Fresh for each recipient.
    pub id: MessageId,
    /// The sender.
    pub from: ActorAddress,
    /// Which of the client's addresses it is for.
    pub to: ActorAddress,
    /// The application's type.
    pub kind: String,
    /// The sender's `data`, never the envelope around it.
    pub payload: Json,
    /// A JSON object, the hub's keys included.
    pub metadata: Json,
    pub route: Route,
    /// The id of the request that carried it.
    pub origin: Option<MessageId>,
    /// When the hub delivered it, by the hub's clock.
    pub timestamp: Timestamp,
    pub ttl: Option<Duration>,
}

/// Why a transport is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No WebSocket came about: refused, unreachable, or not a hub.
    #[error("cannot connect: {0}")]
    ConnectFailed(String),
    /// The hub's close frame (protocol, section 3).
    #[error("closed by the hub: {} {reason}", code.map_or_else(|| "no code".to_owned(), |code| code.to_string()))]
    Closed { code: Option<u16>, reason: String },
    /// The stream broke or ended without a close frame.
    #[error("connection broken: {0}")]
    Broken(String),
    /// No frame came for `silence_timeout`.
    #[error("the hub is silent")]
    Silent,
    /// No transport, or no answer to `hub:connect` or `hub:disconnect`, in time.
    #[error("the hub does not answer")]
    NoAnswer,
    /// The hub refused `hub:connect`.
    #[error("the hub refused: {0}")]
    Refused(Box<Refusal>),
    /// The client's own user wanted it gone.
    #[error("the client gave it up")]
    Dropped,
}

/// Why a client connects no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// `disconnect` was called.
    #[error("disconnected on request")]
    Requested,
    /// Nobody holds a handle any more.
    #[error("abandoned by its user")]
    Stopped,
    /// Another session took the client's last address over (close code 4003).
    #[error("duplicate_connection: another session took over")]
    DuplicateConnection,
    /// The hub wants another token (close code 4001).
    #[error("unauthorized: the hub wants another token")]
    Unauthorized,
    /// The hub speaks another protocol (close code 4002).
    #[error("version mismatch: the hub speaks another protocol")]
    VersionMismatch,
    /// The hub cannot read what this client writes (close code 1008).
    #[error("the hub cannot read what this client writes")]
    TooManyMalformed,
}
