//! How far an address has read (protocol, section 5).

use std::num::NonZeroU64;

use crate::protocol::{Position, Recovery};

/// The position of an address, over all its connections: whoever keeps it gets each number once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reading {
    position: Option<Position>,
    /// The last number that the latest replay is about.
    replay_end: u64,
    /// Of the numbers up to there, those that do not come: their time to live was over.
    expired: u64,
}

/// Where a number stands among those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the next one.
    Next,
    /// It came before.
    Seen,
    /// Another one ought to come before it.
    AfterGap,
}

impl Reading {
    /// The last number before which nothing is missing; none: the hub keeps nothing.
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// Moves on to the number, if it is the next one.
    pub fn pass(&mut self, seq: NonZeroU64) -> Place {
        let seq = seq.get();
        let Some(position) = &mut self.position else { return Place::Next };
        if seq <= position.after {
            return Place::Seen;
        }
        let missing = seq - position.after - 1;
        if missing > self.expired {
            let rest = self.replay_end.saturating_sub(position.after);
            if rest <= self.expired {
                // The replay is over, and the gap is behind it.
                position.after += rest;
                self.expired = 0;
            }
            return Place::AfterGap;
        }
        self.expired -= missing;
        position.after = seq;
        Place::Next
    }

    /// Follows the hub's answer to a registration or `hub:recover`; none: it said nothing of recovery.
    pub fn follow(&mut self, answer: Option<&Recovery>) {
        let before = std::mem::take(self).position;
        self.position = answer.and_then(Recovery::position);
        if let (Some(answer), Some(position)) = (answer, &mut self.position)
            && answer.recovered
        {
            self.expired = answer.ttl_expired;
            self.replay_end =
                answer.after.saturating_add(answer.replayed).saturating_add(answer.ttl_expired);
            // Some of what comes again may have come since the hub was asked.
            let same = before.filter(|before| before.epoch == position.epoch);
            position.after = answer.after.max(same.map_or(0, |before| before.after));
        }
    }
}
