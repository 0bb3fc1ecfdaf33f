//! The audit records: every decision that a person would ask about, once (protocol, section 9).
//! The simulator reads the same records that an operator does.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::{CloseCause, SessionKey};
use crate::protocol::{
    ActorAddress, CloseReason, ErrorCode, MessageId, Pattern, Recipient, SessionId, SubscriptionId,
    Topic,
};
use crate::time::Timestamp;

/// One decision of the hub. Never holds a payload or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Record {
    SessionOpened {
        session: SessionKey,
        session_id: SessionId,
        /// Where the connection comes from.
        peer: SocketAddr,
    },
    SessionConnected {
        session: SessionKey,
        session_id: SessionId,
        /// The claim `sub` of its token, if it showed one.
        #[serde(skip_serializing_if = "Option::is_none")]
        sub: Option<String>,
    },
    /// From here on the session may do what its new token grants, until that expires.
    TokenRefreshed {
        session: SessionKey,
        session_id: SessionId,
        expires_at: Timestamp,
    },
    ActorRegistered {
        actor_address: ActorAddress,
        session: SessionKey,
        session_id: SessionId,
        version: u64,
        resumed: bool,
    },
    RegistrationRenewed {
        actor_address: ActorAddress,
        session: SessionKey,
        version: u64,
    },
    DuplicateConnectionDetected {
        actor_address: ActorAddress,
        old_session: SessionKey,
        old_session_id: SessionId,
        new_session: SessionKey,
        new_session_id: SessionId,
    },
    SubscriptionAdded {
        actor_address: ActorAddress,
        topic: Topic,
        subscription_id: SubscriptionId,
        subscriber_count: usize,
    },
    SubscriptionRemoved {
        actor_address: ActorAddress,
        topic: Topic,
        subscriber_count: usize,
    },
    /// `session` is the recipient's.
    MessageDelivered {
        from: ActorAddress,
        to: ActorAddress,
        #[serde(rename = "type")]
        kind: Arc<str>,
        message: MessageId,
        session: SessionKey,
    },
    MessageDropped {
        to: Recipient,
        message: MessageId,
        why: DropReason,
    },
    /// An ask came again and got its first outcome; nothing was delivered.
    RetryAnswered {
        actor_address: ActorAddress,
        session: SessionKey,
        message: MessageId,
        #[serde(rename = "type")]
        kind: String,
    },
    /// The session was told to pause: this recipient's queue is too deep.
    SenderPaused {
        session: SessionKey,
        actor_address: ActorAddress,
        queue_depth: usize,
    },
    /// The session was told to go on.
    SenderResumed {
        session: SessionKey,
    },
    ActorDetached {
        actor_address: ActorAddress,
        session: SessionKey,
        why: EndReason,
    },
    ActorResumed {
        actor_address: ActorAddress,
        session: SessionKey,
    },
    ActorForgotten {
        actor_address: ActorAddress,
        why: ForgetReason,
    },
    RequestRefused {
        session: SessionKey,
        code: ErrorCode,
        #[serde(rename = "type")]
        kind: String,
        pattern: Pattern,
    },
    /// The session counts for nothing from here on; `removed` are the addresses it owned.
    SessionClosed {
        session: SessionKey,
        session_id: SessionId,
        /// The close code that the hub gave or would have given.
        code: u16,
        why: EndReason,
        removed: Vec<ActorAddress>,
    },
}

/// Why a message did not reach a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The recipient's outgoing queue is at its bound.
    QueueFull,
    /// Nobody is registered at the address.
    UnknownActor,
    /// The recipient is detached.
    Detached,
    /// The time to live was over: on arrival, or in the recipient's queue. In the latter case the
    /// message was recorded as delivered before.
    Expired,
}

/// Why a session ended or an address left its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The hub closed the session.
    Closed(CloseReason),
    /// The connection ended.
    Connection(CloseCause),
    /// The registration's time to live was over.
    Expired,
    /// The session's newer token does not allow the address.
    TokenNarrowed,
}

/// Why the hub no longer knows an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgetReason {
    /// `hub:unregister`.
    Unregistered,
    /// `hub:disconnect`.
    Disconnected,
    /// The resume window ended, or is zero.
    ResumeWindowEnded,
    /// It gave way to a newcomer: it was detached, and the hub full.
    Room,
    /// Whom a token names registered it; it was another principal's by a pattern.
    Claimed,
    /// The hub ended.
    Shutdown,
}
