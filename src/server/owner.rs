//! The one task that holds the hub. It never waits for a session: its queues towards the sessions
//! take everything at once, so a slow session delays nobody.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::metrics::Histogram;
use super::session::{Farewell, Manner};
use super::{Observer, audit};
use crate::auth::Access;
use crate::hub::{Hub, Input, LATE_MIN, Output, Peer, SessionKey};
use crate::protocol::{CloseReason, Outgoing};
use crate::runtime::{Runtime, SteadyClock};
use crate::time::Timestamp;

/// What the owner is told.
pub(super) enum Event {
    /// A WebSocket was accepted; its messages go to the outbox.
    Opened(SessionKey, Peer, Outbox),
    /// Anything else that the hub must hear.
    Input(Input),
    /// Let in whom this says, from now on.
    Access(Access),
    /// The hub's time is over: close every session that it left open, and every later one.
    CloseAll,
    /// Look at the hub, in the owner's task: copy what is wanted and be done.
    Inspect(Question),
}

/// Looks at the hub.
pub(super) type Question = Box<dyn FnOnce(&Facts<'_>) + Send>;

/// What there is to look at.
pub(super) struct Facts<'a> {
    pub now: Timestamp,
    pub hub: &'a Hub,
    /// How long inputs took.
    pub handling: &'a Histogram,
}

/// The owner's end of a session. Dropped without a reason, it closes the session 1011.
pub(super) struct Outbox {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    close: oneshot::Sender<Farewell>,
}

impl Outbox {
    /// Queues `message`. A connection that is gone takes none; its Closed is on the way.
    pub(super) fn send(&self, message: Outgoing) {
        let _ = self.outgoing.send(message);
    }

    /// Closes the session behind what is queued.
    pub(super) fn close(self, farewell: Farewell) {
        let _ = self.close.send(farewell);
    }
}

/// The connection's end of a session. `outgoing` ends behind the last message; `close` says at
/// once that this last message is decided, however many are still queued.
pub(super) struct Orders {
    /// Unbounded, for the hub itself accounts for every message until it is reported as drained,
    /// and drops what is beyond `queue_messages_max` and `queue_bytes_max`.
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
    /// Ordered, so that closing all of them goes the same way in every run.
    outboxes: BTreeMap<SessionKey, Outbox>,
    outputs: Vec<Output>,
    handling: Histogram,
    /// By the steady clock, when it was last looked at.
    now: Timestamp,
    /// By the monotonic clock, when it was last looked at.
    looked: Duration,
    closing_all: bool,
}

/// While anything is due some day, the owner looks at the clock so often at least: what it misses of
/// that, the process stood still.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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

    /// Feeds the hub until nobody is left who could send an event.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut alarm = Alarm::new(self.runtime.clone());
        loop {
            // Events go first: each of them expires what is due, so they cannot hold up time.
            select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.take(event),
                    None => return,
                },
                () = alarm.ring() => self.tick(),
            }
            let soon = self.now + LOOK_EVERY;
            alarm.set(self.now, self.hub.next_deadline().map(|deadline| deadline.min(soon)));
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

    /// An alarm may be early: the deadline that it was set for can have moved since.
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

    /// Looks at the clock. If that is much too late, the hub hears it before anything else.
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

/// The hub's one timer. Deadlines mostly move away (every frame puts silence off), so it is not
/// set anew for a later deadline: it rings early and is set then.
struct Alarm<R: Runtime> {
    runtime: R,
    set: Option<(Timestamp, Pin<Box<R::Sleep>>)>,
}

impl<R: Runtime> Alarm<R> {
    fn new(runtime: R) -> Self {
        Self { runtime, set: None }
    }

    fn set(&mut self, now: Timestamp, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else {
            self.set = None;
            return;
        };
        if self.set.as_ref().is_none_or(|(at, _)| deadline < *at) {
            self.set = Some((deadline, Box::pin(self.runtime.sleep(deadline.since(now)))));
        }
    }

    /// Ends when the alarm rings, never if it is not set. May be dropped and called again.
    async fn ring(&mut self) {
        match &mut self.set {
            Some((_, sleep)) => {
                sleep.as_mut().await;
                self.set = None;
            }
            None => std::future::pending().await,
        }
    }
}
