//! The first outcomes of asks that may be repeated, each kept for the window. They belong to
//! addresses, which have a bound each; at the hub's own bound the address with the most gives way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::auth::Principal;
use crate::hub::{Config, weights};
use crate::protocol::{ActorAddress, MessageId, Reply};
use crate::time::Timestamp;

/// The key by which two asks are the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DedupeKey {
    /// The acting identity.
    pub from: ActorAddress,
    pub id: MessageId,
    /// The type of the verb: one id for two verbs names two asks.
    pub kind: &'static str,
    /// A digest of the content and the recipient: other content is another message.
    pub content: u128,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DedupeCache {
    rows: BTreeMap<DedupeKey, Reply>,
    /// The keys of the rows by a growing number, oldest first.
    order: BTreeMap<u64, (Timestamp, DedupeKey)>,
    of: BTreeMap<ActorAddress, OfAddress>,
    /// The addresses by their number of outcomes.
    counts: BTreeSet<(usize, ActorAddress)>,
    next: u64,
    /// The weight of all rows.
    bytes: usize,
}

impl DedupeKey {
    fn weight(&self) -> usize {
        weights::outcome(self.from.as_str().len() + self.id.as_str().len())
    }
}

/// The outcomes of one address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfAddress {
    /// The principal whose asks they were; no other one learns of them.
    principal: Option<Principal>,
    /// Numbers in `order`, oldest first.
    numbers: VecDeque<u64>,
}

/// Leaves out the outcomes, which follow from the asks.
impl Hash for DedupeCache {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order.len().hash(state);
        self.order.values().for_each(|row| row.hash(state));
    }
}

impl DedupeCache {
    pub fn get(&self, key: &DedupeKey) -> Option<&Reply> {
        self.rows.get(key)
    }

    /// Remembers the outcome of an ask that is not remembered yet. At the bound of its address,
    /// that address loses its oldest; at the hub's bound, the address with the most does, and of
    /// several the last in order.
    pub fn insert(
        &mut self,
        now: Timestamp,
        key: DedupeKey,
        principal: Option<Principal>,
        outcome: Reply,
        config: &Config,
    ) {
        let held = self.of.get(&key.from).map_or(0, |of| of.numbers.len());
        if held >= config.dedupe_entries_per_address_max.max(1) {
            self.forget_oldest_of(&key.from.clone());
        } else if self.order.len() >= config.dedupe_entries_max.max(1)
            && let Some((_, most)) = self.counts.last().cloned()
        {
            self.forget_oldest_of(&most);
        }
        let of = self.of.entry(key.from.clone()).or_default();
        of.principal = principal;
        of.numbers.push_back(self.next);
        let count = of.numbers.len();
        self.recount(&key.from, count - 1, count);
        self.bytes += key.weight();
        self.rows.insert(key.clone(), outcome);
        self.order.insert(self.next, (now, key));
        self.next += 1;
    }

    /// Forgets outcomes as old as the window.
    pub fn expire(&mut self, now: Timestamp, window: Duration) {
        while let Some((_, (at, key))) = self.order.first_key_value()
            && now.since(*at) >= window
        {
            self.forget_oldest_of(&key.from.clone());
        }
    }

    /// Forgets the outcomes of an address.
    pub fn forget(&mut self, address: &ActorAddress) {
        while self.of.contains_key(address) {
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
        self.order.first_key_value().map(|(_, (at, _))| *at)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Bytes that the outcomes count for in the hub's accounts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget_oldest_of(&mut self, address: &ActorAddress) {
        let Some(of) = self.of.get_mut(address) else { return };
        let oldest = of.numbers.pop_front().and_then(|number| self.order.remove(&number));
        let left = of.numbers.len();
        if let Some((_, key)) = oldest {
            self.bytes -= key.weight();
            self.rows.remove(&key);
        }
        if left == 0 {
            self.of.remove(address);
        }
        self.recount(address, left + 1, left);
    }

    fn recount(&mut self, address: &ActorAddress, before: usize, after: usize) {
        self.counts.remove(&(before, address.clone()));
        if after > 0 {
            self.counts.insert((after, address.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;
    use crate::protocol::Disconnected;

    fn hash(cache: &DedupeCache) -> u64 {
        let mut hasher = DefaultHasher::new();
        cache.hash(&mut hasher);
        hasher.finish()
    }

    fn ask(from: &str, id: &str) -> DedupeKey {
        let from = ActorAddress::from_path(from).expect("an address");
        let id = MessageId::parse(id).expect("an id");
        DedupeKey { from, id, kind: "hub:send", content: 0 }
    }

    fn insert(cache: &mut DedupeCache, from: &str, id: &str, config: &Config) {
        let outcome = Reply::Disconnected(Disconnected { acknowledged: true });
        cache.insert(Timestamp::default(), ask(from, id), None, outcome, config);
    }

    fn known(cache: &DedupeCache) -> Vec<String> {
        cache.rows.keys().map(|key| format!("{}{}", key.from.path(), key.id)).collect()
    }

    #[test]
    fn outcomes_are_told_apart_by_their_asks() {
        let [mut one, mut other] = [DedupeCache::default(), DedupeCache::default()];
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
        let mut cache = DedupeCache::default();
        for (from, id) in [("b", "1"), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "2")] {
            insert(&mut cache, from, id, &bounds(4, 9));
        }
        assert_eq!(known(&cache), ["a2", "a3", "b1", "b2"], "a had most");
        insert(&mut cache, "c", "1", &bounds(4, 9));
        assert_eq!(known(&cache), ["a2", "a3", "b2", "c1"], "of a and b the last");
        insert(&mut cache, "a", "4", &bounds(9, 2));
        assert_eq!(known(&cache), ["a3", "a4", "b2", "c1"], "a has no more than two");
        for address in ["a", "b", "c"] {
            cache.forget(&ActorAddress::from_path(address).expect("an address"));
        }
        assert_eq!((cache.rows.len(), cache.order.len()), (0, 0));
        assert!(cache.of.is_empty() && cache.counts.is_empty());
    }
}
