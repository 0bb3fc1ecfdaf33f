//! What a session writes next, and what it tells the hub of what left.

use std::mem;
use std::time::Duration;

use super::SessionState;
use crate::hub::{CloseCause, Expired, Input, Written};
use crate::protocol::{Body, Outgoing};
use crate::server::session::io::{Next, Reads, Write};
use crate::server::session::phase::{Answer, Goodbye, Phase};
use crate::time::Timestamp;

impl SessionState {
    /// What to do with the stream; `clock` is the time by which messages expire.
    pub fn next(&mut self, now: Duration, clock: impl Fn() -> Timestamp) -> Next {
        match self.phase {
            Phase::Talking | Phase::Unreadable | Phase::LettingGo(_) => {}
            Phase::Closing { goodbye: Goodbye::Unsaid, .. } => {}
            Phase::Closing { goodbye: Goodbye::Said, .. } => return Next::Flush,
            Phase::Closing { goodbye: Goodbye::Gone, answer, .. } => {
                self.phase = match answer {
                    Answer::Awaited(_) => return Next::Wait,
                    Answer::Came => Phase::Ending { drains: false },
                    Answer::Never => Phase::Ending { drains: true },
                };
                return Next::End;
            }
            Phase::Ending { .. } => return Next::End,
            Phase::Lingering(_) | Phase::Draining | Phase::Over => return Next::Wait,
        }
        if self.has_left {
            return Next::Wait;
        }
        if self.batch.is_none() && now >= self.ping_due {
            self.ping_due = now.saturating_add(self.config.ping_interval);
            self.unflushed = true;
            return Next::Write(Write::Ping);
        }
        self.flushing |= self.unflushed || self.pongs >= self.limits.pongs_queued_max;
        if !self.flushing
            && let Some(message) = self.next_message(clock)
        {
            return Next::Write(Write::Message(message));
        }
        if self.flushing { Next::Flush } else { self.nothing_queued(now) }
    }

    /// The next queued message, up to a bound. Expired messages are left out.
    fn next_message(&mut self, clock: impl Fn() -> Timestamp) -> Option<Outgoing> {
        let (messages_max, bytes_max) =
            (self.limits.batch_messages_max, self.limits.batch_bytes_max);
        let is_full = |batch: &Written| batch.messages >= messages_max || batch.bytes >= bytes_max;
        while !self.batch.as_ref().is_some_and(is_full)
            && let Some(message) = self.queue.pop_front()
        {
            let batch = self.batch.get_or_insert_default();
            batch.messages += 1;
            batch.bytes += message.weight();
            match &message.body {
                Body::Delivery(delivery)
                    if delivery.ttl.is_some() && message.is_overdue(clock()) =>
                {
                    let (to, message) = (message.to.clone(), delivery.origin.clone());
                    batch.expired.push(Expired { to, message });
                }
                Body::Delivery(_) | Body::Pong | Body::Reply { .. } | Body::Notice(_) => {
                    return Some(message);
                }
            }
        }
        self.flushing = self.batch.is_some();
        None
    }

    fn nothing_queued(&mut self, now: Duration) -> Next {
        match self.phase {
            Phase::LettingGo(reason) => {
                self.closed = Some(CloseCause::Hub);
                self.enter(Phase::Lingering(reason), now, self.config.refusal_linger);
                Next::Wait
            }
            Phase::Closing { reason, answer, .. } => {
                self.phase = Phase::Closing { reason, goodbye: Goodbye::Said, answer };
                Next::Write(Write::Close(reason))
            }
            Phase::Talking
            | Phase::Unreadable
            | Phase::Lingering(_)
            | Phase::Ending { .. }
            | Phase::Draining
            | Phase::Over => Next::Wait,
        }
    }

    /// The codec is flushed.
    pub fn flushed(&mut self) {
        (self.unflushed, self.flushing, self.pongs) = (false, false, 0);
        self.has_left = self.batch.is_some();
        if let Phase::Closing { reason, goodbye: Goodbye::Said, answer } = self.phase {
            self.phase = Phase::Closing { reason, goodbye: Goodbye::Gone, answer };
        }
    }

    /// What to tell the hub of the messages that left.
    pub fn report(&mut self) -> Option<Input> {
        let told = self.left();
        self.unheard += u64::from(told.is_some());
        told
    }

    /// The same from the owner, which has written; `reads` is how the stream was read before. Tells as well whether the
    /// session itself has to see to the rest, such as what may not overtake its own reports.
    pub fn report_to_owner(&mut self, reads: Reads) -> (Option<Input>, bool) {
        if self.has_left && self.unheard > 0 {
            return (None, true);
        }
        let told = self.left();
        let is_rest = told.is_some() && self.has_queued();
        (told, is_rest || self.closed().is_some() || self.reads() != reads)
    }

    /// The hub has heard a report of the session.
    pub fn report_heard(&mut self) {
        self.unheard = self.unheard.saturating_sub(1);
    }

    fn left(&mut self) -> Option<Input> {
        let left = mem::take(&mut self.has_left).then(|| self.batch.take()).flatten();
        left.map(|written| Input::Drained(self.key, written))
    }

    /// Returns whether messages wait to be written.
    fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The stream takes no more: a talking session is lost, a closing one waits for the client.
    pub fn cannot_write(&mut self) {
        self.queue.clear();
        (self.batch, self.has_left) = (None, false);
        (self.unflushed, self.flushing) = (false, false);
        match self.phase {
            Phase::Talking | Phase::Unreadable => self.over(CloseCause::Lost),
            Phase::LettingGo(_) => self.over(CloseCause::Hub),
            Phase::Closing { reason, answer, .. } => {
                self.phase = Phase::Closing { reason, goodbye: Goodbye::Gone, answer };
            }
            Phase::Ending { .. } => self.ended(),
            Phase::Lingering(_) | Phase::Draining | Phase::Over => {}
        }
    }
}
