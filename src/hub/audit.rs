//! The audit records: every decision that a person would ask about, once (docs/OPERATIONS.md,
//! Audit). The simulator reads the same records as an operator.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::{CloseCause, SessionKey};
use crate::protocol::{
    ActorAddress, CloseReason, Epoch, ErrorCode, MessageId, Pattern, Recipient, SessionId,
    SubscriptionId, Topic, Unrecovered,
};
use crate::time::Timestamp;

/// One decision of the hub. It never contains a payload or a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Record {
    /// A connection was accepted.
    SessionOpened {
        /// The session.
        session: SessionKey,
        /// Its id on the wire.
        session_id: SessionId,
        /// The address that the connection comes from.
        peer: SocketAddr,
    },
    /// The session's `hub:connect` was accepted.
    SessionConnected {
        /// The session.
        session: SessionKey,
        /// Its id on the wire.
        session_id: SessionId,
        /// The claim `sub` of its token, if it showed one.
        #[serde(skip_serializing_if = "Option::is_none")]
        sub: Option<String>,
    },
    /// A session refreshed its token, which grants its rights from now on.
    TokenRefreshed {
        /// The session.
        session: SessionKey,
        /// Its id on the wire.
        session_id: SessionId,
        /// When the new token expires.
        expires_at: Timestamp,
    },
    /// A session registered an address.
    ActorRegistered {
        /// The address.
        actor_address: ActorAddress,
        /// The owner from now on.
        session: SessionKey,
        /// Its id on the wire.
        session_id: SessionId,
        /// The registration's version.
        version: u64,
        /// Whether the address was detached and got its subscriptions back.
        resumed: bool,
    },
    /// A registration was renewed.
    RegistrationRenewed {
        /// The address.
        actor_address: ActorAddress,
        /// The session that renewed it.
        session: SessionKey,
        /// The registration's version from now on.
        version: u64,
    },
    /// A session registered an address that another one had: a takeover.
    DuplicateConnectionDetected {
        /// The address.
        actor_address: ActorAddress,
        /// The owner until now.
        old_session: SessionKey,
        /// Its id on the wire.
        old_session_id: SessionId,
        /// The owner from now on.
        new_session: SessionKey,
        /// Its id on the wire.
        new_session_id: SessionId,
    },
    /// A session of another node registered an address that one of this node had: a takeover.
    ActorTakenElsewhere {
        /// The address.
        actor_address: ActorAddress,
        /// The owner until now.
        old_session: SessionKey,
        /// Its id on the wire.
        old_session_id: SessionId,
        /// The node that has it from now on, with its epoch: `hub-2/7`; none if it is nobody's by now.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A node of the cluster changed; of all but its own life this hub tells what it has seen.
    NodeChanged {
        /// The node, with its epoch: `hub-2/7`.
        node: String,
        /// What became of it.
        became: NodeChange,
    },
    /// An address subscribed to a topic.
    SubscriptionAdded {
        /// The subscriber.
        actor_address: ActorAddress,
        /// The topic.
        topic: Topic,
        /// The id of the subscription.
        subscription_id: SubscriptionId,
        /// Subscribers of the topic from now on.
        subscriber_count: usize,
    },
    /// A subscription ended.
    SubscriptionRemoved {
        /// The subscriber.
        actor_address: ActorAddress,
        /// The topic.
        topic: Topic,
        /// Subscribers of the topic from now on.
        subscriber_count: usize,
    },
    /// A copy was handed to its recipient's session.
    MessageDelivered {
        /// The acting identity of the sender.
        from: ActorAddress,
        /// The recipient.
        to: ActorAddress,
        /// The application's type.
        #[serde(rename = "type")]
        kind: Arc<str>,
        /// The id of the request that carried it.
        message: MessageId,
        /// The recipient's session.
        session: SessionKey,
    },
    /// A copy was kept for a recipient that recovers: it is away, or its queue is full.
    MessageQueued {
        /// The acting identity of the sender.
        from: ActorAddress,
        /// The recipient.
        to: ActorAddress,
        /// The application's type.
        #[serde(rename = "type")]
        kind: Arc<str>,
        /// The id of the request that carried it.
        message: MessageId,
        /// The number of the copy.
        seq: u64,
    },
    /// A registration that wishes to recover, or `hub:recover`, was answered.
    RecoveryAnswered {
        /// The recovering address.
        actor_address: ActorAddress,
        /// Its session.
        session: SessionKey,
        /// The epoch from now on.
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
        /// The number after which it goes on.
        after: u64,
        /// Whether everything after the asked position follows.
        recovered: bool,
        /// Messages that follow because of that.
        replayed: u64,
        /// Why nothing was recovered.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Unrecovered>,
    },
    /// A kept copy was handed to its recipient's session.
    MessageReplayed {
        /// The recipient.
        to: ActorAddress,
        /// The id of the request that carried it.
        message: MessageId,
        /// The recipient's session.
        session: SessionKey,
        /// The number of the copy.
        seq: u64,
    },
    /// A copy did not reach its recipient.
    MessageDropped {
        /// The recipient, as the sender wrote it.
        to: Recipient,
        /// The id of the request that carried it.
        message: MessageId,
        /// Why it was dropped.
        why: DropReason,
    },
    /// An ask was repeated and got its first outcome; nothing was delivered.
    RetryAnswered {
        /// The acting identity.
        actor_address: ActorAddress,
        /// The session that asked.
        session: SessionKey,
        /// The id of the ask.
        message: MessageId,
        /// The type of the ask.
        #[serde(rename = "type")]
        kind: &'static str,
    },
    /// A session was told to pause, because this recipient's queue is too deep.
    SenderPaused {
        /// The session that was told.
        session: SessionKey,
        /// The recipient with the deep queue.
        actor_address: ActorAddress,
        /// Messages in that queue.
        queue_depth: usize,
    },
    /// A session was told to resume.
    SenderResumed {
        /// The session that was told.
        session: SessionKey,
    },
    /// A session lost an address, whose subscriptions are kept for a while.
    ActorDetached {
        /// The address.
        actor_address: ActorAddress,
        /// The owner until now.
        session: SessionKey,
        /// Why the session lost it.
        why: EndReason,
    },
    /// A detached address was registered and got its subscriptions back.
    ActorResumed {
        /// The address.
        actor_address: ActorAddress,
        /// The owner from now on.
        session: SessionKey,
    },
    /// The hub forgot an address and its subscriptions.
    ActorForgotten {
        /// The address.
        actor_address: ActorAddress,
        /// Why it was forgotten.
        why: ForgetReason,
    },
    /// The resume window of an address ended; the hub keeps its durable subscriptions.
    ActorDormant {
        /// The address.
        actor_address: ActorAddress,
    },
    /// A request was refused.
    RequestRefused {
        /// The session that made it.
        session: SessionKey,
        /// Why it was refused.
        code: ErrorCode,
        /// The envelope's `type`.
        #[serde(rename = "type")]
        kind: Cow<'static, str>,
        /// Whether the sender waited for a reply.
        pattern: Pattern,
    },
    /// A session is over for the hub.
    SessionClosed {
        /// The session.
        session: SessionKey,
        /// Its id on the wire.
        session_id: SessionId,
        /// The close code that the hub gave, or would have given.
        code: u16,
        /// Why it ended.
        why: EndReason,
        /// The addresses that it owned.
        removed: Vec<ActorAddress>,
    },
}

/// Why a message did not reach a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The recipient's outgoing queue is full.
    QueueFull,
    /// Nobody is registered at the address.
    UnknownActor,
    /// The recipient is detached.
    Detached,
    /// The time to live ended before arrival, while it was kept, or in the recipient's queue. In the
    /// last case the message was recorded as delivered before.
    Expired,
    /// It was queued for the recipient, and gave way to newer ones.
    Overflow,
    /// It was queued for the recipient, which did not come back for it.
    Unclaimed,
    /// The recipient recovers, and the hub's store is full.
    StoreFull,
}

/// Why a session ended, or why it lost an address.
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

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeChange {
    /// A life of this node began.
    Began,
    /// This node serves its addresses.
    Serves,
    /// This node fenced itself: it does nothing for its addresses, for others may soon take it for dead.
    Fenced,
    /// This node's row is of a release that this one cannot read: it does not serve.
    Unreadable,
    /// Another hub runs under this node's name, and this one ends.
    Superseded,
    /// The engine lost rows; this node claims what its sessions have again.
    LostRows,
    /// Another node lives.
    Appeared,
    /// Another node left, or was silent and is declared dead.
    Died,
}

impl NodeChange {
    /// The same, for a person.
    pub fn word(self) -> &'static str {
        match self {
            Self::Began => "begins to live",
            Self::Serves => "serves",
            Self::Fenced => "is fenced",
            Self::Unreadable => "cannot read its row",
            Self::Superseded => "is superseded",
            Self::LostRows => "finds rows lost",
            Self::Appeared => "is there",
            Self::Died => "is gone",
        }
    }
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
    /// The full hub needed room for a new address, and this one was detached.
    Room,
    /// The actor that a token names registered it; another principal had it by a pattern.
    Claimed,
    /// The hub ended.
    Shutdown,
}
