//! A map for few rows, mostly: a sorted list that becomes a tree when it is long. Most sessions have
//! one address and most addresses one subscription, and the least tree takes 300 bytes.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

#[derive(Debug, Clone)]
pub(crate) enum Few<K, V> {
    List(Vec<(K, V)>),
    Tree(BTreeMap<K, V>),
}

/// The most rows of a list.
const LIST_MAX: usize = 16;

impl<K: Ord, V> Few<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        match self {
            Few::List(rows) => find(rows, key).ok().map(|at| &rows[at].1),
            Few::Tree(rows) => rows.get(key),
        }
    }

    pub fn insert(&mut self, key: K, row: V) {
        match self {
            Few::List(rows) => match find(rows, &key) {
                Ok(at) => rows[at].1 = row,
                Err(at) if rows.len() < LIST_MAX => {
                    rows.reserve_exact(1);
                    rows.insert(at, (key, row));
                }
                Err(_) => {
                    let rows = std::mem::take(rows).into_iter().chain([(key, row)]);
                    *self = Few::Tree(rows.collect());
                }
            },
            Few::Tree(rows) => {
                rows.insert(key, row);
            }
        }
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Few::List(rows) => find(rows, key).ok().map(|at| rows.remove(at).1),
            Few::Tree(rows) => rows.remove(key),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Few::List(rows) => rows.len(),
            Few::Tree(rows) => rows.len(),
        }
    }

    /// The rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            Few::List(rows) => (rows.as_slice(), None),
            Few::Tree(rows) => (&[][..], Some(rows)),
        };
        list.iter().map(|(key, row)| (key, row)).chain(tree.into_iter().flatten())
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }
}

fn find<K: Ord, V>(rows: &[(K, V)], key: &K) -> Result<usize, usize> {
    rows.binary_search_by(|(other, _)| other.cmp(key))
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few::List(Vec::new())
    }
}

/// Whether it is a list or a tree follows from its past, which is no part of the state.
impl<K: Ord, V: PartialEq> PartialEq for Few<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord, V: Eq> Eq for Few<K, V> {}

impl<K: Ord + Hash, V: Hash> Hash for Few<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|row| row.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_map_as_a_list_and_as_a_tree() {
        let mut few = Few::default();
        for key in (0..40).rev() {
            few.insert(key, 0);
            few.insert(key, key);
            assert_eq!(few.keys().copied().collect::<Vec<_>>(), (key..40).collect::<Vec<_>>());
        }
        for key in 0..38 {
            assert_eq!(few.get(&key), Some(&key));
            assert_eq!([few.remove(&key), few.remove(&key)], [Some(key), None]);
        }
        let mut list = Few::default();
        [38, 39].into_iter().for_each(|key| list.insert(key, key));
        assert!(matches!((&few, &list), (Few::Tree(_), Few::List(_))));
        assert_eq!(few, list);
    }
}
