//! The hub's numbers that clients may ask for.

use crate::hub::{Hub, SessionKey};
use crate::protocol::{Metrics, QueueStats, Reply};
use crate::time::Timestamp;

impl Hub {
    /// The numbers of the asking session's queue, before this reply joins it.
    pub(super) fn queue_stats(&self, now: Timestamp, key: SessionKey) -> Reply {
        let session = self.sessions.open(key).expect("a request comes from an open session");
        Reply::QueueStats(QueueStats {
            queue_depth: session.queue.messages,
            processing_rate: session.queue.written_last_second(now),
            pause_threshold: self.config.pause_threshold,
            resume_threshold: self.config.resume_threshold,
        })
    }

    /// Counts the asking frame, but not its reply.
    pub(super) fn metrics(&self, now: Timestamp) -> Reply {
        let (counters, before) = (&self.counters, &self.minute.before);
        let errors = |c: &crate::hub::Counters| c.requests_refused + c.frames_malformed;
        Reply::Metrics(Metrics {
            messages_received: counters.frames_received - before.frames_received,
            messages_sent: counters.messages_sent - before.messages_sent,
            errors: errors(counters) - errors(before),
            connections_opened: counters.sessions_opened - before.sessions_opened,
            connections_closed: counters.sessions_closed - before.sessions_closed,
            window_start: self.minute.start,
            timestamp: now,
        })
    }
}
