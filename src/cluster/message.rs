//! What nodes tell each other.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::Revision;
use super::row::{Format, Incarnation, Place, read};
use crate::protocol::{ActorAddress, Delivery, Epoch, Json, MessageId, Route};

/// The largest message between nodes, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a message between nodes has beside what a client sent: its recipients, and where it comes from.
pub const ENVELOPE_BYTES_MAX: usize = 512 * 1024;
/// The largest frame of a client that nodes pass on, in bytes.
pub const RELAYED_BYTES_MAX: usize = MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX;

/// One node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Comes first.
    #[serde(rename = "v")]
    pub format: Format,
    /// The sender.
    pub from: Place,
    /// Its process.
    pub incarnation: Incarnation,
    /// Grows with each message from this sender to this node.
    pub number: u64,
    /// What it says.
    pub body: MessageBody,
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageBody {
    /// Hand this to these addresses.
    Deliver {
        /// Names the answer.
        relay: u64,
        /// Each with the version of its registration, as the sender knows it.
        to: Vec<(ActorAddress, Revision)>,
        /// What they get.
        delivery: Box<Relayed>,
        /// Whether it may be kept for who is away.
        queue: bool,
    },
    /// What became of it.
    Delivered {
        /// The delivery.
        relay: u64,
        /// The recipients, in their order.
        to: Vec<ActorAddress>,
        /// Recipient by recipient.
        fates: Vec<Fate>,
    },
    /// The sender claimed an address that the recipient had: what was kept for it goes there, once the recipient sees
    /// that in the log.
    Fetch {
        /// The address.
        address: ActorAddress,
        /// The version at which the recipient had it.
        version: Revision,
        /// The version at which the sender has it.
        claimed: Revision,
    },
    /// A piece of what was kept; they come in order.
    Fetched {
        /// The address.
        address: ActorAddress,
        /// The version at which the recipient has it.
        claimed: Revision,
        /// How many pieces came before.
        part: u32,
        /// The next messages.
        messages: Vec<LoggedMessage>,
        /// Nothing comes after it; none: more does.
        end: Option<LogEnd>,
    },
    /// The sender ends in order. The recipient is to claim these addresses, detached, and to fetch what is kept for them.
    Adopt {
        /// Each with the version at which the sender has it.
        addresses: Vec<(ActorAddress, Revision)>,
    },
    /// The sender adopts nothing: it ends itself.
    AdoptsNothing,
}

/// A message that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedMessage {
    /// Its number.
    pub seq: NonZeroU64,
    /// For how long it was kept.
    pub age: Duration,
    /// The same without the time in which its node stood still.
    pub lived: Duration,
    /// Whether no session has got it yet.
    pub owed: bool,
    /// What was sent.
    pub delivery: Relayed,
}

/// Where a log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEnd {
    /// The log; none: nothing is kept for the address any longer.
    pub log: Option<LogHead>,
    /// The latest epoch that a takeover ended.
    pub taken_over: Option<Epoch>,
    /// Whether what was kept before is lost, so that the log began anew.
    pub lost: bool,
}

/// What a log is beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogHead {
    /// The epoch.
    pub epoch: Epoch,
    /// The latest number.
    pub last: u64,
    /// The latest number that is lost.
    pub floor: u64,
    /// Whether it was lost because it was too old.
    pub aged: bool,
}

/// What became of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It joined its recipient's queue.
    Delivered,
    /// It is kept for its recipient.
    Queued,
    /// The recipient's queue is full.
    QueueFull,
    /// The address is not there, or no longer.
    Stale,
}

/// Application data on its way to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relayed {
    from: ActorAddress,
    kind: String,
    payload: Json,
    metadata: Json,
    route: Route,
    origin: MessageId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ttl: Option<Duration>,
}

impl From<&Delivery> for Relayed {
    fn from(delivery: &Delivery) -> Self {
        Self {
            from: delivery.from.clone(),
            kind: delivery.kind.to_string(),
            payload: delivery.payload.clone(),
            metadata: delivery.metadata.clone(),
            route: delivery.route.clone(),
            origin: delivery.origin.clone(),
            ttl: delivery.ttl,
        }
    }
}

impl From<Relayed> for Arc<Delivery> {
    fn from(relayed: Relayed) -> Self {
        let Relayed { from, kind, payload, metadata, route, origin, ttl } = relayed;
        Arc::new(Delivery::new(from, kind, payload, metadata, route, origin, ttl))
    }
}

impl Message {
    /// The text of the message.
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("messages are JSON").into()
    }

    /// Reads it, or says what is wrong.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        read(text, MESSAGE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeEpoch;
    use crate::cluster::engine::NodeName;

    fn message(body: MessageBody) -> Message {
        let from = Place { node: NodeName::parse("a").expect("a name"), epoch: NodeEpoch(1) };
        Message { format: Format, from, incarnation: Incarnation(3), number: 7, body }
    }

    fn address() -> ActorAddress {
        ActorAddress::from_path("work/bob").expect("a path")
    }

    fn relayed() -> Relayed {
        Relayed {
            from: address(),
            kind: "chat".to_owned(),
            payload: Json::parse(r#"{"a": 1.50}"#).expect("JSON"),
            metadata: Json::EMPTY_OBJECT,
            route: Route::Send,
            origin: MessageId::from(uuid::Uuid::nil()),
            ttl: Some(Duration::from_secs(5)),
        }
    }

    fn bodies() -> [MessageBody; 6] {
        let (address, version, claimed) = (address(), Revision(3), Revision(5));
        let (age, lived) = (Duration::from_millis(1500), Duration::from_millis(1400));
        let seq = NonZeroU64::MIN;
        let kept = LoggedMessage { seq, age, lived, owed: true, delivery: relayed() };
        let head = LogHead { epoch: Epoch::new(uuid::Uuid::nil()), last: 9, floor: 0, aged: false };
        let end = Some(LogEnd { log: Some(head), taken_over: None, lost: false });
        let to = vec![(address.clone(), version)];
        let told = vec![address.clone()];
        [
            MessageBody::Delivered { relay: 1, to: told, fates: vec![Fate::Queued] },
            MessageBody::Fetch { address: address.clone(), version, claimed },
            MessageBody::Adopt { addresses: to.clone() },
            MessageBody::AdoptsNothing,
            MessageBody::Deliver { relay: 1, to, delivery: Box::new(relayed()), queue: false },
            MessageBody::Fetched { address, claimed, part: 2, messages: vec![kept], end },
        ]
    }

    #[test]
    fn messages_go_through_their_text_unaltered() {
        for body in bodies() {
            let message = message(body);
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn a_text_that_is_no_message_is_told() {
        for body in bodies() {
            let text = message(body).encode();
            for end in 0..text.len() {
                assert!(Message::decode(&text[..end]).is_err(), "cut at {end}");
            }
            for at in 0..text.len() {
                // Whatever a byte becomes, it is read or told.
                for byte in [0, b'"', b'9', b'-', 0xff] {
                    let mut other = text.to_vec();
                    other[at] = byte;
                    _ = Message::decode(&other);
                }
            }
        }
        let newer = br#"{"v":2,"from":{"node":"a","epoch":1},"number":1,"body":{}}"#;
        assert!(Message::decode(newer).expect_err("format 2").starts_with("it has format 2"));
    }
}
