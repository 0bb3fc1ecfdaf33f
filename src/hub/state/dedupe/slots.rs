//! Finds rows by digests that are keyed already. No cache holds them, and an ask at the bound needs two places: one to
//! look for itself, one of the row that gave way. So a slot says by itself whether it may be the one that is looked for,
//! and what is removed waits for the next look, for the processor fetches both places at once.

use super::NOBODY;

/// The number of a row, and the part of its digest that says where the slot wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    home: u32,
    number: u32,
}

const EMPTY: Slot = Slot { home: 0, number: NOBODY };

/// A slot lies where it wants to be, or after slots without a gap. At least half of all are empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    len: usize,
    /// The slot of a row that is no more.
    stale: Option<Slot>,
}

impl Slots {
    /// The number of the row with this digest; `is_it` knows for sure, and knows of rows that are no more.
    pub fn find(&mut self, digest: u128, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.look(digest as u32, is_it);
        self.remove_stale();
        found
    }

    fn look(&self, home: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = home as usize;
        loop {
            let slot = self.slots.get(at & self.mask())?;
            if slot.home == home && is_it(slot.number) {
                return Some(slot.number);
            }
            if slot.number == NOBODY {
                return None;
            }
            at += 1;
        }
    }

    /// Adds a row that is not there.
    pub fn insert(&mut self, digest: u128, number: u32) {
        self.len += 1;
        if self.slots.len() < 2 * self.len {
            let wanted = vec![EMPTY; (2 * self.len).next_power_of_two()];
            let slots = std::mem::replace(&mut self.slots, wanted);
            slots.into_iter().filter(|slot| slot.number != NOBODY).for_each(|slot| self.put(slot));
        }
        self.put(Slot { home: digest as u32, number });
    }

    /// Removes a row that is there.
    pub fn remove(&mut self, digest: u128, number: u32) {
        self.remove_stale();
        self.stale = Some(Slot { home: digest as u32, number });
    }

    fn remove_stale(&mut self) {
        let Some(stale) = self.stale.take() else { return };
        let mask = self.mask();
        let mut gap = stale.home as usize & mask;
        while self.slots[gap] != stale {
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot.number == NOBODY {
                break;
            }
            let way = |from: usize| at.wrapping_sub(from) & mask;
            if way(slot.home as usize) >= way(gap) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = EMPTY;
        self.len -= 1;
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.mask();
        let mut at = slot.home as usize & mask;
        while self.slots[at].number != NOBODY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_whoever_comes_and_goes_beside_them() {
        // Digests that crowd: few homes, at both ends of the table.
        let digest =
            |number: u32| u128::from(number) << 32 | u128::from((number % 7).wrapping_sub(3));
        let (mut slots, mut numbers) = (Slots::default(), Vec::new());
        let mut dice = 7_u64;
        for number in 0..2_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            slots.insert(digest(number), number);
            numbers.push(number);
            if number > 100 {
                let gone = numbers.swap_remove((dice >> 33) as usize % numbers.len());
                slots.remove(digest(gone), gone);
                let is_it = |other| other == gone && numbers.contains(&other);
                assert_eq!(slots.find(digest(gone), is_it), None);
            }
            for number in &numbers {
                let found = slots.find(digest(*number), |other| other == *number);
                assert_eq!(found, Some(*number));
            }
        }
        assert_eq!((slots.len, slots.slots.len()), (101, 256));
        assert_eq!(Slots::default().find(7, |_| true), None);
    }
}
