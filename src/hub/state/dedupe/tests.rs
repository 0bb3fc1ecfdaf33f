//! What is remembered, and who gives way.

use std::collections::BTreeMap;
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
    let ask = (ask(from, id), Seat::default());
    cache.insert(Timestamp::default(), ask, None, Outcome::Delivered, config);
}

/// Those of these asks that are known.
fn known<'a>(cache: &mut DedupeCache, asks: &[(&'a str, &'a str)]) -> Vec<String> {
    let known = asks.iter().filter(|(from, id)| cache.get(&ask(from, id)).is_some());
    let mut known: Vec<String> = known.map(|(from, id)| format!("{from}{id}")).collect();
    known.sort();
    assert_eq!(known.len(), cache.len());
    assert_eq!(cache.outcomes.oldest_first().count(), cache.len());
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
    assert_eq!(known(&mut cache, &all), ["a2", "a3", "b1", "b2"], "a had most");
    insert(&mut cache, "c", "1", &bounds(4, 9));
    assert_eq!(known(&mut cache, &all), ["a2", "a3", "b2", "c1"], "of a and b the last");
    insert(&mut cache, "a", "4", &bounds(9, 2));
    assert_eq!(known(&mut cache, &all), ["a3", "a4", "b2", "c1"], "a has no more than two");
    for address in ["a", "b", "c"] {
        cache.forget(&ActorAddress::from_path(address).expect("an address"));
    }
    assert_eq!(hash(&cache), hash(&DedupeCache::new([0; 16])));
    assert_eq!((cache.bytes(), cache.oldest()), (0, None));
    assert!(cache.of.len() == 0 && cache.ranks.is_empty());
}

#[test]
fn many_asks_displace_what_a_count_says() {
    const HUB: usize = 150;
    const ADDRESS: usize = 90;
    let config = Config {
        dedupe_entries_max: HUB,
        dedupe_entries_per_address_max: ADDRESS,
        ..Config::default()
    };
    let mut cache = DedupeCache::new([0; 16]);
    let mut expected: BTreeMap<&str, VecDeque<String>> = BTreeMap::new();
    let mut dice = 7_u64;
    for nth in 0..3_000 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Each is talkative for a while.
        let from = ["a", "b", "c", "d"][(nth / 200 + (dice >> 62) as usize / 2) % 4];
        let most = expected.iter().max_by_key(|(name, asks)| (asks.len(), **name));
        let most = most.map_or("", |(name, _)| *name);
        let held: usize = expected.values().map(VecDeque::len).sum();
        let asks = expected.entry(from).or_default();
        if asks.len() == ADDRESS {
            asks.pop_front();
        } else if held == HUB {
            expected.get_mut(most).and_then(VecDeque::pop_front);
        }
        expected.entry(from).or_default().push_back(nth.to_string());
        insert(&mut cache, from, &nth.to_string(), &config);
        let mut is_known = |(from, asks): (&&str, &VecDeque<String>)| {
            asks.iter().all(|id| cache.get(&ask(from, id)).is_some())
        };
        assert!(expected.iter().all(&mut is_known), "after {nth}");
        assert_eq!(cache.len(), expected.values().map(VecDeque::len).sum::<usize>());
    }
}
