//! What the hub counts. No counter ever goes down, so balances can be checked (I28).

use serde::Serialize;

use super::DropReason;
use crate::protocol::ErrorCode;
use crate::time::Timestamp;

/// Totals since the hub began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Accepted connections.
    pub sessions_opened: u64,
    /// Sessions whose connection is gone.
    pub sessions_closed: u64,
    /// Frames from clients: handled + refused + malformed + ignored + pings dropped.
    pub frames_received: u64,
    /// Requests that were carried out.
    pub requests_handled: u64,
    /// Requests that were refused.
    pub requests_refused: u64,
    /// The refused requests by code.
    pub refusals: Refusals,
    /// Frames that were no envelopes.
    pub frames_malformed: u64,
    /// Frames from sessions that were over already, or before the frame was decided.
    pub frames_ignored: u64,
    /// Text pings that came too fast and got no pong.
    pub pings_dropped: u64,
    /// Messages put into outgoing queues.
    pub messages_sent: u64,
    /// Copies of application messages handed to sessions.
    pub messages_delivered: u64,
    /// Copies kept for addresses that are to recover them.
    pub messages_queued: u64,
    /// Kept copies that were handed to sessions afterwards, or once more.
    pub messages_replayed: u64,
    /// Copies that were not handed to a session, or given up after they were kept for one.
    pub messages_dropped: u64,
    /// The dropped copies by reason.
    pub drops: Drops,
    /// Copies that were handed to a session but expired before they could be written.
    pub messages_expired: u64,
    /// Addresses that moved to another session.
    pub takeovers: u64,
    /// Detached addresses that were registered again.
    pub resumes: u64,
    /// Positions that counted.
    pub recoveries: u64,
    /// Positions that did not.
    pub unrecovered: u64,
}

impl Counters {
    pub(super) fn count_drop(&mut self, why: DropReason) {
        self.messages_dropped += 1;
        *self.drops.of(why) += 1;
    }

    pub(super) fn count_refusal(&mut self, code: ErrorCode) {
        self.requests_refused += 1;
        if let Some(count) = self.refusals.0.get_mut(code as usize) {
            *count += 1;
        }
    }
}

/// Dropped copies by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Drops {
    /// The recipient's queue was full.
    pub queue_full: u64,
    /// Nobody was registered at the address.
    pub unknown_actor: u64,
    /// The recipient was detached.
    pub detached: u64,
    /// The time to live ended before arrival, or while it was kept.
    pub expired: u64,
    /// It was kept, and gave way to newer ones.
    pub overflow: u64,
    /// It was kept, and the recipient did not come back for it.
    pub unclaimed: u64,
    /// The recipient recovers, and the store was full.
    pub store_full: u64,
}

impl Drops {
    fn of(&mut self, why: DropReason) -> &mut u64 {
        match why {
            DropReason::QueueFull => &mut self.queue_full,
            DropReason::UnknownActor => &mut self.unknown_actor,
            DropReason::Detached => &mut self.detached,
            DropReason::Expired => &mut self.expired,
            DropReason::Overflow => &mut self.overflow,
            DropReason::Unclaimed => &mut self.unclaimed,
            DropReason::StoreFull => &mut self.store_full,
        }
    }
}

/// Refused requests by code, in the order of [`ErrorCode::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Refusals([u64; ErrorCode::ALL.len()]);

impl Refusals {
    /// Each code, with its number of refusals.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        ErrorCode::ALL.into_iter().zip(self.0)
    }
}

/// The present minute, and the totals at its beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Minute {
    pub start: Timestamp,
    pub before: Counters,
}

impl Minute {
    const MILLIS: u64 = 60_000;

    /// Begins the minute of `now`, unless that has begun.
    pub fn turn(&mut self, now: Timestamp, totals: &Counters) {
        let start = Timestamp::from_millis(now.as_millis() / Self::MILLIS * Self::MILLIS);
        if self.start != start {
            *self = Self { start, before: *totals };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_under_its_own_code() {
        for code in ErrorCode::ALL {
            let mut counters = Counters::default();
            counters.count_refusal(code);
            let counted: Vec<_> =
                counters.refusals.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(code, 1)]);
        }
    }
}
