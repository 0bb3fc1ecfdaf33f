//! The only task that holds the hub. It takes the inputs that wait, queues what comes of them, and
//! then writes to each session that got something. It never waits for a session: what does not go at
//! once is left to the session's task, so a slow session delays nobody.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::mpsc;
use tokio::task::unconstrained;

use super::metrics::Histogram;
use super::session::{Farewell, Manner};
use super::{Observer, audit};
use crate::auth::Access;
use crate::hub::{Hub, Input, LATE_MIN, Output, Peer, SessionKey, Table};
use crate::protocol::{CloseReason, Outgoing};
use crate::runtime::{Alarm, Runtime, SteadyClock};
use crate::time::Timestamp;

/// What a connection or the server tells the owner.
pub(super) enum Event {
    /// A WebSocket was accepted; its messages go to the outbox.
    Opened(SessionKey, Peer, Outbox),
    /// Anything else that the hub must hear.
    Input(Input),
    /// From now on this decides who may connect.
    Access(Access),
    /// The shutdown's time is over: close every open session, and every later one.
    CloseAll,
    /// Look at the hub in the owner's task; this should copy what it needs and return.
    Inspect(Question),
}

/// Looks at the hub.
pub(super) type Question = Box<dyn FnOnce(&Facts<'_>) + Send>;

/// What a question can look at.
pub(super) struct Facts<'a> {
    pub now: Timestamp,
    pub hub: &'a Hub,
    /// The time that inputs took.
    pub handling: &'a Histogram,
}

/// A session as the owner sees it.
pub(super) trait Line: Send + Sync {
    /// Queues `message`. If the connection is gone, its `Closed` is on the way.
    fn queue(&self, message: Outgoing);

    /// Closes the session after the queued messages.
    fn close(&self, farewell: Farewell);

    /// Writes a batch of what is queued as far as it goes; `now` is monotonic, `time` the hub's.
    /// Returns what left; the session's task sees to the rest.
    fn write(&self, now: Duration, time: Timestamp) -> Option<Input>;
}

/// The owner's end of a session. Dropped without a farewell, it closes the session 1011.
pub(super) struct Outbox {
    line: Arc<dyn Line>,
    /// Whether something was queued since the last write.
    is_dirty: bool,
    is_closed: bool,
}

impl Outbox {
    pub(super) fn new(line: Arc<dyn Line>) -> Self {
        Self { line, is_dirty: false, is_closed: false }
    }

    /// Returns whether this is the first message since the last write.
    pub(super) fn queue(&mut self, message: Outgoing) -> bool {
        self.line.queue(message);
        !mem::replace(&mut self.is_dirty, true)
    }

    /// [`Line::write`].
    pub(super) fn write(&mut self, now: Duration, time: Timestamp) -> Option<Input> {
        self.is_dirty = false;
        self.line.write(now, time)
    }

    /// Closes the session after the queued messages.
    pub(super) fn close(mut self, farewell: Farewell) {
        self.is_closed = true;
        self.line.close(farewell);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if !self.is_closed {
            self.line.close(Farewell::at_once(CloseReason::InternalError));
        }
    }
}

/// The hub and what it needs to act.
pub(super) struct Owner<R: Runtime, O> {
    runtime: R,
    clock: SteadyClock<R>,
    hub: Hub,
    observer: O,
    outboxes: Table<SessionKey, Outbox>,
    /// Sessions with something to write, in the order in which they got it.
    dirty: Vec<SessionKey>,
    events_max: usize,
    /// Empty; kept for its room.
    outputs: Vec<Output>,
    handling: Histogram,
    /// Inputs that were handled since `handling` was told.
    handled: u32,
    /// The steady clock when it was last read.
    now: Timestamp,
    /// The monotonic clock when it was last read.
    looked: Duration,
    closing_all: bool,
}

/// While any deadline is set, the owner reads the clock at least this often. Time that it misses is
/// time for which the process stood still.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Events that are handled before what comes of them is written.
const BATCH_EVENTS_MAX: usize = 128;

impl<R: Runtime, O: Observer> Owner<R, O> {
    pub(super) fn new(runtime: R, clock: SteadyClock<R>, hub: Hub, observer: O) -> Self {
        let (now, looked) = (clock.now(), runtime.monotonic());
        // No queue fills only because nobody wrote.
        let events_max = (hub.config().queue_messages_max / 2).clamp(1, BATCH_EVENTS_MAX);
        Self {
            runtime,
            clock,
            hub,
            observer,
            // The server counts its sessions: nobody chooses a place.
            outboxes: Table::new([0; 16]),
            dirty: Vec::new(),
            events_max,
            outputs: Vec::new(),
            handling: Histogram::default(),
            handled: 0,
            now,
            looked,
            closing_all: false,
        }
    }

    /// Feeds the hub until all senders of events are gone.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut alarm = Alarm::default();
        let mut batch = Vec::new();
        loop {
            // Events go first: each batch expires what is due, so they cannot delay deadlines.
            select! {
                biased;
                taken = events.recv_many(&mut batch, self.events_max) => match taken {
                    0 => return,
                    _ => self.take_all(&mut batch),
                },
                () = alarm.ring() => self.tick(),
            }
            // Else the 128th session would have to finish its own write: tokio has a budget for what
            // one task may do in a turn.
            unconstrained(async { self.write_all() }).await;
            let soon = self.now + LOOK_EVERY;
            alarm.set(self.hub.next_deadline().map(|deadline| deadline.min(soon)), |at| {
                Box::pin(self.runtime.sleep(at.since(self.now)))
            });
        }
    }

    fn take_all(&mut self, events: &mut Vec<Event>) {
        self.look();
        self.hub.change_audit(O::WATCHES || audit::is_read());
        for event in events.drain(..) {
            self.take(event);
        }
        self.tell_handling(self.looked);
    }

    /// Writes to each session that got something, and tells the hub what left.
    fn write_all(&mut self) {
        while !self.dirty.is_empty() {
            let mut told = Vec::new();
            for key in self.dirty.drain(..) {
                let Some(outbox) = self.outboxes.get_mut(&key) else { continue };
                let (now, time) = (self.looked, self.now);
                // Our own defect in one session's writing ends that session, not the hub.
                match catch_unwind(AssertUnwindSafe(|| outbox.write(now, time))) {
                    Ok(left) => told.extend(left),
                    Err(_) => drop(self.outboxes.remove(&key)),
                }
            }
            let begin = self.runtime.monotonic();
            for input in told {
                self.handle(input);
            }
            self.tell_handling(begin);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Opened(key, peer, outbox) => {
                self.outboxes.insert(key, outbox);
                self.handle(Input::Opened(key, peer));
                if self.closing_all {
                    self.close(key, Farewell::at_once(CloseReason::ServerShutdown));
                }
            }
            Event::Input(input) => {
                if let Input::Closed(key, _) = input {
                    self.outboxes.remove(&key);
                }
                self.handle(input);
            }
            Event::Access(access) => self.hub.change_access(access),
            Event::CloseAll => {
                self.closing_all = true;
                let keys: Vec<SessionKey> =
                    self.outboxes.sorted().into_iter().map(|(key, _)| *key).collect();
                for key in keys {
                    self.close(key, Farewell::at_once(CloseReason::ServerShutdown));
                }
            }
            Event::Inspect(question) => {
                let now = self.clock.now();
                question(&Facts { now, hub: &self.hub, handling: &self.handling });
            }
        }
    }

    /// The alarm may be early: its deadline can have moved since.
    fn tick(&mut self) {
        self.look();
        if self.hub.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.handle(Input::Tick);
        }
        self.tell_handling(self.looked);
    }

    /// Reads the clock. If that comes much too late, the hub hears of it first.
    fn look(&mut self) {
        self.now = self.clock.now();
        let at = self.runtime.monotonic();
        let late = at.saturating_sub(self.looked + LOOK_EVERY);
        self.looked = at;
        if late > LATE_MIN && self.hub.next_deadline().is_some() {
            let milliseconds = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(milliseconds, "the process stood still: deadlines are put off");
            self.handle(Input::Late(Duration::from_millis(milliseconds)));
        }
    }

    /// Inputs that were handled together since `begin` count at their mean.
    fn tell_handling(&mut self, begin: Duration) {
        let took = self.runtime.monotonic().saturating_sub(begin);
        self.handling.observe(took, mem::take(&mut self.handled));
    }

    fn handle(&mut self, input: Input) {
        self.observer.before(self.now, &input, &self.hub);
        let mut outputs = mem::take(&mut self.outputs);
        outputs.extend(self.hub.handle(self.now, input));
        self.handled += 1;
        self.observer.after(self.now, &outputs, &self.hub);
        for output in outputs.drain(..) {
            self.carry_out(output);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(key, message) => {
                if self.outboxes.get_mut(&key).is_some_and(|outbox| outbox.queue(message)) {
                    self.dirty.push(key);
                }
            }
            Output::Close(key, reason) => self.close(key, Farewell::at_once(reason)),
            Output::Linger(key, reason) => {
                self.close(key, Farewell { reason, manner: Manner::Linger });
            }
            Output::Audit(record) => audit::write(self.now, &record),
        }
    }

    fn close(&mut self, key: SessionKey, farewell: Farewell) {
        if let Some(outbox) = self.outboxes.remove(&key) {
            outbox.close(farewell);
        }
    }
}

#[cfg(test)]
mod tests;
