//! Where the owner queues what sessions get, and how it writes that.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{Input, Output, SessionKey, Table};
use crate::protocol::{CloseReason, Outgoing};
use crate::server::audit;
use crate::server::session::Farewell;
use crate::time::Timestamp;

/// A session as the owner sees it.
pub(in crate::server) trait Line: Send + Sync {
    /// Queues `messages`, and writes a batch of what is queued as far as it goes; `now` is monotonic,
    /// `time` the hub's. Returns what left; the session's task sees to the rest. If the connection is
    /// gone, its `Closed` is on the way. Room that is not needed comes back in `messages`.
    fn write(&self, messages: &mut Vec<Outgoing>, now: Duration, time: Timestamp) -> Option<Input>;

    /// The hub has heard what the session's task told of what left.
    fn report_heard(&self);

    /// Queues `messages`, and closes the session after them.
    fn close(&self, messages: Vec<Outgoing>, farewell: Farewell);
}

/// The owner's end of a session. Dropped without a farewell, it closes the session 1011.
pub(in crate::server) struct Outbox {
    line: Arc<dyn Line>,
    /// Messages since the last write.
    queued: Vec<Outgoing>,
    is_closed: bool,
}

impl Outbox {
    pub(in crate::server) fn new(line: Arc<dyn Line>) -> Self {
        Self { line, queued: Vec::new(), is_closed: false }
    }

    /// Returns whether this is the first message since the last write.
    pub(in crate::server) fn queue(&mut self, message: Outgoing) -> bool {
        self.queued.push(message);
        self.queued.len() == 1
    }

    /// [`Line::write`].
    pub(in crate::server) fn write(&mut self, now: Duration, time: Timestamp) -> Option<Input> {
        self.line.write(&mut self.queued, now, time)
    }

    /// [`Line::report_heard`].
    pub(in crate::server) fn report_heard(&self) {
        self.line.report_heard();
    }

    /// Closes the session after the queued messages.
    pub(in crate::server) fn close(mut self, farewell: Farewell) {
        self.is_closed = true;
        self.line.close(mem::take(&mut self.queued), farewell);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if !self.is_closed {
            let queued = mem::take(&mut self.queued);
            self.line.close(queued, Farewell::at_once(CloseReason::InternalError));
        }
    }
}

/// The owner's ends of all sessions.
pub(super) struct Outboxes {
    pub by_key: Table<SessionKey, Outbox>,
    /// Sessions with something to write, in the order in which they got it.
    pub dirty: Vec<SessionKey>,
    /// Room for what sessions get, which they do not hold between two writes.
    room: Vec<Vec<Outgoing>>,
}

/// The queues whose room is kept, and the messages that each has room for.
const ROOM_MAX: usize = 64;

impl Outboxes {
    pub fn new() -> Self {
        // The server counts its sessions: nobody chooses a place.
        Self { by_key: Table::new([0; 16]), dirty: Vec::new(), room: Vec::new() }
    }

    pub fn carry_out(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Send(key, message) => {
                let Some(outbox) = self.by_key.get_mut(&key) else { return };
                if outbox.queued.is_empty() {
                    outbox.queued = self.room.pop().unwrap_or_default();
                }
                if outbox.queue(message) {
                    self.dirty.push(key);
                }
            }
            Output::Audit(record) => audit::write(now, &record),
            closing => {
                let closed = Farewell::of(&closing);
                closed.into_iter().for_each(|(key, farewell)| self.close(key, farewell));
            }
        }
    }

    /// Writes to each session that got something; returns what left.
    pub fn write(&mut self, now: Duration, time: Timestamp) -> Vec<Input> {
        let mut left = Vec::new();
        for key in self.dirty.drain(..) {
            let Some(outbox) = self.by_key.get_mut(&key) else { continue };
            // Our own defect in one session's writing ends that session, not the hub.
            match catch_unwind(AssertUnwindSafe(|| outbox.write(now, time))) {
                Ok(input) => left.extend(input),
                Err(_) => {
                    self.by_key.remove(&key);
                    continue;
                }
            }
            let room = mem::take(&mut outbox.queued);
            if self.room.len() < ROOM_MAX && (1..=ROOM_MAX).contains(&room.capacity()) {
                self.room.push(room);
            }
        }
        left
    }

    pub fn close(&mut self, key: SessionKey, farewell: Farewell) {
        if let Some(outbox) = self.by_key.remove(&key) {
            outbox.close(farewell);
        }
    }

    /// In the order of the keys, so that every run closes them in the same order.
    pub fn close_all(&mut self, farewell: Farewell) {
        let keys: Vec<SessionKey> = self.by_key.sorted().into_iter().map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.close(key, farewell));
    }
}
