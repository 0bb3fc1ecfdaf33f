//! What a user can want of a client, and how each wish ends: exactly once.

use std::time::Duration;

use super::ActorConfig;
use crate::protocol::{
    ActorAddress, DeliveryAck, Json, MessageId, Pattern, Refusal, Reply, Topic, UnknownActor, Verb,
};

/// Names a command from its issue to its end. Ids ascend in the order of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a user can want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Write one request, once.
    Request(Box<RequestCommand>),
    /// Want the address, or want it differently. Ends with the hub's answer.
    Register(ActorConfig),
    /// Want the address no more.
    Unregister(ActorAddress),
    /// Want the topic: by this address, or by the client's first one. Ends with the hub's answer;
    /// the topic stays wanted whatever becomes of it, unless the hub refuses.
    Subscribe { address: Option<ActorAddress>, topic: Topic },
    /// Want the topic no more.
    Unsubscribe { address: Option<ActorAddress>, topic: Topic },
    /// Take leave of the hub and end.
    Disconnect { reason: Option<String> },
}

/// One request to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCommand {
    /// One of the client's addresses: the request waits until that is registered. Another one: it
    /// waits for a session, and the hub judges. None: the client's first address.
    pub from: Option<ActorAddress>,
    /// None: the hub.
    pub to: Option<ActorAddress>,
    pub pattern: Pattern,
    pub verb: Verb,
    /// A JSON object.
    pub metadata: Json,
    /// How long the message is worth delivering, from now.
    pub ttl: Option<Duration>,
    /// The id of an earlier ask, to ask the same again: for a while the hub delivers it no second
    /// time and answers what it answered, or would have. None: a fresh one.
    pub id: Option<MessageId>,
}

impl RequestCommand {
    /// A request to the hub from the client's first address.
    pub fn new(pattern: Pattern, verb: Verb) -> Self {
        let metadata = Json::EMPTY_OBJECT;
        Self { from: None, to: None, pattern, verb, metadata, ttl: None, id: None }
    }
}

/// How a command ends well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A tell is on its way; nobody will say what became of it.
    Sent,
    /// The hub's reply to an ask; never [`Reply::Error`].
    Replied(Box<Reply>),
    /// The address is registered; [`Event::Registered`](super::Event::Registered) tells more.
    Registered,
    /// There was nothing to ask the hub for: the address is not registered by this session.
    NotNeeded,
    /// The client has ended. Unacknowledged, the hub may keep its addresses for a while.
    Disconnected { acknowledged: bool },
}

/// How a command ends badly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// It waited for a connection until its time was over. The hub has not seen it.
    #[error("not sent: no connection in time")]
    NotSent,
    /// Too many commands wait or are under way. The hub has not seen it.
    #[error("not sent: too many commands are waiting")]
    TooMany,
    /// The hub reads no frame of this size and would close the connection. It has not seen it.
    #[error("not sent: {bytes} bytes are more than the {max} that the hub reads")]
    TooLarge { bytes: usize, max: usize },
    /// An ask of the same id is under way. The hub has not seen this one.
    #[error("not sent: an ask of the same id is under way")]
    UnderWay,
    /// The client wants no such address, or none at all. The hub has not seen it.
    #[error("not sent: the client has no such address")]
    NoAddress,
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
    /// The hub replied with a message of another type, this one.
    #[error("unexpected reply: {0}")]
    Unexpected(&'static str),
}

/// What became of a message to one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// It was handed to the recipient's session.
    Delivered(DeliveryAck),
    /// Nobody is registered there.
    UnknownActor(UnknownActor),
}
