//! The hub's state for readers: rows without secrets, all of them or only those that the last input
//! touched.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use siphasher::sip::SipHasher13;

use super::rows::Rows;
use super::state::Registration;
use super::{Deadline, Hub, Phase, SessionDeadlines, SessionKey};
use crate::protocol::{ActorAddress, Epoch, SessionId, Topic};
use crate::time::Timestamp;

/// Rows of the hub's state by key; `None`: the key has no row, or no longer has one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct View {
    /// Every session until its connection is gone.
    pub sessions: Rows<SessionKey, SessionRow>,
    /// Every address that the registry, a topic or a deadline has.
    pub addresses: Rows<ActorAddress, AddressRow>,
    /// Every topic with a subscriber.
    pub topics: Rows<Topic, TopicRow>,
    /// What is kept for every address that recovers.
    #[serde(skip_serializing_if = "Rows::is_empty")]
    pub logs: Rows<ActorAddress, LogRow>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// The id on the wire.
    pub id: SessionId,
    /// How far the session has come.
    pub phase: Phase,
    /// The addresses that it owns, in the order of registration.
    pub addresses: Arc<Vec<ActorAddress>>,
    /// What waits in its queue.
    pub queued: Queued,
    /// When it is closed, and why.
    pub deadlines: SessionDeadlines,
}

/// What waits to be written to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Queued {
    /// How many messages.
    pub messages: usize,
    /// What they weigh, in bytes.
    pub bytes: usize,
}

/// What the hub knows of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressRow {
    /// None if the registry does not know it; then it must have no topics and no deadline.
    pub registration: Option<OwnerRow>,
    /// The topics in the index by address.
    pub topics: BTreeSet<Topic>,
    /// When its deadline is due, if it has one.
    pub deadline: Option<Timestamp>,
}

/// One registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OwnerRow {
    /// The session that owns the address; none while it is detached.
    pub owner: Option<SessionKey>,
    /// Grows with each registration and renewal while the hub knows the address.
    pub version: u64,
    /// When it expires, or when the resume window ends.
    pub until: Timestamp,
    /// Bytes that it counts for in the hub's accounts.
    pub weight: usize,
    /// What of it a store keeps beside the version, in a number: the same for the same.
    #[serde(skip)]
    pub content: u64,
}

/// The log of a recovering address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogRow {
    /// The epoch of the numbers.
    pub epoch: Epoch,
    /// The latest number; zero: none yet.
    pub last: u64,
    /// The latest number that is lost; zero: none.
    pub floor: u64,
    /// Whether age took it, and not a bound.
    pub aged: bool,
    /// The next number to replay, if any waits.
    pub cursor: Option<u64>,
    /// Kept messages.
    pub messages: usize,
    /// What they weigh, in bytes.
    pub bytes: usize,
    /// When the oldest may be too old, if any can be given up.
    pub due: Option<Timestamp>,
}

/// The subscribers of one topic in the index by topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicRow {
    /// The addresses, in order.
    pub subscribers: BTreeSet<ActorAddress>,
    /// Those of them whose subscription outlives the resume window.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub durable: BTreeSet<ActorAddress>,
}

/// How many rows there are in every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Sessions.
    pub sessions: usize,
    /// Addresses, live or detached.
    pub addresses: usize,
    /// Topics with a subscriber.
    pub topics: usize,
    /// Deadlines that are armed.
    pub deadlines: usize,
    /// Renewal tokens.
    pub tokens: usize,
    /// Addresses of which only durable subscriptions are left.
    pub dormant: usize,
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages of {} bytes", self.messages, self.bytes)
    }
}

impl SessionRow {
    /// Changes the row as a standstill of the hub for `by` does.
    pub fn put_off(&mut self, by: Duration) {
        self.deadlines.put_off(by);
    }
}

impl AddressRow {
    /// Changes the row as a standstill of the hub for `by` does.
    pub fn put_off(&mut self, by: Duration) {
        let until = self.registration.as_mut().map(|registration| &mut registration.until);
        for at in until.into_iter().chain(self.deadline.as_mut()) {
            *at = *at + by;
        }
    }
}

impl LogRow {
    /// Changes the row as a standstill of the hub for `by` does.
    pub fn put_off(&mut self, by: Duration) {
        self.due = self.due.map(|at| at + by);
    }
}

impl Hub {
    /// All rows.
    pub fn view(&self) -> View {
        self.view_of_first(usize::MAX)
    }

    /// The first `rows_max` rows of every table, and the rows that they name.
    pub fn view_of_first(&self, rows_max: usize) -> View {
        let registered = self.registry.iter().map(|(address, _)| address).take(rows_max);
        let subscribed = self.topics.addresses().take(rows_max);
        let armed = || self.deadlines.iter().take(rows_max);
        self.rows(
            self.sessions.keys().into_iter().take(rows_max).chain(armed().filter_map(session_of)),
            registered.chain(subscribed).chain(armed().filter_map(address_of)).cloned(),
            self.topics.topics().take(rows_max).cloned(),
            self.logs.addresses().take(rows_max).chain(armed().filter_map(log_of)).cloned(),
        )
    }

    /// The rows that the last input touched, in their present state.
    pub fn touched(&self) -> View {
        let armed = || self.deadlines.touched.iter();
        let subscribed = self.topics.touched.iter();
        let addresses = self.registry.touched.iter().chain(armed().filter_map(address_of));
        self.rows(
            self.sessions.touched.iter().copied().chain(armed().filter_map(session_of)),
            addresses.chain(subscribed.clone().map(|(address, _)| address)).cloned(),
            subscribed.map(|(_, topic)| topic.clone()),
            self.logs.touched.iter().chain(armed().filter_map(log_of)).cloned(),
        )
    }

    /// A quick look at whether anything is left (I34).
    pub fn sizes(&self) -> Sizes {
        Sizes {
            sessions: self.sessions.len(),
            addresses: self.registry.len(),
            topics: self.topics.len(),
            deadlines: self.deadlines.len(),
            tokens: self.registry.tokens(),
            dormant: self.registry.dormant(),
        }
    }

    /// The rows of these keys, which may repeat.
    fn rows(
        &self,
        sessions: impl Iterator<Item = SessionKey>,
        addresses: impl Iterator<Item = ActorAddress>,
        topics: impl Iterator<Item = Topic>,
        logs: impl Iterator<Item = ActorAddress>,
    ) -> View {
        View {
            sessions: Rows::of(sessions, |key| self.session_row(*key)),
            addresses: Rows::of(addresses, |address| self.address_row(address)),
            topics: Rows::of(topics, |topic| self.topic_row(topic)),
            logs: Rows::of(logs, |address| self.log_row(address)),
        }
    }

    fn session_row(&self, key: SessionKey) -> Option<SessionRow> {
        let session = self.sessions.get(key)?;
        Some(SessionRow {
            id: session.id,
            phase: session.phase,
            addresses: session.addresses.shown(),
            queued: Queued { messages: session.queue.messages, bytes: session.queue.bytes },
            deadlines: self.deadlines.of_session(key),
        })
    }

    fn topic_row(&self, topic: &Topic) -> Option<TopicRow> {
        let subscribers: BTreeSet<_> = self.topics.subscribers(topic).cloned().collect();
        let is_durable = |address: &&ActorAddress| {
            self.topics.subscription(address, topic).is_some_and(|known| known.durable)
        };
        let durable = subscribers.iter().filter(is_durable).cloned().collect();
        (!subscribers.is_empty()).then_some(TopicRow { subscribers, durable })
    }

    fn log_row(&self, address: &ActorAddress) -> Option<LogRow> {
        let log = self.logs.get(address)?;
        Some(LogRow {
            epoch: log.epoch,
            last: log.last,
            floor: log.floor(),
            aged: log.stored().aged,
            cursor: log.cursor(),
            messages: log.len(),
            bytes: log.bytes(),
            due: self.deadlines.of_log(address),
        })
    }

    fn address_row(&self, address: &ActorAddress) -> Option<AddressRow> {
        let registration = self.registry.get(address).map(|row| OwnerRow {
            owner: row.state.owner(),
            version: row.version,
            until: self.registry.until(row),
            weight: row.weight(address),
            content: content(row),
        });
        let topics: BTreeSet<_> = self.topics.of(address).cloned().collect();
        let deadline = self.deadlines.of_address(address);
        let known = registration.is_some() || !topics.is_empty() || deadline.is_some();
        known.then_some(AddressRow { registration, topics, deadline })
    }
}

/// Not its key's: a run's rows are those of any other.
fn content(row: &Registration) -> u64 {
    let mut hasher = SipHasher13::new();
    (&row.capabilities, &row.metadata, &row.principal).hash(&mut hasher);
    (row.peer, row.taken_over).hash(&mut hasher);
    hasher.finish()
}

fn session_of(deadline: &Deadline) -> Option<SessionKey> {
    match deadline {
        Deadline::Connect(key)
        | Deadline::Idle(key)
        | Deadline::SlowConsumer(key)
        | Deadline::Token(key) => Some(*key),
        Deadline::Address(_) | Deadline::Log(_) | Deadline::Dedupe => None,
    }
}

fn address_of(deadline: &Deadline) -> Option<&ActorAddress> {
    match deadline {
        Deadline::Address(address) => Some(address),
        Deadline::Connect(_)
        | Deadline::Idle(_)
        | Deadline::SlowConsumer(_)
        | Deadline::Token(_)
        | Deadline::Log(_)
        | Deadline::Dedupe => None,
    }
}

fn log_of(deadline: &Deadline) -> Option<&ActorAddress> {
    match deadline {
        Deadline::Log(address) => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::hub::{Config, Ids, StoredSubscription};
    use crate::protocol::SubscriptionId;

    fn hub() -> (Hub, ActorAddress) {
        let address = ActorAddress::parse("@(a)").expect("an address");
        (Hub::new(Config::default(), Ids::new([0; 32])), address)
    }

    /// A sound hub has neither, but a reader must see it if a broken one does.
    #[test]
    fn an_address_with_a_topic_or_a_deadline_alone_shows() {
        let (mut hub, address) = hub();
        assert_eq!(hub.address_row(&address), None);
        let topic = Topic::parse("news").expect("a topic");
        let (id, durable) = (SubscriptionId::new(Uuid::nil()), false);
        hub.topics.add(&address, Default::default(), &topic, StoredSubscription { id, durable });
        assert_eq!(hub.address_row(&address).map(|row| row.topics.len()), Some(1));
        assert!(hub.view().addresses.contains_key(&address), "by its topic alone");
        let (mut hub, address) = self::hub();
        let due = Timestamp::from_millis(9);
        hub.deadlines.arm(Deadline::Address(address.clone()), due);
        assert_eq!(hub.address_row(&address).and_then(|row| row.deadline), Some(due));
        assert!(hub.view().addresses.contains_key(&address), "by its deadline alone");
        assert!(hub.touched().addresses.contains_key(&address), "by its deadline alone");
    }

    #[test]
    fn a_session_with_a_deadline_alone_is_looked_for() {
        let (mut hub, _) = hub();
        hub.deadlines.arm(Deadline::Token(SessionKey(5)), Timestamp::from_millis(9));
        assert_eq!(hub.view().sessions.get(&SessionKey(5)), Some(&None));
        assert_eq!(hub.touched().sessions.get(&SessionKey(5)), Some(&None));
    }
}
