//! The hub's state as others may read it: rows without secrets, all of them or only those that the
//! last input touched.

use std::collections::BTreeSet;

use serde::Serialize;

use super::rows::Rows;
use super::state::Standing;
use super::{Deadline, Hub, Phase, SessionKey};
use crate::protocol::{ActorAddress, SessionId, Topic};
use crate::time::Timestamp;

/// Rows of the hub's state by key. `None`: there is no such row (any more).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct View {
    pub sessions: Rows<SessionKey, SessionRow>,
    pub addresses: Rows<ActorAddress, AddressRow>,
    pub topics: Rows<Topic, TopicRow>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    pub id: SessionId,
    pub phase: Phase,
    /// What it owns, in the order of registration.
    pub addresses: Vec<ActorAddress>,
    /// Messages and bytes that wait to be written.
    pub queued: (usize, usize),
    /// Which deadlines are armed for it: connect, idle, slow consumer, token.
    pub deadlines: [Option<Timestamp>; 4],
}

/// What the hub knows of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressRow {
    /// Nothing if the registry does not know it: then it must have no topics and no deadline.
    pub registration: Option<OwnerRow>,
    /// As the index by address has them.
    pub topics: BTreeSet<Topic>,
    pub deadline: Option<Timestamp>,
}

/// One registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OwnerRow {
    /// The session that owns the address; none while it is detached.
    pub owner: Option<SessionKey>,
    pub version: u64,
    /// When it expires, or when the resume window ends.
    pub until: Timestamp,
}

/// The subscribers of one topic, as the index by topic has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicRow {
    pub subscribers: BTreeSet<ActorAddress>,
}

impl Hub {
    /// All rows.
    pub fn view(&self) -> View {
        self.view_of_first(usize::MAX)
    }

    /// The first `rows_max` rows of every table, and those that they name.
    pub fn view_of_first(&self, rows_max: usize) -> View {
        let registered = self.registry.iter().map(|(address, _)| address).take(rows_max);
        let subscribed = self.topics.addresses().take(rows_max);
        let armed = self.deadlines.iter().map(|(deadline, _)| deadline).take(rows_max);
        let mut keys = Keys {
            sessions: self.sessions.keys().into_iter().take(rows_max).collect(),
            addresses: registered.chain(subscribed).cloned().collect(),
            topics: self.topics.topics().take(rows_max).cloned().collect(),
        };
        keys.note_owners(armed);
        self.rows(keys)
    }

    /// The rows that the last input touched, as they are now.
    pub fn touched(&self) -> View {
        let mut keys = Keys {
            sessions: self.sessions.touched.iter().copied().collect(),
            addresses: self.registry.touched.iter().cloned().collect(),
            topics: Vec::new(),
        };
        for (address, topic) in self.topics.touched.iter() {
            keys.addresses.push(address.clone());
            keys.topics.push(topic.clone());
        }
        keys.note_owners(self.deadlines.touched.iter());
        self.rows(keys)
    }

    /// Open rows in every table, for a quick look at whether anything is left (I34): sessions,
    /// addresses, topics, deadlines, tokens.
    pub fn sizes(&self) -> [usize; 5] {
        [
            self.sessions.len(),
            self.registry.len(),
            self.topics.len(),
            self.deadlines.len(),
            self.registry.tokens(),
        ]
    }

    fn rows(&self, keys: Keys) -> View {
        View {
            sessions: Rows::of(keys.sessions, |key| self.session_row(*key)),
            addresses: Rows::of(keys.addresses, |address| self.address_row(address)),
            topics: Rows::of(keys.topics, |topic| {
                let subscribers: BTreeSet<_> = self.topics.subscribers(topic).cloned().collect();
                (!subscribers.is_empty()).then_some(TopicRow { subscribers })
            }),
        }
    }

    fn session_row(&self, key: SessionKey) -> Option<SessionRow> {
        let session = self.sessions.get(key)?;
        let at = |deadline| self.deadlines.at(&deadline);
        Some(SessionRow {
            id: session.id.clone(),
            phase: session.phase,
            addresses: session.addresses.clone(),
            queued: (session.queue.messages, session.queue.bytes),
            deadlines: [
                at(Deadline::Connect(key)),
                at(Deadline::Idle(key)),
                at(Deadline::SlowConsumer(key)),
                at(Deadline::Token(key)),
            ],
        })
    }

    fn address_row(&self, address: &ActorAddress) -> Option<AddressRow> {
        let registration = self.registry.get(address).map(|row| OwnerRow {
            owner: row.standing.owner(),
            version: row.version,
            until: match row.standing {
                Standing::Live { expires_at, .. } => expires_at,
                Standing::Detached { until } => until,
            },
        });
        let topics: BTreeSet<_> = self.topics.of(address).cloned().collect();
        let deadline = self.deadlines.at(&Deadline::Address(address.clone()));
        let known = registration.is_some() || !topics.is_empty() || deadline.is_some();
        known.then_some(AddressRow { registration, topics, deadline })
    }
}

/// Keys of rows, in any order and perhaps more than once.
struct Keys {
    sessions: Vec<SessionKey>,
    addresses: Vec<ActorAddress>,
    topics: Vec<Topic>,
}

impl Keys {
    fn note_owners<'a>(&mut self, deadlines: impl Iterator<Item = &'a Deadline>) {
        for deadline in deadlines {
            match deadline {
                Deadline::Connect(key)
                | Deadline::Idle(key)
                | Deadline::SlowConsumer(key)
                | Deadline::Token(key) => self.sessions.push(*key),
                Deadline::Address(address) => self.addresses.push(address.clone()),
                Deadline::Outcomes => {}
            }
        }
    }
}
