//! How far an address has read (protocol, section 5).

use std::num::NonZeroU64;

use crate::protocol::{Position, Recovery, Unrecovered};

/// The position of an address, over all its connections: whoever keeps it gets each number once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reading {
    position: Option<Position>,
    /// The last number that the latest replay is about.
    replay_end: u64,
    /// Of the numbers up to there, how many at least do not come: their time to live was over.
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
            return Place::AfterGap;
        }
        self.expired -= missing;
        position.after = seq;
        self.skip_expired();
        Place::Next
    }

    /// Follows the hub's answer to a registration or `hub:recover`; none: it said nothing of recovery.
    pub fn follow(&mut self, answer: Option<&Recovery>) {
        let before = std::mem::take(self).position;
        self.position = answer.and_then(Recovery::position);
        let (Some(answer), Some(position)) = (answer, &mut self.position) else { return };
        // Some of what follows may have come since the hub was asked, by an older replay as well.
        let same = before.filter(|before| {
            before.epoch == position.epoch && answer.reason != Some(Unrecovered::Ahead)
        });
        position.after = answer.after.max(same.map_or(0, |before| before.after));
        if answer.recovered {
            self.replay_end =
                answer.after.saturating_add(answer.replayed).saturating_add(answer.ttl_expired);
            // What expired since may be of what has come.
            self.expired = answer.ttl_expired.saturating_sub(position.after - answer.after);
            self.skip_expired();
        }
    }

    /// Once all that comes again has come, what expired behind it counts as read.
    fn skip_expired(&mut self) {
        let Some(position) = &mut self.position else { return };
        let rest = self.replay_end.saturating_sub(position.after);
        if rest <= self.expired {
            position.after += rest;
            self.expired = 0;
        }
    }
}
