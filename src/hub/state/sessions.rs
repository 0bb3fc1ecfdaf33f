//! The sessions: one row for each accepted connection until the shell reports its end.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;

use super::owned::Owned;
use super::{RateLimiter, Seat, Table, Touched};
use crate::auth::Grant;
use crate::hub::{Config, Peer, SessionKey, Visits, Written};
use crate::protocol::{ActorAddress, Outgoing, SessionId};
use crate::time::Timestamp;

/// How far a session has come (protocol, section 3). A session that is gone has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted; hub:connect has not come yet.
    Connecting,
    /// hub:connect was accepted.
    Connected,
    /// Over for the hub; the shell is still to report that the connection is gone.
    Disconnecting,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub id: SessionId,
    pub peer: Peer,
    pub phase: Phase,
    /// What its token grants; none before hub:connect and with auth off.
    pub grant: Option<Box<Grant>>,
    pub addresses: Owned,
    /// Who the client last claimed to be; used only as the `to` of the hub's notices.
    pub claimed: Option<ActorAddress>,
    /// In lived time, as are the clocks of the queue.
    pub last_seen: Timestamp,
    pub last_heartbeat: Timestamp,
    pub queue: Queue,
    /// The session that this one was told to pause for, if it was.
    pub paused_for: Option<SessionKey>,
    /// The sessions that were told to pause because this one does not keep up.
    pub pausing: BTreeSet<SessionKey>,
    /// The addresses whose replay waits for room in the queue.
    pub replaying: BTreeSet<ActorAddress>,
    pub requests: RateLimiter,
    /// The rate limiter of its heartbeats and text pings.
    pub pings: RateLimiter,
    /// When the latest malformed frames came; at most as many as close the session.
    pub malformed: VecDeque<Timestamp>,
    /// Where the outcomes of its latest ask were put.
    pub asked: Seat,
    /// Where its latest recipient was found.
    pub addressed: Seat,
}

impl Session {
    pub fn new(id: SessionId, peer: Peer, lived: Timestamp) -> Self {
        Self {
            id,
            peer,
            phase: Phase::Connecting,
            grant: None,
            addresses: Owned::default(),
            claimed: None,
            last_seen: lived,
            last_heartbeat: lived,
            queue: Queue::default(),
            paused_for: None,
            pausing: BTreeSet::new(),
            replaying: BTreeSet::new(),
            requests: RateLimiter::default(),
            pings: RateLimiter::default(),
            malformed: VecDeque::new(),
            asked: Seat::default(),
            addressed: Seat::default(),
        }
    }

    pub fn owns(&self, address: &ActorAddress) -> bool {
        self.addresses.contains(address)
    }
}

/// The numbers of the messages that wait for the session's socket. The messages themselves wait in
/// the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Queue {
    pub messages: usize,
    pub bytes: usize,
    flow: Flow,
    full_since: Option<Timestamp>,
    /// Since when it is too long for senders to resume, and nothing has left it.
    still_since: Option<Timestamp>,
}

/// Messages that left the queue in the latest second in which any did, and in the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Flow {
    second: u64,
    messages: u64,
    messages_before: u64,
}

impl Flow {
    fn at(self, now: Timestamp) -> Self {
        let second = now.as_millis() / 1_000;
        match second.saturating_sub(self.second) {
            0 => self,
            1 => Self { second, messages: 0, messages_before: self.messages },
            _ => Self { second, messages: 0, messages_before: 0 },
        }
    }
}

impl Queue {
    /// Returns whether application data may join. An empty queue takes a message of any size.
    pub fn has_room(&self, weight: usize, config: &Config) -> bool {
        self.messages == 0
            || self.messages < config.queue_messages_max
                && self.bytes + weight <= config.queue_bytes_max
    }

    /// Returns whether a reply or notice may join. These have as much room again, because a session
    /// that stays up gets a reply to every ask (I24). An empty queue takes one of any size.
    pub fn has_reserve(&self, weight: usize, config: &Config) -> bool {
        self.messages == 0
            || self.messages < config.queue_messages_max.saturating_mul(2)
                && self.bytes + weight <= config.queue_bytes_max.saturating_mul(2)
    }

    /// The most that a joining reply may weigh.
    pub fn reserve_left(&self, config: &Config) -> usize {
        if self.messages >= config.queue_messages_max.saturating_mul(2) {
            return 0;
        }
        config.queue_bytes_max.saturating_mul(2).saturating_sub(self.bytes)
    }

    /// The same for a reply that cannot be shortened: an empty queue takes it.
    pub fn room_for_one(&self, config: &Config) -> usize {
        match self.messages {
            0 => usize::MAX,
            _ => self.reserve_left(config),
        }
    }

    /// Returns whether the queue is at its bound: not even the smallest application data may join.
    pub fn is_full(&self, config: &Config) -> bool {
        !self.has_room(Outgoing::ENVELOPE_WEIGHT, config)
    }

    pub fn push(&mut self, lived: Timestamp, weight: usize, config: &Config) {
        self.messages += 1;
        self.bytes += weight;
        if self.is_full(config) {
            self.note_full(lived);
        }
        if self.messages >= config.resume_threshold {
            self.still_since.get_or_insert(lived);
        }
    }

    /// A message of some size found no room: the queue counts as full until it moves.
    pub fn note_full(&mut self, lived: Timestamp) {
        self.full_since.get_or_insert(lived);
    }

    pub fn drain(&mut self, now: Timestamp, written: &Written) {
        self.messages = self.messages.saturating_sub(written.messages);
        self.bytes = self.bytes.saturating_sub(written.bytes);
        self.flow = self.flow.at(now);
        self.flow.messages = self.flow.messages.saturating_add(written.messages as u64);
    }

    /// Messages left the queue.
    pub fn note_drained(&mut self, lived: Timestamp, config: &Config) {
        if !self.is_full(config) {
            self.full_since = None;
        }
        self.still_since = (self.messages >= config.resume_threshold).then_some(lived);
    }

    /// Returns whether the session counts as a slow consumer at some time if nothing changes.
    pub fn is_timed(&self) -> bool {
        self.full_since.is_some() || self.still_since.is_some()
    }

    /// When the session counts as a slow consumer if nothing changes, in lived time.
    pub fn slow_at(&self, config: &Config) -> Option<Timestamp> {
        let since = [self.full_since, self.still_since].into_iter().flatten().min()?;
        Some(since + config.slow_consumer_timeout)
    }

    /// Messages that left the queue in the last whole second.
    pub fn written_last_second(&self, now: Timestamp) -> u64 {
        self.flow.at(now).messages_before
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sessions {
    rows: Table<SessionKey, Box<Session>>,
    pub touched: Touched<SessionKey>,
    pub visits: Visits,
}

impl Sessions {
    /// `secret` is the hub's key for the places of rows.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { rows: Table::new(secret), touched: Touched::default(), visits: Visits::default() }
    }

    pub fn insert(&mut self, key: SessionKey, session: Session) {
        self.touched.note(key);
        let before = self.rows.insert(key, Box::new(session));
        assert!(before.is_none(), "a session key is never reused: {key:?}");
    }

    pub fn get(&self, key: SessionKey) -> Option<&Session> {
        self.rows.get(&key).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.touched.note(key);
        self.unchanged_mut(key)
    }

    /// For what is no part of the state.
    pub fn unchanged_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.rows.get_mut(&key).map(Box::as_mut)
    }

    /// The session, unless it is over for the hub.
    pub fn open(&self, key: SessionKey) -> Option<&Session> {
        self.get(key).filter(|session| session.phase != Phase::Disconnecting)
    }

    /// The session, unless it is over for the hub.
    pub fn open_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.get_mut(key).filter(|session| session.phase != Phase::Disconnecting)
    }

    pub fn remove(&mut self, key: SessionKey) -> Option<Box<Session>> {
        self.touched.note(key);
        self.rows.remove(&key)
    }

    /// The session's addresses, in the order of registration.
    pub fn addresses_of(&self, key: SessionKey) -> Vec<ActorAddress> {
        let owned = self.get(key).into_iter().flat_map(|session| session.addresses.iter());
        self.visits.of(owned.cloned()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.visits.of(self.rows.sorted().into_iter().map(|(_, row)| row.as_ref()))
    }

    pub fn keys(&self) -> Vec<SessionKey> {
        self.visits.of(self.rows.sorted().into_iter().map(|(key, _)| *key)).collect()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
