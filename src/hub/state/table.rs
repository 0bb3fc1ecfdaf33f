//! A table by key that shows its rows only in the order of their keys. Where they lie depends on a
//! secret, so that no client can aim at one place and no run can depend on it.

use std::fmt;
use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use siphasher::sip::SipHasher13;

use crate::hub::SessionKey;
use crate::protocol::{ActorAddress, RenewalToken, SubscriptionId};

/// A key that has a place in a table.
pub(crate) trait Place: Eq {
    fn place(&self, secret: &[u8; 16]) -> u64;
}

/// Counted up by the shell, so no client chooses it.
impl Place for SessionKey {
    fn place(&self, _secret: &[u8; 16]) -> u64 {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0.wrapping_mul(SPREAD)
    }
}

impl Place for ActorAddress {
    fn place(&self, secret: &[u8; 16]) -> u64 {
        SipHasher13::new_with_key(secret).hash(self.as_str().as_bytes())
    }
}

impl Place for RenewalToken {
    fn place(&self, secret: &[u8; 16]) -> u64 {
        place_of(self, secret)
    }
}

impl Place for SubscriptionId {
    fn place(&self, secret: &[u8; 16]) -> u64 {
        place_of(self, secret)
    }
}

fn place_of(key: &impl Hash, secret: &[u8; 16]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(secret);
    key.hash(&mut hasher);
    hasher.finish()
}

#[derive(Clone)]
pub(crate) struct Table<K, V> {
    rows: HashTable<(K, V)>,
    secret: [u8; 16],
}

impl<K: Place, V> Table<K, V> {
    pub fn new(secret: [u8; 16]) -> Self {
        Self { rows: HashTable::new(), secret }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.find(key.place(&self.secret), |(other, _)| other == key).map(|(_, row)| row)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let found = self.rows.find_mut(key.place(&self.secret), |(other, _)| other == key);
        found.map(|(_, row)| row)
    }

    /// The row of the key, which is a default one if there was none.
    pub fn or_default(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        let entry = self.entry(key);
        &mut entry.or_insert_with(|| (key.clone(), V::default())).into_mut().1
    }

    /// Returns the row that was there before.
    pub fn insert(&mut self, key: K, row: V) -> Option<V> {
        match self.entry(&key) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(&mut entry.get_mut().1, row)),
            Entry::Vacant(entry) => {
                entry.insert((key, row));
                None
            }
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let found = self.rows.find_entry(key.place(&self.secret), |(other, _)| other == key);
        found.ok().map(|entry| entry.remove().0.1)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, in the order of their keys.
    pub fn sorted(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut rows: Vec<(&K, &V)> = self.rows.iter().map(|(key, row)| (key, row)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    fn entry(&mut self, key: &K) -> Entry<'_, (K, V)> {
        let secret = &self.secret;
        let is_it = |(other, _): &(K, V)| other == key;
        self.rows.entry(key.place(secret), is_it, |(key, _)| key.place(secret))
    }
}

impl<K: Place + Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sorted()).finish()
    }
}

impl<K: Place + Ord, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl<K: Place + Ord, V: Eq> Eq for Table<K, V> {}

impl<K: Place + Ord + Hash, V: Hash> Hash for Table<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_keys_and_shown_in_order() {
        let mut table = Table::new([7; 16]);
        for key in (0..100).rev() {
            assert_eq!(table.insert(SessionKey(key), key), None);
        }
        assert_eq!(table.insert(SessionKey(5), 500), Some(5));
        assert_eq!(table.remove(&SessionKey(6)), Some(6));
        *table.or_default(&SessionKey(6)) += 600;
        let found = [5, 6, 7, 100].map(|key| table.get(&SessionKey(key)).copied());
        assert_eq!(found, [Some(500), Some(600), Some(7), None]);
        let keys: Vec<u64> = table.sorted().into_iter().map(|(key, _)| key.0).collect();
        assert_eq!(keys, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_secret_moves_the_rows_and_nothing_else() {
        let address = ActorAddress::parse("@(a)").expect("an address");
        let [mut one, mut other] = [[1; 16], [2; 16]].map(Table::new);
        assert_ne!(address.place(&one.secret), address.place(&other.secret));
        assert_eq!(one.insert(address.clone(), 1), other.insert(address, 1));
        assert_eq!(one, other);
    }
}
