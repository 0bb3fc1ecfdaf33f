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
    at: Duration,
    number: u64,
    event: Event,
}

impl Agenda {
    pub fn plan(&mut self, at: Duration, event: Event) {
        self.planned += 1;
        self.events.push(Reverse(Entry { at, number: self.planned, event }));
    }

    pub fn pop(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse(Entry { at, event, .. })| (at, event))
    }

    /// The next event, if it is the network's and due by `now`.
    pub fn pop_network(&mut self, now: Duration) -> Option<Plan> {
        let next = self.events.peek_mut()?;
        let Entry { at, event: Event::Network(plan), .. } = &next.0 else { return None };
        let plan = (*at <= now).then_some(*plan)?;
        PeekMut::pop(next);
        Some(plan)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
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
