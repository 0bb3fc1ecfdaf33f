//! The only table of deadlines. Each belongs to a live session or a known address (I30); arming an
//! armed one moves it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::Touched;
use super::table::{Place, Table};
use crate::hub::SessionKey;
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// The owner and the purpose of a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The session must have sent hub:connect.
    Connect(SessionKey),
    /// The session may have been silent for too long.
    Idle(SessionKey),
    /// The session must have left its queue's bound.
    SlowConsumer(SessionKey),
    /// The session's token expires.
    Token(SessionKey),
    /// A live registration expires, or a detached one is forgotten.
    Address(ActorAddress),
    /// The oldest message in the address's log may be too old.
    Log(ActorAddress),
    /// Outcomes of asks may be old enough to be forgotten. Armed while any is remembered.
    Dedupe,
}

/// When the deadlines of one session are due; none: it is not armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct SessionDeadlines {
    /// `hub:connect` must have come.
    pub connect: Option<Timestamp>,
    /// Something must have come.
    pub idle: Option<Timestamp>,
    /// The queue must have moved.
    pub slow_consumer: Option<Timestamp>,
    /// The token expires.
    pub token: Option<Timestamp>,
}

impl SessionDeadlines {
    /// Those that are armed.
    pub fn armed(&self) -> impl Iterator<Item = Timestamp> + use<> {
        [self.connect, self.idle, self.slow_consumer, self.token].into_iter().flatten()
    }

    /// The hub stood still for so long: all but the token's are so much later.
    pub(in crate::hub) fn put_off(&mut self, by: Duration) {
        let Self { connect, idle, slow_consumer, token: _ } = self;
        for at in [connect, idle, slow_consumer].into_iter().flatten() {
            *at = *at + by;
        }
    }
}

/// Deadlines are in lived time, which is the time that passed without the hub's standstills; those
/// of tokens are in passed time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Deadlines {
    agenda: BTreeSet<(Timestamp, Deadline)>,
    tokens: BTreeSet<(Timestamp, Deadline)>,
    // Most sessions have one deadline, so each kind has a table.
    connect: Table<SessionKey, Timestamp>,
    idle: Table<SessionKey, Timestamp>,
    slow_consumer: Table<SessionKey, Timestamp>,
    token: Table<SessionKey, Timestamp>,
    addresses: Table<ActorAddress, Timestamp>,
    logs: Table<ActorAddress, Timestamp>,
    dedupe: Option<Timestamp>,
    stood_still: Duration,
    pub touched: Touched<Deadline>,
}

impl Deadlines {
    /// `secret` is the hub's key for the places of rows.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            agenda: BTreeSet::new(),
            tokens: BTreeSet::new(),
            connect: Table::new(secret),
            idle: Table::new(secret),
            slow_consumer: Table::new(secret),
            token: Table::new(secret),
            addresses: Table::new(secret),
            logs: Table::new(secret),
            dedupe: None,
            stood_still: Duration::ZERO,
            touched: Touched::default(),
        }
    }

    pub fn arm(&mut self, deadline: Deadline, at: Timestamp) {
        self.touched.note(deadline.clone());
        let at = if is_of_token(&deadline) { at } else { self.lived(at) };
        if let Some(before) = self.set(&deadline, Some(at)) {
            self.agenda_of(&deadline).remove(&(before, deadline.clone()));
        }
        self.agenda_of(&deadline).insert((at, deadline));
    }

    pub fn disarm(&mut self, deadline: &Deadline) {
        if let Some(at) = self.set(deadline, None) {
            self.touched.note(deadline.clone());
            self.agenda_of(deadline).remove(&(at, deadline.clone()));
        }
    }

    pub fn disarm_session(&mut self, key: SessionKey) {
        for deadline in [
            Deadline::Connect(key),
            Deadline::Idle(key),
            Deadline::SlowConsumer(key),
            Deadline::Token(key),
        ] {
            self.disarm(&deadline);
        }
    }

    /// The hub stood still: all deadlines except tokens' are `by` later.
    pub fn put_off(&mut self, by: Duration) {
        self.stood_still = self.stood_still.saturating_add(by);
    }

    /// Turns passed time into lived time.
    pub fn lived(&self, at: Timestamp) -> Timestamp {
        at.before(self.stood_still)
    }

    /// Turns lived time into passed time, if the hub does not stand still again.
    pub fn passed(&self, lived: Timestamp) -> Timestamp {
        lived + self.stood_still
    }

    /// Removes the earliest deadline that is due at `now`; returns it and its time.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Deadline)> {
        let due = self.next().filter(|due| *due <= now)?;
        let of_token = self.tokens.first().map(|(at, _)| *at);
        let other = self.agenda.first().map(|(at, _)| self.passed(*at));
        let agenda = match (other, of_token) {
            (Some(other), Some(of_token)) if of_token < other => &mut self.tokens,
            (Some(_), _) => &mut self.agenda,
            (None, _) => &mut self.tokens,
        };
        let (_, deadline) = agenda.pop_first()?;
        self.set(&deadline, None);
        self.touched.note(deadline.clone());
        Some((due, deadline))
    }

    pub fn next(&self) -> Option<Timestamp> {
        let other = self.agenda.first().map(|(at, _)| self.passed(*at));
        let of_token = self.tokens.first().map(|(at, _)| *at);
        other.into_iter().chain(of_token).min()
    }

    pub fn of_session(&self, key: SessionKey) -> SessionDeadlines {
        let at = |due: &Table<SessionKey, Timestamp>| due.get(&key).copied();
        let (connect, idle, token) = (at(&self.connect), at(&self.idle), at(&self.token));
        let mut due =
            SessionDeadlines { connect, idle, slow_consumer: at(&self.slow_consumer), token };
        due.put_off(self.stood_still);
        due
    }

    pub fn of_slow_consumer(&self, key: SessionKey) -> Option<Timestamp> {
        self.slow_consumer.get(&key).map(|at| self.passed(*at))
    }

    pub fn of_address(&self, address: &ActorAddress) -> Option<Timestamp> {
        self.addresses.get(address).map(|at| self.passed(*at))
    }

    pub fn of_log(&self, address: &ActorAddress) -> Option<Timestamp> {
        self.logs.get(address).map(|at| self.passed(*at))
    }

    pub fn of_dedupe(&self) -> Option<Timestamp> {
        self.dedupe.map(|at| self.passed(at))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Deadline> {
        self.agenda.iter().chain(&self.tokens).map(|(_, deadline)| deadline)
    }

    pub fn len(&self) -> usize {
        self.agenda.len() + self.tokens.len()
    }

    fn agenda_of(&mut self, deadline: &Deadline) -> &mut BTreeSet<(Timestamp, Deadline)> {
        if is_of_token(deadline) { &mut self.tokens } else { &mut self.agenda }
    }

    /// Sets its time; returns the previous one.
    fn set(&mut self, deadline: &Deadline, at: Option<Timestamp>) -> Option<Timestamp> {
        fn put<K: Place + Clone>(
            due: &mut Table<K, Timestamp>,
            key: &K,
            at: Option<Timestamp>,
        ) -> Option<Timestamp> {
            match at {
                Some(at) => due.insert(key.clone(), at),
                None => due.remove(key),
            }
        }
        match deadline {
            Deadline::Connect(key) => put(&mut self.connect, key, at),
            Deadline::Idle(key) => put(&mut self.idle, key, at),
            Deadline::SlowConsumer(key) => put(&mut self.slow_consumer, key, at),
            Deadline::Token(key) => put(&mut self.token, key, at),
            Deadline::Address(address) => put(&mut self.addresses, address, at),
            Deadline::Log(address) => put(&mut self.logs, address, at),
            Deadline::Dedupe => std::mem::replace(&mut self.dedupe, at),
        }
    }
}

fn is_of_token(deadline: &Deadline) -> bool {
    match deadline {
        Deadline::Token(_) => true,
        Deadline::Connect(_)
        | Deadline::Idle(_)
        | Deadline::SlowConsumer(_)
        | Deadline::Address(_)
        | Deadline::Log(_)
        | Deadline::Dedupe => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_millis(milliseconds)
    }

    #[test]
    fn arming_again_moves_a_deadline() {
        let mut deadlines = Deadlines::new([0; 16]);
        let idle = Deadline::Idle(SessionKey(1));
        deadlines.arm(idle.clone(), at(10));
        deadlines.arm(idle.clone(), at(20));
        assert_eq!(deadlines.next(), Some(at(20)));
        assert_eq!(deadlines.pop_due(at(19)), None);
        assert_eq!(deadlines.pop_due(at(20)), Some((at(20), idle)));
        assert_eq!((deadlines.next(), deadlines.len()), (None, 0));
    }

    #[test]
    fn the_earliest_is_due_first_and_a_disarmed_one_never() {
        let mut deadlines = Deadlines::new([0; 16]);
        let (one, two) = (SessionKey(1), SessionKey(2));
        deadlines.arm(Deadline::Idle(one), at(20));
        deadlines.arm(Deadline::Connect(one), at(5));
        deadlines.arm(Deadline::Idle(two), at(10));
        deadlines.disarm_session(one);
        assert_eq!(deadlines.pop_due(at(100)), Some((at(10), Deadline::Idle(two))));
        assert_eq!(deadlines.pop_due(at(100)), None);
    }

    #[test]
    fn what_is_put_off_is_later_and_a_token_is_not() {
        let mut deadlines = Deadlines::new([0; 16]);
        let (idle, token) = (Deadline::Idle(SessionKey(1)), Deadline::Token(SessionKey(1)));
        deadlines.arm(idle.clone(), at(10));
        deadlines.arm(token.clone(), at(12));
        deadlines.put_off(Duration::from_millis(5));
        let [idle_at, token_at] = [Some(at(15)), Some(at(12))];
        let expected = SessionDeadlines { idle: idle_at, token: token_at, ..Default::default() };
        assert_eq!(deadlines.of_session(SessionKey(1)), expected);
        deadlines.arm(Deadline::Dedupe, at(13));
        let mut due = || deadlines.pop_due(at(15)).map(|(_, deadline)| deadline);
        assert_eq!((due(), due(), due()), (Some(token), Some(Deadline::Dedupe), Some(idle)));
    }
}
