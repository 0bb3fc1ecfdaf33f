//! The only task that holds the hub. It never waits for a session: its queues to the sessions take
//! everything at once, so a slow session delays nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::metrics::Histogram;
use super::session::{Farewell, Manner};
use super::{Observer, audit};
use crate::auth::Access;
use crate::hub::{Hub, Input, LATE_MIN, Output, Peer, SessionKey};
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

/// The owner's end of a session. Dropped without a reason, it closes the session 1011.
pub(super) struct Outbox {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    close: oneshot::Sender<Farewell>,
}

impl Outbox {
    /// Queues `message`. If the connection is gone, its `Closed` is on the way.
    pub(super) fn send(&self, message: Outgoing) {
        let _ = self.outgoing.send(message);
    }

    /// Closes the session after the queued messages.
    pub(super) fn close(self, farewell: Farewell) {
        let _ = self.close.send(farewell);
    }
}

/// The connection's end of a session. `outgoing` ends after the last message; `close` tells as soon
/// as that message is queued, however many are still ahead of it.
pub(super) struct Orders {
    /// Unbounded because the hub itself counts every message until it is reported as drained, and
    /// drops those beyond `queue_messages_max` and `queue_bytes_max`.
    pub outgoing: mpsc::UnboundedReceiver<Outgoing>,
    pub close: oneshot::Receiver<Farewell>,
}

/// The two ends of a new session.
pub(super) fn session_ends() -> (Outbox, Orders) {
    let (outgoing, queued) = mpsc::unbounded_channel();
    let (close, closed) = oneshot::channel();
    (Outbox { outgoing, close }, Orders { outgoing: queued, close: closed })
}

/// The hub and what it needs to act.
pub(super) struct Owner<R: Runtime, O> {
    runtime: R,
    clock: SteadyClock<R>,
    hub: Hub,
    observer: O,
    /// Ordered, so that every run closes them in the same order.
    outboxes: BTreeMap<SessionKey, Outbox>,
    outputs: Vec<Output>,
    handling: Histogram,
    /// The steady clock when it was last read.
    now: Timestamp,
    /// The monotonic clock when it was last read.
    looked: Duration,
    closing_all: bool,
}

/// While any deadline is set, the owner reads the clock at least this often. Time that it misses is
/// time for which the process stood still.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

impl<R: Runtime, O: Observer> Owner<R, O> {
    pub(super) fn new(runtime: R, clock: SteadyClock<R>, hub: Hub, observer: O) -> Self {
        let (outboxes, outputs) = (BTreeMap::new(), Vec::new());
        let (now, looked) = (clock.now(), runtime.monotonic());
        let handling = Histogram::default();
        let closing_all = false;
        Self {
            runtime,
            clock,
            hub,
            observer,
            outboxes,
            outputs,
            handling,
            now,
            looked,
            closing_all,
        }
    }

    /// Feeds the hub until all senders of events are gone.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut alarm = Alarm::default();
        loop {
            // Events go first: each one expires what is due, so they cannot delay deadlines.
            select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => return,
                },
                () = alarm.ring() => self.tick(),
            }
            let soon = self.now + LOOK_EVERY;
            alarm.set(self.hub.next_deadline().map(|deadline| deadline.min(soon)), |at| {
                Box::pin(self.runtime.sleep(at.since(self.now)))
            });
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
                while let Some(key) = self.outboxes.keys().next().copied() {
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
    }

    fn handle(&mut self, input: Input) {
        self.look();
        self.hand_over(input);
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
            self.hand_over(Input::Late(Duration::from_millis(milliseconds)));
        }
    }

    fn hand_over(&mut self, input: Input) {
        self.observer.before(self.now, &input, &self.hub);
        let mut outputs = std::mem::take(&mut self.outputs);
        let begin = self.runtime.monotonic();
        outputs.extend(self.hub.handle(self.now, input));
        self.handling.observe(self.runtime.monotonic().saturating_sub(begin));
        self.observer.after(self.now, &outputs, &self.hub);
        for output in outputs.drain(..) {
            self.carry_out(output);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(key, message) => {
                if let Some(outbox) = self.outboxes.get(&key) {
                    outbox.send(message);
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
