//! Takes down the events of a run and has each judged at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hub::hub::Hub;
use tokio::sync::Notify;

use super::inbox::Inboxes;
use crate::history::{Event, What};
use crate::invariants::{Judge, Shadow, Time, Violation};
use crate::scenario::{Expectation, Scenario, What as Doing, Who};
use crate::situations::{SHAPE_EVERY, Shape, Sightings, Watch};

/// How often the shadow that observers keep is compared with the hub itself, in inputs.
const COMPARE_EVERY: u64 = 256;

/// How much of a history is kept after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    /// None, of a run that can be played again.
    Nothing,
    /// The last so many events: enough for the picture of a failure.
    Last(usize),
}

/// A handle to the history of one run.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    violated: Notify,
    arrived: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    keep: Keep,
    seed: u64,
    queue_messages_max: usize,
    judge: Judge,
    watch: Watch,
    shapes: BTreeSet<Shape>,
    inboxes: Inboxes,
    events: VecDeque<Event>,
    count: u64,
    hub_inputs: u64,
    violation: Option<Violation>,
}

impl Inner {
    fn take_down(&mut self, event: &Event) -> Result<(), Violation> {
        self.count += 1;
        self.watch.observe(event, self.judge.shadow());
        let verdict = self.judge.observe(event);
        if matches!(event.what, What::Hub(_)) {
            self.hub_inputs += 1;
            if self.hub_inputs.is_multiple_of(SHAPE_EVERY) {
                self.shapes.insert(Shape::of(self.judge.shadow(), self.queue_messages_max));
            }
        }
        verdict
    }

    fn keep(&mut self, event: Event) {
        match self.keep {
            Keep::Nothing => return,
            Keep::Last(most) if self.events.len() >= most => drop(self.events.pop_front()),
            Keep::Last(_) | Keep::All => {}
        }
        self.events.push_back(event);
    }
}

/// What a run leaves behind.
pub struct Recording {
    pub events: Vec<Event>,
    pub count: u64,
    pub hub_inputs: u64,
    /// How often each situation came up.
    pub sightings: Sightings,
    /// The shapes that the hub had.
    pub shapes: BTreeSet<Shape>,
    /// The first violation; the last event is the one that broke it.
    pub violation: Option<Violation>,
}

impl Recorder {
    /// Takes down a run of `scenario`.
    pub fn new(scenario: &Scenario, keep: Keep, time: Time) -> Self {
        let expecting = scenario.steps.iter().filter_map(|step| match &step.what {
            Doing::Act { who, act, .. } => act.expects().map(|_| who.clone()),
            Doing::Hub(_) | Doing::Network(_) => None,
        });
        let inner = Inner {
            keep,
            seed: scenario.seed,
            queue_messages_max: scenario.hub.queue_messages_max,
            watch: Watch::new(scenario),
            shapes: BTreeSet::new(),
            judge: Judge::of(scenario, time),
            inboxes: Inboxes::of(expecting),
            events: VecDeque::new(),
            count: 0,
            hub_inputs: 0,
            violation: None,
        };
        let (violated, arrived) = (Notify::new(), Notify::new());
        Self(Arc::new(Shared { violated, arrived, inner: Mutex::new(inner) }))
    }

    /// Takes down and judges one event. After a violation nothing more is taken down.
    pub fn record(&self, at: Duration, what: What) {
        let event = Event { at, what };
        let mut inner = self.lock();
        if self.judge(&mut inner, &event) {
            inner.keep(event);
        }
    }

    /// The same for whoever still needs what it tells: a copy is made only if it is kept.
    pub fn record_and_return(&self, at: Duration, what: What) -> What {
        let event = Event { at, what };
        let mut inner = self.lock();
        if self.judge(&mut inner, &event) && inner.keep != Keep::Nothing {
            inner.keep(event.clone());
        }
        event.what
    }

    /// Returns whether the event is part of the history.
    fn judge(&self, inner: &mut Inner, event: &Event) -> bool {
        if inner.violation.is_some() {
            return false;
        }
        let verdict = inner.take_down(event);
        if inner.inboxes.observe(event) {
            self.0.arrived.notify_waiters();
        }
        if let Err(violation) = verdict {
            inner.violation = Some(violation);
            self.0.violated.notify_waiters();
        }
        true
    }

    /// Looks at the hub after an input: at its counters, and at the whole of it now and then (I28).
    pub fn audit(&self, hub: &Hub, inputs: u64) {
        let mut inner = self.lock();
        if inner.violation.is_some() {
            return;
        }
        let judge = &inner.judge;
        let verdict = if inputs.is_multiple_of(COMPARE_EVERY) {
            judge.compare(hub)
        } else {
            judge.balance(hub.sizes().sessions, hub.counters())
        };
        if let Err(violation) = verdict {
            inner.violation = Some(violation);
            self.0.violated.notify_waiters();
        }
    }

    /// Adds a violation that no single event shows.
    pub fn accuse(&self, violation: Violation) {
        self.lock().violation.get_or_insert(violation);
        self.0.violated.notify_waiters();
    }

    /// How many events there were so far.
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    pub fn is_violated(&self) -> bool {
        self.lock().violation.is_some()
    }

    /// Ends with the first violation.
    pub async fn violated(&self) {
        loop {
            let notified = self.0.violated.notified();
            if self.is_violated() {
                return;
            }
            notified.await;
        }
    }

    /// Ends when `who` has seen what is expected; it and everything before it is then seen.
    pub async fn sees(&self, who: &Who, expected: &Expectation) {
        self.until(|inboxes| inboxes.take(who, expected)).await;
    }

    /// Ends when the latest connection is closed, with the code of its close frame.
    pub async fn closed(&self, who: &Who) -> Option<u16> {
        let mut code = None;
        self.until(|inboxes| {
            let closed = inboxes.closed(who);
            code = closed.flatten();
            closed.is_some()
        })
        .await;
        code
    }

    /// The types of what has come to `who` and was not expected so far.
    pub fn unseen(&self, who: &Who) -> Vec<String> {
        self.lock().inboxes.unseen(who)
    }

    /// Whether the probe has arrived.
    pub fn has_probe(&self, payload: &str) -> bool {
        self.lock().inboxes.has_probe(payload)
    }

    async fn until(&self, mut come: impl FnMut(&mut Inboxes) -> bool) {
        loop {
            let notified = self.0.arrived.notified();
            if come(&mut self.lock().inboxes) {
                return;
            }
            notified.await;
        }
    }

    /// Looks at the hub as the history tells it.
    pub fn shadow<T>(&self, look: impl FnOnce(&Shadow) -> T) -> T {
        look(self.lock().judge.shadow())
    }

    /// Ends the recording.
    pub fn finish(&self) -> Recording {
        let mut inner = self.lock();
        Recording {
            events: std::mem::take(&mut inner.events).into(),
            count: inner.count,
            hub_inputs: inner.hub_inputs,
            sightings: inner.watch.sightings(inner.seed),
            shapes: std::mem::take(&mut inner.shapes),
            violation: inner.violation.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
