//! A small table in the order of its keys, built once and then read.

use std::ops::Index;

use serde::{Serialize, Serializer};

/// Rows by key; `None`: the key has no row, or no longer has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<K, V>(Vec<(K, Option<V>)>);

impl<K: Ord, V> Rows<K, V> {
    /// The row of each of these keys, which may repeat.
    pub(super) fn of(keys: impl Iterator<Item = K>, look: impl Fn(&K) -> Option<V>) -> Self {
        let mut rows: Vec<(K, Option<V>)> = Vec::new();
        for key in keys {
            // Most inputs touch one row, and again and again.
            if rows.last().is_none_or(|(latest, _)| *latest != key) {
                rows.push((key, None));
            }
        }
        if rows.len() > 1 {
            rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            rows.dedup_by(|(one, _), (other, _)| one == other);
        }
        for (key, row) in &mut rows {
            *row = look(key);
        }
        Self(rows)
    }

    /// The entry of the key, if the table has one.
    pub fn get(&self, key: &K) -> Option<&Option<V>> {
        let found = self.0.binary_search_by(|(known, _)| known.cmp(key));
        found.ok().map(|nth| &self.0[nth].1)
    }

    /// Returns whether the table has an entry for the key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the table has no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The rows, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Option<V>> {
        self.0.iter().map(|(_, row)| row)
    }

    /// The rows, mutable, in the order of their keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Option<V>> {
        self.0.iter_mut().map(|(_, row)| row)
    }

    /// Keys and rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Option<V>)> {
        self.into_iter()
    }
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

type Pair<'a, K, V> = fn(&'a (K, Option<V>)) -> (&'a K, &'a Option<V>);

impl<'a, K, V> IntoIterator for &'a Rows<K, V> {
    type Item = (&'a K, &'a Option<V>);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, Option<V>)>, Pair<'a, K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, row)| (key, row))
    }
}

impl<K: Ord, V> Index<&K> for Rows<K, V> {
    type Output = Option<V>;

    fn index(&self, key: &K) -> &Option<V> {
        self.get(key).expect("the table speaks of the key")
    }
}

/// Writes a map.
impl<K: Serialize, V: Serialize> Serialize for Rows<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_found_by_key() {
        let rows = Rows::of([3, 1, 3].into_iter(), |key| (*key > 1).then_some(key * 10));
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&1, &3]);
        assert_eq!(
            (rows.get(&3), rows.get(&1), rows.get(&2)),
            (Some(&Some(30)), Some(&None), None)
        );
        assert_eq!(serde_json::to_string(&rows).unwrap(), r#"{"1":null,"3":30}"#);
    }

    #[test]
    fn rows_know_of_what_they_speak() {
        let mut rows = Rows::of([3, 1].into_iter(), |key| (*key > 1).then_some(key * 10));
        assert_eq!(
            [rows.contains_key(&3), rows.contains_key(&1), rows.contains_key(&2)],
            [true, true, false]
        );
        assert_eq!((rows.len(), rows.is_empty()), (2, false));
        assert!(Rows::<u8, u8>::default().is_empty());
        rows.values_mut().for_each(|row| *row = Some(7));
        assert_eq!(rows.values().collect::<Vec<_>>(), [&Some(7), &Some(7)]);
        assert_eq!(rows[&3], Some(7));
    }
}
