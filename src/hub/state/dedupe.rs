//! The first outcomes of asks that may be repeated, each kept for the window. They belong to
//! addresses, which have a bound each; at the hub's own bound the address with the most gives way.

mod slots;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::iter;
use std::time::Duration;

use slab::Slab;

use self::slots::Slots;
use super::{Seat, Seats};
use crate::auth::Principal;
use crate::hub::{Config, weights};
use crate::protocol::{ActorAddress, MessageId};
use crate::time::Timestamp;

/// What tells whether two asks are the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DedupeKey {
    /// The acting identity.
    pub from: ActorAddress,
    pub id: MessageId,
    /// A keyed digest of both, the verb and what it says: other content is another message.
    pub digest: u128,
}

/// What a repeated ask is told once more; the rest of the reply stands in the ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Queued,
    Published { copies: u32, queued: u32 },
    Broadcast { delivered: u32, failed: u32, queued: u32 },
}

#[derive(Debug, Clone)]
pub(crate) struct DedupeCache {
    outcomes: Outcomes,
    of: Seats<ActorAddress, OfAddress>,
    /// The addresses by their ranks, and their seats.
    ranks: BTreeMap<(usize, ActorAddress), Seat>,
}

/// All outcomes, in a list from the oldest to the newest.
#[derive(Debug, Clone)]
struct Outcomes {
    rows: Slab<Row>,
    /// Finds a row by its digest.
    slots: Slots,
    /// The ends of the list.
    oldest: u32,
    newest: u32,
    /// The weight of all rows.
    bytes: usize,
}

/// One outcome, in one cache line.
#[derive(Debug, Clone)]
struct Row {
    digest: u128,
    /// The seat of its address, which has one as long as it has an outcome.
    of: Seat,
    at: Timestamp,
    outcome: Outcome,
    /// The neighbours in the list.
    older: u32,
    newer: u32,
}

/// What the rank of an address grows by that has more outcomes than this.
const RANK_STEP: usize = 64;

/// The rank for so many outcomes. Few have a rank of their own, so that no rank is shared by more
/// addresses than can have a step of outcomes each.
fn rank(count: usize) -> usize {
    if count <= RANK_STEP { count } else { count.next_multiple_of(RANK_STEP) }
}

/// No row has this number.
const NOBODY: u32 = u32::MAX;

/// The outcomes of one address.
#[derive(Debug, Clone, Default)]
struct OfAddress {
    /// The principal whose asks they were; no other one learns of them.
    principal: Option<Principal>,
    /// Numbers of rows, oldest first.
    numbers: VecDeque<u32>,
    /// At least as much as there are numbers, and less than two steps more: few of the asks of a busy
    /// address move it to another place.
    rank: usize,
}

/// Leaves out the outcomes, which follow from the asks.
impl Hash for DedupeCache {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.outcomes.oldest_first().for_each(|row| (row.at, row.digest).hash(state));
    }
}

impl DedupeCache {
    /// `secret` is the hub's key for the places of addresses.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { outcomes: Outcomes::new(), of: Seats::new(secret), ranks: BTreeMap::new() }
    }

    /// The outcome, and when it was.
    pub fn get(&mut self, ask: &DedupeKey) -> Option<(Timestamp, Outcome)> {
        let row = self.outcomes.get(ask.digest)?;
        Some((row.at, row.outcome))
    }

    /// Remembers the outcome of an ask that is not remembered yet. At the bound of its address,
    /// that address loses its oldest; at the hub's bound, the address with the most does, and of
    /// several the last in order. Returns where the outcomes of the address are, for the next time.
    pub fn insert(
        &mut self,
        now: Timestamp,
        (ask, hint): (DedupeKey, Seat),
        principal: Option<&Principal>,
        outcome: Outcome,
        config: &Config,
    ) -> Seat {
        let DedupeKey { from, digest, .. } = ask;
        let (seat, of) = self.of.or_default(hint, &from);
        if of.numbers.len() >= config.dedupe_entries_per_address_max.max(1) {
            if let Some(oldest) = of.numbers.pop_front() {
                self.outcomes.remove(oldest, &from);
            }
        } else if self.outcomes.len() >= config.dedupe_entries_max.max(1)
            && let Some(most) = self.whoever_has_most()
        {
            self.forget_oldest_of(most);
        }
        // Its only outcome may have given way.
        let (seat, of) = self.of.or_default(seat, &from);
        let (older, newer) = (self.outcomes.newest, NOBODY);
        let row = Row { digest, of: seat, at: now, outcome, older, newer };
        of.numbers.push_back(self.outcomes.push(row, &from));
        if of.principal.as_ref() != principal {
            of.principal = principal.cloned();
        }
        let count = of.numbers.len();
        if of.rank < count {
            rank_anew(&mut self.ranks, (seat, of), from);
        }
        seat
    }

    /// Forgets outcomes as old as the window.
    pub fn expire(&mut self, now: Timestamp, window: Duration) {
        while let Some(row) = self.outcomes.oldest()
            && now.since(row.at) >= window
        {
            self.forget_oldest_of(row.of);
        }
    }

    /// Forgets the outcomes of an address.
    pub fn forget(&mut self, address: &ActorAddress) {
        while let Some((seat, _)) = self.of.find(address) {
            self.forget_oldest_of(seat);
        }
    }

    /// Forgets the address's outcomes if they were another principal's.
    pub fn belong_to(&mut self, address: &ActorAddress, principal: Option<&Principal>) {
        if self.of.get(address).is_some_and(|of| of.principal.as_ref() != principal) {
            self.forget(address);
        }
    }

    /// When the oldest outcome was inserted.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.outcomes.oldest().map(|row| row.at)
    }

    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Bytes that the outcomes count for in the hub's accounts.
    pub fn bytes(&self) -> usize {
        self.outcomes.bytes
    }

    /// The last address in order of those that have most. Nobody has more than its rank, so whoever
    /// is ranked last and has as much is it; a rank is corrected on the way only if outcomes came or
    /// went since it was.
    fn whoever_has_most(&mut self) -> Option<Seat> {
        loop {
            let last = self.ranks.last_entry()?;
            let ((rank, _), seat) = (last.key(), *last.get());
            let (_, of) = self.of.row_mut(seat);
            if of.numbers.len() == *rank {
                return Some(seat);
            }
            of.rank = of.numbers.len();
            let ((_, address), seat) = last.remove_entry();
            self.ranks.insert((of.rank, address), seat);
        }
    }

    fn forget_oldest_of(&mut self, seat: Seat) {
        let (address, of) = self.of.row_mut(seat);
        let oldest = of.numbers.pop_front().expect("an address here has an outcome");
        self.outcomes.remove(oldest, address);
        let count = of.numbers.len();
        if count == 0 {
            let (rank, address) = (of.rank, address.clone());
            self.of.remove(&address);
            self.ranks.remove(&(rank, address));
        } else if of.rank > count && (count <= RANK_STEP || of.rank - count >= 2 * RANK_STEP) {
            rank_anew(&mut self.ranks, (seat, of), address.clone());
        }
    }
}

fn rank_anew(
    ranks: &mut BTreeMap<(usize, ActorAddress), Seat>,
    (seat, of): (Seat, &mut OfAddress),
    address: ActorAddress,
) {
    let rank = rank(of.numbers.len());
    let before = (std::mem::replace(&mut of.rank, rank), address);
    ranks.remove(&before);
    ranks.insert((rank, before.1), seat);
}

impl Outcomes {
    fn new() -> Self {
        let (rows, slots) = (Slab::new(), Slots::default());
        Self { rows, slots, oldest: NOBODY, newest: NOBODY, bytes: 0 }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn get(&mut self, digest: u128) -> Option<&Row> {
        let rows = &self.rows;
        let is_it = |number| rows.get(number as usize).is_some_and(|row| row.digest == digest);
        self.slots.find(digest, is_it).map(|number| &rows[number as usize])
    }

    /// Returns the number of the row, which is `from`'s and the newest now.
    fn push(&mut self, row: Row, from: &ActorAddress) -> u32 {
        let (older, digest) = (row.older, row.digest);
        self.bytes += weights::outcome(from);
        let number = self.rows.insert(row) as u32;
        self.link(older, number);
        self.link(number, NOBODY);
        self.slots.insert(digest, number);
        number
    }

    fn remove(&mut self, number: u32, from: &ActorAddress) {
        let row = self.rows.remove(number as usize);
        self.link(row.older, row.newer);
        self.bytes -= weights::outcome(from);
        self.slots.remove(row.digest, number);
        if self.rows.is_empty() {
            // What a burst of asks took is given back.
            *self = Self::new();
        }
    }

    fn oldest(&self) -> Option<&Row> {
        self.rows.get(self.oldest as usize)
    }

    fn oldest_first(&self) -> impl Iterator<Item = &Row> {
        iter::successors(self.oldest(), |older| self.rows.get(older.newer as usize))
    }

    /// Makes one the next newer of the other; nobody is beyond an end.
    fn link(&mut self, older: u32, newer: u32) {
        match self.rows.get_mut(older as usize) {
            Some(row) => row.newer = newer,
            None => self.oldest = newer,
        }
        match self.rows.get_mut(newer as usize) {
            Some(row) => row.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests;
