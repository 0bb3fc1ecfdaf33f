//! The first outcomes of asks that may be repeated, each kept for the window. They belong to
//! addresses, which have a bound each; at the hub's own bound the address with the most gives way.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::iter;
use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::Table;
use crate::auth::Principal;
use crate::hub::{Config, weights};
use crate::protocol::{ActorAddress, MessageId};
use crate::time::Timestamp;

/// What tells whether two asks are the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    Published { copies: u32 },
    Broadcast { delivered: u32, failed: u32 },
}

#[derive(Debug, Clone)]
pub(crate) struct DedupeCache {
    rows: Slab<Row>,
    /// Finds a row by its digest, which is keyed already.
    slots: HashTable<u32>,
    /// The ends of the list of all rows.
    oldest: u32,
    newest: u32,
    of: Table<ActorAddress, OfAddress>,
    /// The addresses by their number of outcomes.
    counts: BTreeSet<(usize, ActorAddress)>,
    /// The weight of all rows.
    bytes: usize,
}

/// One outcome, in one cache line.
#[derive(Debug, Clone)]
struct Row {
    digest: u128,
    from: ActorAddress,
    at: Timestamp,
    outcome: Outcome,
    /// The neighbours in the list of all rows.
    older: u32,
    newer: u32,
    id_bytes: u8,
}

/// No row has this number.
const NOBODY: u32 = u32::MAX;

impl Row {
    fn weight(&self) -> usize {
        weights::outcome(self.from.as_str().len() + usize::from(self.id_bytes))
    }
}

/// The outcomes of one address.
#[derive(Debug, Clone, Default)]
struct OfAddress {
    /// The principal whose asks they were; no other one learns of them.
    principal: Option<Principal>,
    /// Numbers of rows, oldest first.
    numbers: VecDeque<u32>,
}

/// Leaves out the outcomes, which follow from the asks.
impl Hash for DedupeCache {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rows.len().hash(state);
        self.oldest_first().for_each(|row| (row.at, row.digest).hash(state));
    }
}

impl DedupeCache {
    /// `secret` is the hub's key for the places of addresses.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            rows: Slab::new(),
            slots: HashTable::new(),
            oldest: NOBODY,
            newest: NOBODY,
            of: Table::new(secret),
            counts: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// The outcome, and when it was.
    pub fn get(&self, ask: &DedupeKey) -> Option<(Timestamp, Outcome)> {
        let is_it = |number: &u32| self.rows[*number as usize].digest == ask.digest;
        let number = self.slots.find(slot(ask.digest), is_it)?;
        let row = &self.rows[*number as usize];
        Some((row.at, row.outcome))
    }

    /// Remembers the outcome of an ask that is not remembered yet. At the bound of its address,
    /// that address loses its oldest; at the hub's bound, the address with the most does, and of
    /// several the last in order.
    pub fn insert(
        &mut self,
        now: Timestamp,
        ask: DedupeKey,
        principal: Option<&Principal>,
        outcome: Outcome,
        config: &Config,
    ) {
        let DedupeKey { from, id, digest } = ask;
        let held = self.of.get(&from).map_or(0, |of| of.numbers.len());
        if held >= config.dedupe_entries_per_address_max.max(1) {
            self.forget_oldest_of(&from);
        } else if self.rows.len() >= config.dedupe_entries_max.max(1)
            && let Some((_, most)) = self.counts.last().cloned()
        {
            self.forget_oldest_of(&most);
        }
        let id_bytes = u8::try_from(id.as_str().len()).expect("an id has at most 128 bytes");
        let (at, older, newer) = (now, self.newest, NOBODY);
        let row = Row { digest, from: from.clone(), at, outcome, older, newer, id_bytes };
        self.bytes += row.weight();
        let number = self.rows.insert(row) as u32;
        self.link(older, number);
        self.link(number, NOBODY);
        let rows = &self.rows;
        self.slots.insert_unique(slot(digest), number, |other| slot(rows[*other as usize].digest));
        let of = self.of.or_default(&from);
        if of.principal.as_ref() != principal {
            of.principal = principal.cloned();
        }
        of.numbers.push_back(number);
        let count = of.numbers.len();
        self.recount(&from, count - 1, count);
    }

    /// Forgets outcomes as old as the window.
    pub fn expire(&mut self, now: Timestamp, window: Duration) {
        while let Some(row) = self.rows.get(self.oldest as usize)
            && now.since(row.at) >= window
        {
            self.forget_oldest_of(&row.from.clone());
        }
    }

    /// Forgets the outcomes of an address.
    pub fn forget(&mut self, address: &ActorAddress) {
        while self.of.get(address).is_some() {
            self.forget_oldest_of(address);
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
        self.oldest_first().next().map(|row| row.at)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that the outcomes count for in the hub's accounts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn oldest_first(&self) -> impl Iterator<Item = &Row> {
        let row = |number: u32| self.rows.get(number as usize);
        iter::successors(row(self.oldest), move |older| row(older.newer))
    }

    fn forget_oldest_of(&mut self, address: &ActorAddress) {
        let Some(of) = self.of.get_mut(address) else { return };
        let number = of.numbers.pop_front().expect("an address here has an outcome");
        let left = of.numbers.len();
        let row = self.rows.remove(number as usize);
        self.link(row.older, row.newer);
        self.bytes -= row.weight();
        if let Ok(entry) = self.slots.find_entry(slot(row.digest), |other| *other == number) {
            entry.remove();
        }
        if left == 0 {
            self.of.remove(address);
        }
        self.recount(address, left + 1, left);
        if self.rows.is_empty() {
            // What a burst of asks took is given back.
            (self.rows, self.slots) = (Slab::new(), HashTable::new());
        }
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

    fn recount(&mut self, address: &ActorAddress, before: usize, after: usize) {
        self.counts.remove(&(before, address.clone()));
        if after > 0 {
            self.counts.insert((after, address.clone()));
        }
    }
}

/// The digest is as good as a hash of it.
fn slot(digest: u128) -> u64 {
    digest as u64
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn hash(cache: &DedupeCache) -> u64 {
        let mut hasher = DefaultHasher::new();
        cache.hash(&mut hasher);
        hasher.finish()
    }

    fn ask(from: &str, id: &str) -> DedupeKey {
        let mut hasher = DefaultHasher::new();
        (from, id).hash(&mut hasher);
        let from = ActorAddress::from_path(from).expect("an address");
        let (id, digest) = (MessageId::parse(id).expect("an id"), hasher.finish().into());
        DedupeKey { from, id, digest }
    }

    fn insert(cache: &mut DedupeCache, from: &str, id: &str, config: &Config) {
        cache.insert(Timestamp::default(), ask(from, id), None, Outcome::Delivered, config);
    }

    /// Those of these asks that are known.
    fn known<'a>(cache: &DedupeCache, asks: &[(&'a str, &'a str)]) -> Vec<String> {
        let known = asks.iter().filter(|(from, id)| cache.get(&ask(from, id)).is_some());
        let mut known: Vec<String> = known.map(|(from, id)| format!("{from}{id}")).collect();
        known.sort();
        assert_eq!(known.len(), cache.len());
        assert_eq!(cache.oldest_first().count(), cache.len());
        known
    }

    #[test]
    fn outcomes_are_told_apart_by_their_asks() {
        let [mut one, mut other] = [DedupeCache::new([0; 16]), DedupeCache::new([0; 16])];
        insert(&mut one, "a", "1", &Config::default());
        insert(&mut other, "a", "2", &Config::default());
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one), hash(&one.clone()));
    }

    #[test]
    fn whoever_has_most_gives_way_and_its_oldest_goes() {
        let bounds = |hub, address| Config {
            dedupe_entries_max: hub,
            dedupe_entries_per_address_max: address,
            ..Config::default()
        };
        let asks = [("b", "1"), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "2")];
        let all = [&asks[..], &[("c", "1"), ("a", "4")]].concat();
        let mut cache = DedupeCache::new([0; 16]);
        for (from, id) in asks {
            insert(&mut cache, from, id, &bounds(4, 9));
        }
        assert_eq!(known(&cache, &all), ["a2", "a3", "b1", "b2"], "a had most");
        insert(&mut cache, "c", "1", &bounds(4, 9));
        assert_eq!(known(&cache, &all), ["a2", "a3", "b2", "c1"], "of a and b the last");
        insert(&mut cache, "a", "4", &bounds(9, 2));
        assert_eq!(known(&cache, &all), ["a3", "a4", "b2", "c1"], "a has no more than two");
        for address in ["a", "b", "c"] {
            cache.forget(&ActorAddress::from_path(address).expect("an address"));
        }
        assert_eq!(hash(&cache), hash(&DedupeCache::new([0; 16])));
        assert_eq!((cache.bytes(), cache.oldest()), (0, None));
        assert!(cache.of.len() == 0 && cache.counts.is_empty());
    }
}
