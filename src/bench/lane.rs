//! One sender's messages: which are under way, and since when.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::pace::UNDER_WAY_MAX;

/// Refusals of one lane that are remembered; what is refused beyond that counts as lost.
const REFUSED_MAX: usize = 1 << 16;

/// The messages of one sender, numbered from 0.
#[derive(Debug)]
pub struct Lane {
    /// Deliveries and answers that make a message whole.
    parts: u32,
    sent: u64,
    /// The messages from the oldest that is not whole to the latest.
    recent: VecDeque<Recent>,
    under_way: usize,
    refused: BTreeSet<u64>,
}

#[derive(Debug)]
struct Recent {
    due: Duration,
    missing: u32,
}

impl Lane {
    pub fn new(parts: u32) -> Self {
        let (recent, refused) = (VecDeque::new(), BTreeSet::new());
        Self { parts, sent: 0, recent, under_way: 0, refused }
    }

    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many are not whole.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub fn refused(&self) -> &BTreeSet<u64> {
        &self.refused
    }

    /// Sends the next message, due at `due`, and returns its number.
    pub fn send(&mut self, due: Duration) -> u64 {
        // The oldest is lost, or it would not stand in the way of so many.
        if self.recent.len() == UNDER_WAY_MAX {
            self.end(self.first());
        }
        self.recent.push_back(Recent { due, missing: self.parts });
        self.under_way += 1;
        self.sent += 1;
        self.sent - 1
    }

    /// One part came of a message; returns when it was due, if it is under way.
    pub fn part(&mut self, number: u64) -> Option<Duration> {
        let recent = self.recent_mut(number).filter(|recent| recent.missing > 0)?;
        let due = recent.due;
        recent.missing -= 1;
        if recent.missing == 0 {
            self.one_ended();
        }
        Some(due)
    }

    /// The hub refused a message: it will not come.
    pub fn refuse(&mut self, number: u64) {
        self.end(number);
        if self.refused.len() < REFUSED_MAX {
            self.refused.insert(number);
        }
    }

    /// Returns whether the number is one that was sent.
    pub fn knows(&self, number: u64) -> bool {
        number < self.sent
    }

    fn first(&self) -> u64 {
        self.sent - self.recent.len() as u64
    }

    fn recent_mut(&mut self, number: u64) -> Option<&mut Recent> {
        let at = number.checked_sub(self.first())?;
        self.recent.get_mut(usize::try_from(at).ok()?)
    }

    fn end(&mut self, number: u64) {
        if let Some(recent) = self.recent_mut(number).filter(|recent| recent.missing > 0) {
            recent.missing = 0;
            self.one_ended();
        }
    }

    fn one_ended(&mut self) {
        self.under_way -= 1;
        while self.recent.front().is_some_and(|recent| recent.missing == 0) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn lane(parts: u32, messages: u64) -> Lane {
        let mut lane = Lane::new(parts);
        for number in 0..messages {
            assert_eq!(lane.send(ms(number)), number);
        }
        lane
    }

    #[test]
    fn a_message_is_under_way_until_its_last_part() {
        let mut lane = lane(3, 2);
        assert_eq!((lane.part(1), lane.part(1), lane.under_way()), (Some(ms(1)), Some(ms(1)), 2));
        assert_eq!((lane.part(1), lane.under_way()), (Some(ms(1)), 1));
        assert_eq!((lane.part(1), lane.under_way()), (None, 1), "it is whole already");
    }

    #[test]
    fn a_refused_message_is_over_with_what_came_of_it() {
        let mut lane = lane(2, 2);
        assert_eq!(lane.part(0), Some(ms(0)));
        lane.refuse(0);
        assert_eq!((lane.part(0), lane.under_way(), lane.refused().len()), (None, 1, 1));
    }

    #[test]
    fn a_message_that_was_never_sent_has_no_parts() {
        let mut lane = lane(1, 1);
        assert_eq!((lane.part(1), lane.knows(0), lane.knows(1)), (None, true, false));
    }

    #[test]
    fn a_lost_message_makes_room_for_later_ones_in_the_end() {
        let mut lane = lane(1, UNDER_WAY_MAX as u64);
        (1..UNDER_WAY_MAX as u64).for_each(|number| assert!(lane.part(number).is_some()));
        assert_eq!((lane.under_way(), lane.recent.len()), (1, UNDER_WAY_MAX));
        lane.send(ms(1));
        assert_eq!((lane.under_way(), lane.recent.len(), lane.part(0)), (1, 1, None));
    }
}
