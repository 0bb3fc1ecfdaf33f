//! What belongs to connections: they are looked up all the time, and their numbers only grow.

use std::collections::VecDeque;

use super::ids::ConnectionId;

/// A value for each of some connections, found at once by their numbers, and in their order.
#[derive(Debug)]
pub struct ById<T> {
    /// The number of the first row.
    first: u64,
    /// The first and the last are there; a box keeps those that are not small.
    rows: VecDeque<Option<Box<T>>>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self { first: 0, rows: VecDeque::new() }
    }
}

impl<T> ById<T> {
    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether there is one for this connection.
    pub fn contains(&self, id: ConnectionId) -> bool {
        self.get(id).is_some()
    }

    /// The connection's.
    pub fn get(&self, id: ConnectionId) -> Option<&T> {
        self.rows.get(self.place(id)?)?.as_deref()
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        let place = self.place(id)?;
        self.rows.get_mut(place)?.as_deref_mut()
    }

    /// Puts one there, in the place of the one before it.
    pub fn insert(&mut self, id: ConnectionId, row: T) {
        if self.rows.is_empty() {
            self.first = id.0;
        }
        while id.0 < self.first {
            self.rows.push_front(None);
            self.first -= 1;
        }
        let place = (id.0 - self.first) as usize;
        while self.rows.len() <= place {
            self.rows.push_back(None);
        }
        self.rows[place] = Some(Box::new(row));
    }

    /// Takes the connection's away.
    pub fn remove(&mut self, id: ConnectionId) {
        if let Some(row) = self.place(id).and_then(|place| self.rows.get_mut(place)) {
            *row = None;
        }
        while let Some(None) = self.rows.back() {
            self.rows.pop_back();
        }
        while let Some(None) = self.rows.front() {
            self.rows.pop_front();
            self.first += 1;
        }
    }

    /// All, in the order of connecting.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &T)> + Clone {
        let rows = (self.first..).zip(&self.rows);
        rows.filter_map(|(id, row)| Some((ConnectionId(id), row.as_deref()?)))
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut T)> {
        let rows = (self.first..).zip(&mut self.rows);
        rows.filter_map(|(id, row)| Some((ConnectionId(id), row.as_deref_mut()?)))
    }

    fn place(&self, id: ConnectionId) -> Option<usize> {
        Some(id.0.checked_sub(self.first)? as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_and_go_in_any_order() {
        let mut rows = ById::default();
        for id in [7, 5, 9] {
            rows.insert(ConnectionId(id), id);
        }
        rows.insert(ConnectionId(5), 50);
        let all = |rows: &ById<u64>| rows.iter().map(|(id, row)| (id.0, *row)).collect::<Vec<_>>();
        assert_eq!(all(&rows), [(5, 50), (7, 7), (9, 9)]);
        rows.remove(ConnectionId(5));
        rows.remove(ConnectionId(4));
        assert_eq!(
            [4, 5, 6, 7, 10].map(|id| rows.contains(ConnectionId(id))),
            [false, false, false, true, false]
        );
        rows.insert(ConnectionId(6), 6);
        rows.remove(ConnectionId(9));
        assert_eq!(all(&rows), [(6, 6), (7, 7)]);
        rows.remove(ConnectionId(6));
        rows.remove(ConnectionId(7));
        assert!(rows.is_empty());
    }
}
