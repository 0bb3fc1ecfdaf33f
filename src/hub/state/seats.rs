//! A table in which each row has a seat until it is removed: whoever remembers the seat finds the row
//! without a search.

use std::fmt;
use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use slab::Slab;

use super::table::Place;

/// Where a row was when it was last seen. It is no part of the state, so any two are equal: a hint, unless whoever
/// remembers it knows that the row is still there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seat(u32);

impl PartialEq for Seat {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Seat {}

impl Hash for Seat {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

#[derive(Clone)]
pub(crate) struct Seats<K, V> {
    rows: Slab<(K, V)>,
    /// Finds a row by its key.
    seats: HashTable<u32>,
    secret: [u8; 16],
}

impl<K: Place, V> Seats<K, V> {
    pub fn new(secret: [u8; 16]) -> Self {
        Self { rows: Slab::new(), seats: HashTable::new(), secret }
    }

    /// The seat of the row, and the key as it was inserted.
    pub fn find(&self, key: &K) -> Option<(Seat, &K)> {
        let is_it = |seat: &u32| self.rows[*seat as usize].0 == *key;
        let seat = *self.seats.find(key.place(&self.secret), is_it)?;
        Some((Seat(seat), &self.rows[seat as usize].0))
    }

    /// The seat of the row, at once if it is this one.
    pub fn seat(&self, hint: Seat, key: &K) -> Option<Seat> {
        match self.sitting(hint) {
            Some((other, _)) if other == key => Some(hint),
            Some(_) | None => self.find(key).map(|(seat, _)| seat),
        }
    }

    /// Whoever sits there.
    pub fn sitting(&self, seat: Seat) -> Option<(&K, &V)> {
        self.rows.get(seat.0 as usize).map(|(key, row)| (key, row))
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        let (Seat(seat), _) = self.find(key)?;
        Some(&self.rows[seat as usize].1)
    }

    /// The same, at once if the seat still is the row's.
    pub fn at(&self, seat: Seat, key: &K) -> Option<&V> {
        match self.sitting(seat) {
            Some((other, row)) if other == key => Some(row),
            Some(_) | None => self.get(key),
        }
    }

    /// The row that sits there, which must be known to.
    pub fn row_mut(&mut self, seat: Seat) -> (&K, &mut V) {
        let (key, row) = &mut self.rows[seat.0 as usize];
        (key, row)
    }

    /// The row of the key and its seat, found at once if that is `seat`; a default one if there was
    /// none.
    pub fn or_default(&mut self, seat: Seat, key: &K) -> (Seat, &mut V)
    where
        K: Clone,
        V: Default,
    {
        let seat = match self.seat(seat, key) {
            Some(seat) => seat,
            None => self.sit(key.clone(), V::default()),
        };
        (seat, &mut self.rows[seat.0 as usize].1)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (Seat(seat), _) = self.find(key)?;
        Some(&mut self.rows[seat as usize].1)
    }

    /// Returns the row that was there before.
    pub fn insert(&mut self, key: K, row: V) -> Option<V> {
        if let Some(before) = self.get_mut(&key) {
            return Some(std::mem::replace(before, row));
        }
        self.sit(key, row);
        None
    }

    fn sit(&mut self, key: K, row: V) -> Seat {
        let place = key.place(&self.secret);
        let seat = u32::try_from(self.rows.insert((key, row))).expect("rows are fewer than 2^32");
        let (rows, secret) = (&self.rows, &self.secret);
        self.seats.insert_unique(place, seat, |other| rows[*other as usize].0.place(secret));
        Seat(seat)
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let is_it = |seat: &u32| self.rows[*seat as usize].0 == *key;
        let entry = self.seats.find_entry(key.place(&self.secret), is_it).ok()?;
        let (seat, _) = entry.remove();
        Some(self.rows.remove(seat as usize).1)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, in the order of their keys.
    pub fn sorted(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut rows: Vec<(&K, &V)> = self.rows.iter().map(|(_, (key, row))| (key, row)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }
}

impl<K: Place + Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Seats<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sorted()).finish()
    }
}

impl<K: Place + Ord, V: PartialEq> PartialEq for Seats<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl<K: Place + Ord, V: Eq> Eq for Seats<K, V> {}

impl<K: Place + Ord + Hash, V: Hash> Hash for Seats<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::SessionKey;

    #[test]
    fn a_row_is_found_by_its_key_whoever_sits_where_it_sat() {
        let mut seats = Seats::new([7; 16]);
        for key in (0..100).rev() {
            assert_eq!(seats.insert(SessionKey(key), key), None);
        }
        let (seat, _) = seats.find(&SessionKey(5)).expect("it is there");
        assert_eq!(seats.at(seat, &SessionKey(5)), Some(&5));
        assert_eq!(seats.remove(&SessionKey(5)), Some(5));
        assert_eq!(seats.at(seat, &SessionKey(5)), None);
        assert_eq!(seats.insert(SessionKey(200), 200), None);
        assert_eq!(seats.insert(SessionKey(5), 6), None);
        assert_eq!(seats.insert(SessionKey(5), 5), Some(6));
        assert_eq!(seats.at(seat, &SessionKey(5)), Some(&5), "200 has the seat now");
        assert_eq!((seats.get(&SessionKey(200)), seats.len()), (Some(&200), 101));
        let (seat, row) = seats.or_default(seat, &SessionKey(300));
        *row += 1;
        assert_eq!(seats.row_mut(seat), (&SessionKey(300), &mut 1));
        assert_eq!(seats.or_default(seat, &SessionKey(5)).1, &5);
        assert_eq!(seats.remove(&SessionKey(300)), Some(1));
        let keys: Vec<u64> = seats.sorted().into_iter().map(|(key, _)| key.0).collect();
        assert_eq!(keys, (0..100).chain([200]).collect::<Vec<_>>());
    }
}
