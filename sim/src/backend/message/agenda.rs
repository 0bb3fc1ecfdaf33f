//! What is due when: in the order of time, ties in the order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::time::Duration;

use tokio::sync::oneshot;

use super::client::ClientId;
use super::network::Plan;
use super::raw::RawId;
use crate::net::ConnectionId;

/// What happens next.
#[derive(Debug)]
pub enum Event {
    Network(Plan),
    /// A sleep is over.
    Wake(oneshot::Sender<()>),
    /// The alarm of this life of the hub.
    HubAlarm(u32),
    /// No WebSocket came of a connection within `connect_timeout`.
    HandshakeTimeout(ConnectionId),
    /// Something is due in a session at the hub.
    SessionAlarm(ConnectionId),
    ClientAlarm(ClientId),
    /// A client's source of tokens answers.
    ClientToken(ClientId),
    /// A close handshake takes too long at a client.
    ClientCloseTimeout(ConnectionId),
    /// The same at a raw connection.
    RawCloseTimeout(RawId, ConnectionId),
}

#[derive(Default)]
pub struct Agenda {
    events: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

struct Entry {
    /// When it is due, and its place among those that are due then: one number compares faster.
    turn: u128,
    event: Event,
}

impl Agenda {
    pub fn plan(&mut self, at: Duration, event: Event) {
        self.planned += 1;
        let turn = u128::from(nanos(at)) << u64::BITS | u128::from(self.planned);
        self.events.push(Reverse(Entry { turn, event }));
    }

    pub fn pop(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse(entry)| (entry.at(), entry.event))
    }

    /// The next event, if it is the network's and due by `now`.
    pub fn pop_network(&mut self, now: Duration) -> Option<Plan> {
        let next = self.events.peek_mut()?;
        let Event::Network(plan) = next.0.event else { return None };
        let plan = (next.0.at() <= now).then_some(plan)?;
        PeekMut::pop(next);
        Some(plan)
    }
}

/// What is due after some centuries never is.
fn nanos(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

impl Entry {
    fn at(&self) -> Duration {
        Duration::from_nanos((self.turn >> u64::BITS) as u64)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.turn.cmp(&other.turn)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
