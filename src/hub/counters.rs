//! What the hub counts. Nothing is ever counted down, so what must balance can be checked (I28).

use serde::Serialize;

use crate::time::Timestamp;

/// Totals since the hub began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    pub sessions_opened: u64,
    pub sessions_closed: u64,
    /// Frames from clients: handled + refused + malformed + ignored.
    pub frames_received: u64,
    pub requests_handled: u64,
    pub requests_refused: u64,
    pub frames_malformed: u64,
    /// Frames that came from a session that was already over.
    pub frames_ignored: u64,
    /// Messages put into outgoing queues.
    pub messages_sent: u64,
    pub messages_delivered: u64,
    /// Copies that were not handed over.
    pub messages_dropped: u64,
    /// Copies that were handed over and whose time to live was over before they could be written.
    pub messages_expired: u64,
    pub takeovers: u64,
    pub resumes: u64,
}

/// The present minute and the totals at its beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Minute {
    pub start: Timestamp,
    pub before: Counters,
}

impl Minute {
    const MILLIS: u64 = 60_000;

    /// Begins the minute of `now` unless it is the present one.
    pub fn turn(&mut self, now: Timestamp, totals: &Counters) {
        let start = Timestamp::from_millis(now.as_millis() / Self::MILLIS * Self::MILLIS);
        if self.start != start {
            *self = Self { start, before: *totals };
        }
    }
}
