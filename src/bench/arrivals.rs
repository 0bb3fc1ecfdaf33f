//! What one receiver got of a lane's messages, which have the numbers 0, 1, 2 and so on.

use std::collections::BTreeSet;

/// Numbers that may be missing and still be waited for; the oldest beyond that counts as lost.
const MISSING_MAX: usize = 1 << 16;

/// The numbers that came.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// One more than the largest that came.
    next: u64,
    missing: BTreeSet<u64>,
    given_up: u64,
}

/// What a message is, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It came in its turn.
    InOrder,
    /// A later one came before it.
    Late,
    /// It came before, or so long ago that nobody waits for it.
    Again,
}

impl Arrivals {
    pub fn see(&mut self, number: u64) -> Arrival {
        if number < self.next {
            return if self.missing.remove(&number) { Arrival::Late } else { Arrival::Again };
        }
        self.missing.extend(self.next..number);
        while self.missing.len() > MISSING_MAX {
            self.missing.pop_first();
            self.given_up += 1;
        }
        self.next = number + 1;
        Arrival::InOrder
    }

    /// How many of the first `sent` messages did not come, those that the hub refused left out.
    pub fn lost(&self, sent: u64, refused: &BTreeSet<u64>) -> u64 {
        let missing = self.missing.difference(refused).count() as u64;
        let never = sent.saturating_sub(self.next);
        self.given_up + missing + never.saturating_sub(refused.range(self.next..).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrival::{Again, InOrder, Late};

    fn of(numbers: impl IntoIterator<Item = u64>) -> (Arrivals, Vec<Arrival>) {
        let mut arrivals = Arrivals::default();
        let seen = numbers.into_iter().map(|number| arrivals.see(number)).collect();
        (arrivals, seen)
    }

    fn lost(numbers: &[u64], sent: u64, refused: &[u64]) -> u64 {
        of(numbers.iter().copied()).0.lost(sent, &refused.iter().copied().collect())
    }

    #[test]
    fn a_message_that_comes_twice_is_seen_again() {
        assert_eq!(of([0, 1, 1, 0, 2]).1, [InOrder, InOrder, Again, Again, InOrder]);
    }

    #[test]
    fn a_message_that_a_later_one_overtook_is_late_once() {
        assert_eq!(of([0, 2, 1, 1]).1, [InOrder, InOrder, Late, Again]);
    }

    #[test]
    fn what_never_came_is_lost_in_the_middle_and_at_the_end() {
        assert_eq!(lost(&[0, 1, 2], 3, &[]), 0);
        assert_eq!(lost(&[0, 2], 3, &[]), 1);
        assert_eq!(lost(&[], 3, &[]), 3);
        assert_eq!(lost(&[1], 4, &[]), 3);
    }

    #[test]
    fn what_the_hub_refused_is_not_lost() {
        assert_eq!(lost(&[0, 2], 5, &[1, 3]), 1);
        assert_eq!(lost(&[0, 2], 5, &[1, 3, 4]), 0);
    }

    #[test]
    fn what_is_missing_is_bounded() {
        let far = MISSING_MAX as u64 + 10;
        let (mut arrivals, _) = of([far]);
        assert_eq!(arrivals.missing.len(), MISSING_MAX);
        assert_eq!(arrivals.lost(far + 1, &BTreeSet::new()), far);
        assert_eq!((arrivals.see(9), arrivals.see(10)), (Again, Late));
    }
}
