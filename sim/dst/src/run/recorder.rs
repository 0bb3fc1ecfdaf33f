//! Takes down the events of a run and has each judged at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::inbox::Inboxes;
use crate::System;
use crate::coverage::Sightings;
use crate::history::{Event, What};
use crate::scenario::{Expectation, Scenario, What as Doing, Who};
use crate::verdict::{Judge, Time, Violation, Watch};

/// After so many hub inputs the shape of the hub is looked at again.
const SHAPE_EVERY: u64 = 16;

/// How much of a history is kept after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The whole of it.
    All,
    /// None, of a run that can be played again.
    Nothing,
    /// The last so many events: enough for the picture of a failure.
    Last(usize),
}

/// A handle to the history of one run.
pub struct Recorder<S: System>(Arc<Shared<S>>);

struct Shared<S: System> {
    violated: Notify,
    arrived: Notify,
    inner: Mutex<Inner<S>>,
}

struct Inner<S: System> {
    keep: Keep,
    seed: u64,
    judge: S::Judge,
    watch: S::Watch,
    shapes: BTreeSet<S::Shape>,
    inboxes: Inboxes<S>,
    events: VecDeque<Event<S>>,
    count: u64,
    hub_inputs: u64,
    violation: Option<Violation<S>>,
}

impl<S: System> Clone for Recorder<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: System> Inner<S> {
    fn take_down(&mut self, event: &Event<S>) -> Result<(), Violation<S>> {
        self.count += 1;
        self.watch.observe(event, &self.judge);
        let verdict = self.judge.observe(event);
        if matches!(event.what, What::Hub(_)) {
            self.hub_inputs += 1;
            if self.hub_inputs.is_multiple_of(SHAPE_EVERY) {
                self.shapes.insert(self.watch.shape(&self.judge));
            }
        }
        verdict
    }

    fn keep(&mut self, event: Event<S>) {
        match self.keep {
            Keep::Nothing => return,
            Keep::Last(most) if self.events.len() >= most => drop(self.events.pop_front()),
            Keep::Last(_) | Keep::All => {}
        }
        self.events.push_back(event);
    }
}

/// What a run leaves behind.
pub struct Recording<S: System> {
    /// As many of the events as were to be kept.
    pub events: Vec<Event<S>>,
    /// How many events there were.
    pub count: u64,
    /// How many of them were inputs of the hub.
    pub hub_inputs: u64,
    /// How often each situation came up.
    pub sightings: Sightings<S::Situation>,
    /// The shapes that the hub had.
    pub shapes: BTreeSet<S::Shape>,
    /// The first violation; the last event is the one that broke it.
    pub violation: Option<Violation<S>>,
}

impl<S: System> Recorder<S> {
    /// Takes down a run of `scenario`.
    pub fn new(scenario: &Scenario<S>, keep: Keep, time: Time) -> Self {
        let expecting = scenario.steps.iter().filter_map(|step| match &step.what {
            Doing::Act { who, act, .. } => act.expects().map(|_| who.clone()),
            Doing::Hub(_) | Doing::Network(_) => None,
        });
        let inner = Inner {
            keep,
            seed: scenario.seed,
            watch: S::Watch::new(scenario),
            shapes: BTreeSet::new(),
            judge: S::Judge::new(scenario, time),
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
    pub fn record(&self, at: Duration, what: What<S>) {
        let event = Event { at, what };
        let mut inner = self.lock();
        if self.judge(&mut inner, &event) {
            inner.keep(event);
        }
    }

    /// The same for whoever still needs what it tells: a copy is made only if it is kept.
    pub fn record_and_return(&self, at: Duration, what: What<S>) -> What<S> {
        let event = Event { at, what };
        let mut inner = self.lock();
        if self.judge(&mut inner, &event) && inner.keep != Keep::Nothing {
            inner.keep(event.clone());
        }
        event.what
    }

    /// Returns whether the event is part of the history.
    fn judge(&self, inner: &mut Inner<S>, event: &Event<S>) -> bool {
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

    /// Has the judge look at something beside the history.
    pub fn check(&self, look: impl FnOnce(&S::Judge) -> Result<(), Violation<S>>) {
        let mut inner = self.lock();
        if inner.violation.is_some() {
            return;
        }
        if let Err(violation) = look(&inner.judge) {
            inner.violation = Some(violation);
            self.0.violated.notify_waiters();
        }
    }

    /// Adds a violation that no single event shows.
    pub fn accuse(&self, violation: Violation<S>) {
        self.lock().violation.get_or_insert(violation);
        self.0.violated.notify_waiters();
    }

    /// How many events there were so far.
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Returns whether an invariant is broken.
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

    /// Returns whether the probe has arrived.
    pub fn has_probe(&self, payload: &str) -> bool {
        self.lock().inboxes.has_probe(payload)
    }

    async fn until(&self, mut come: impl FnMut(&mut Inboxes<S>) -> bool) {
        loop {
            let notified = self.0.arrived.notified();
            if come(&mut self.lock().inboxes) {
                return;
            }
            notified.await;
        }
    }

    /// What the judge knows of the run so far.
    pub fn look<T>(&self, look: impl FnOnce(&S::Judge) -> T) -> T {
        look(&self.lock().judge)
    }

    /// Ends the recording.
    pub fn finish(&self) -> Recording<S> {
        let mut inner = self.lock();
        Recording {
            events: std::mem::take(&mut inner.events).into(),
            count: inner.count,
            hub_inputs: inner.hub_inputs,
            sightings: inner.watch.sightings(inner.seed, &inner.judge),
            shapes: std::mem::take(&mut inner.shapes),
            violation: inner.violation.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
