//! The work that one input makes, counted so that it is the same on every machine.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

/// The work of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Work {
    /// Rows that were visited one after the other; a lookup by key does not count.
    pub rows: usize,
    /// The part of a search among the registrations, as `scan_rows_max` counts it.
    pub scanned: usize,
    /// Bytes of clients' data that were written again.
    pub bytes: usize,
}

/// Counts the visited rows of one table. It is not part of the state, so any two are equal.
#[derive(Debug, Default)]
pub(super) struct Visits(AtomicUsize);

impl Visits {
    /// Counts each row as it comes.
    pub fn of<I: Iterator>(&self, rows: I) -> impl Iterator<Item = I::Item> {
        rows.inspect(|_| self.count(1))
    }

    /// Counts rows that are visited elsewhere. One thread counts at a time, so nothing is lost
    /// between the two steps, and together they cost a fraction of a locked one.
    pub fn count(&self, rows: usize) {
        self.0.store(self.0.load(Ordering::Relaxed) + rows, Ordering::Relaxed);
    }

    /// The number of rows since the last call.
    pub fn take(&mut self) -> usize {
        std::mem::take(self.0.get_mut())
    }
}

impl Clone for Visits {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Visits {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Visits {}

impl Hash for Visits {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_when_it_is_reached() {
        let mut visits = Visits::default();
        assert_eq!(visits.of([1, 2, 3].iter()).find(|n| **n == 2), Some(&2));
        visits.count(3);
        assert_eq!((visits.take(), visits.take()), (5, 0));
        assert_eq!(visits, Visits::default());
    }
}
