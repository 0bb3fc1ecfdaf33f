//! The hub's state as others may read it: rows without secrets, all of them or only those that the
//! last input touched.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::state::Standing;
use super::{Deadline, Hub, Phase, SessionKey};
use crate::protocol::{ActorAddress, SessionId, Topic};
use crate::time::Timestamp;

/// Rows of the hub's state by key. `None`: there is no such row (any more).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct View {
    pub sessions: BTreeMap<SessionKey, Option<SessionRow>>,
    pub addresses: BTreeMap<ActorAddress, Option<AddressRow>>,
    pub topics: BTreeMap<Topic, Option<TopicRow>>,
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
        let topics = self.topics.topics().take(rows_max);
        let mut view = View::default();
        view.sessions
            .extend(self.sessions.keys().into_iter().take(rows_max).map(|key| (key, None)));
        view.addresses.extend(registered.chain(subscribed).map(|a| (a.clone(), None)));
        view.topics.extend(topics.map(|topic| (topic.clone(), None)));
        note_owners(&mut view, armed);
        self.fill(&mut view);
        view
    }

    /// The rows that the last input touched, as they are now.
    pub fn touched(&self) -> View {
        let mut view = View::default();
        view.sessions.extend(self.sessions.touched.iter().map(|key| (*key, None)));
        view.addresses.extend(self.registry.touched.iter().map(|a| (a.clone(), None)));
        for (address, topic) in self.topics.touched.iter() {
            view.addresses.insert(address.clone(), None);
            view.topics.insert(topic.clone(), None);
        }
        note_owners(&mut view, self.deadlines.touched.iter());
        self.fill(&mut view);
        view
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

    fn fill(&self, view: &mut View) {
        for (key, row) in &mut view.sessions {
            *row = self.session_row(*key);
        }
        for (address, row) in &mut view.addresses {
            *row = self.address_row(address);
        }
        for (topic, row) in &mut view.topics {
            let subscribers: BTreeSet<_> = self.topics.subscribers(topic).cloned().collect();
            *row = (!subscribers.is_empty()).then_some(TopicRow { subscribers });
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

fn note_owners<'a>(view: &mut View, deadlines: impl Iterator<Item = &'a Deadline>) {
    for deadline in deadlines {
        match deadline {
            Deadline::Connect(key)
            | Deadline::Idle(key)
            | Deadline::SlowConsumer(key)
            | Deadline::Token(key) => {
                view.sessions.insert(*key, None);
            }
            Deadline::Address(address) => {
                view.addresses.insert(address.clone(), None);
            }
            Deadline::Outcomes => {}
        }
    }
}
