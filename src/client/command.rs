//! What a user can order a client to do. Each command ends exactly once.

use std::time::Duration;

use super::ActorConfig;
use crate::protocol::{
    ActorAddress, DeliveryAck, Json, MessageId, Pattern, Refusal, Reply, Topic, UnknownActor, Verb,
};

/// The id of a command. Ids ascend in the order of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// An order to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Writes one request, once.
    Request(Box<RequestCommand>),
    /// Keeps the address registered from now on, with this configuration. Ends with the hub's
    /// answer.
    Register(ActorConfig),
    /// Gives the address up.
    Unregister(ActorAddress),
    /// Keeps the topic subscribed to from now on. Ends with the hub's answer; whatever that is, the
    /// topic stays wanted unless the hub refuses it.
    Subscribe {
        /// The subscriber; none: the client's first address.
        address: Option<ActorAddress>,
        /// The topic.
        topic: Topic,
    },
    /// Gives the topic up.
    Unsubscribe {
        /// The subscriber; none: the client's first address.
        address: Option<ActorAddress>,
        /// The topic.
        topic: Topic,
    },
    /// Says goodbye to the hub and ends the client.
    Disconnect {
        /// Free text, which the hub ignores.
        reason: Option<String>,
    },
}

/// One request to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCommand {
    /// The sender; none: the client's first address. The request waits until one of the client's
    /// own is registered; for any other it waits for a session, and the hub decides.
    pub from: Option<ActorAddress>,
    /// The recipient; none: the hub.
    pub to: Option<ActorAddress>,
    /// Whether to wait for a reply.
    pub pattern: Pattern,
    /// What to ask for.
    pub verb: Verb,
    /// A JSON object.
    pub metadata: Json,
    /// How long from now the message is worth delivering.
    pub ttl: Option<Duration>,
    /// The id of an earlier ask, to ask the same again: for a while the hub does not carry it out
    /// twice, and gives the first answer. None: a fresh id.
    pub id: Option<MessageId>,
}

impl RequestCommand {
    /// A request to the hub from the client's first address.
    pub fn new(pattern: Pattern, verb: Verb) -> Self {
        let metadata = Json::EMPTY_OBJECT;
        Self { from: None, to: None, pattern, verb, metadata, ttl: None, id: None }
    }
}

/// The result of a command that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A tell is on its way; the client does not learn what becomes of it.
    Sent,
    /// The hub's reply to an ask; never [`Reply::Error`].
    Replied(Box<Reply>),
    /// The address is registered; [`Event::Registered`](super::Event::Registered) tells more.
    Registered,
    /// There was nothing to ask the hub: this session has not registered the address.
    NotNeeded,
    /// The client has ended.
    Disconnected {
        /// Whether the hub confirmed it; if not, it may keep the addresses for a while.
        acknowledged: bool,
    },
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The hub said no; nothing changed.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// No reply came in time. Whether the hub acted is unknown.
    #[error("no reply in time; the outcome is unknown")]
    TimedOut,
    /// The connection was lost before the reply came. Whether the hub acted is unknown.
    #[error("connection lost before the reply; the outcome is unknown")]
    ConnectionLost,
    /// No connection came within `ask_timeout`. The hub has not seen it.
    #[error("not sent: no connection in time")]
    NotSent,
    /// Too many commands are waiting or under way. The hub has not seen it.
    #[error("not sent: too many commands are waiting")]
    TooMany,
    /// The hub would close the connection over a frame of this size. It has not seen it.
    #[error("not sent: {bytes} bytes are more than the {max} that the hub reads")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// The most that the hub reads.
        max: usize,
    },
    /// An ask with the same id is under way. The hub has not seen this one.
    #[error("not sent: an ask of the same id is under way")]
    UnderWay,
    /// The client has no such address, or none at all. The hub has not seen it.
    #[error("not sent: the client has no such address")]
    NoAddress,
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
    /// The hub replied with a message of this unexpected type.
    #[error("unexpected reply: {0}")]
    Unexpected(&'static str),
}

/// What became of a message to one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The hub has it: handed to the recipient's session, or kept for the recipient, as the ack's status says.
    Delivered(DeliveryAck),
    /// Nobody is registered there.
    UnknownActor(UnknownActor),
}
