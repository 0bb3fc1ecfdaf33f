//! Takes down the events of a run and has them judged, some at a time: what plays a run and what judges it are so much
//! code that a processor holds close by only one of them.

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

/// So many events and looks wait for the judge, where time is virtual: nobody can tell when they were judged.
const WAITING_MAX: usize = 512;

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

/// Looks at something beside the history.
type Look<S> = Box<dyn FnOnce(&<S as System>::Judge) -> Result<(), Violation<S>> + Send>;

/// What waits for the judge.
enum Waiting<S: System> {
    Event(Event<S>),
    Look(Look<S>),
}

struct Inner<S: System> {
    keep: Keep,
    waiting: Vec<Waiting<S>>,
    waiting_max: usize,
    /// When the latest event happened that was judged.
    judged: Duration,
    seed: u64,
    judge: S::Judge,
    watch: S::Watch,
    shapes: BTreeSet<S::Shape>,
    inboxes: Inboxes<S>,
    events: VecDeque<Event<S>>,
    count: u64,
    hub_inputs: u64,
    violation: Option<Violation<S>>,
    /// When the event happened that shows it.
    ended: Option<Duration>,
}

impl<S: System> Clone for Recorder<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: System> Inner<S> {
    /// Has judged what waits; returns whether that shows the first violation.
    fn judge(&mut self) -> bool {
        let before = self.violation.is_some();
        let mut waiting = std::mem::take(&mut self.waiting);
        for one in waiting.drain(..) {
            // After a violation nothing more is part of the history.
            if self.violation.is_some() {
                break;
            }
            let verdict = match one {
                Waiting::Event(event) => {
                    let verdict = self.take_down(&event);
                    self.keep(event);
                    verdict
                }
                Waiting::Look(look) => look(&self.judge),
            };
            if let Err(violation) = verdict {
                (self.violation, self.ended) = (Some(violation), Some(self.judged));
            }
        }
        self.waiting = waiting;
        self.violation.is_some() && !before
    }

    fn take_down(&mut self, event: &Event<S>) -> Result<(), Violation<S>> {
        self.judged = event.at;
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
    /// When that event happened, if one did: the run ended with it.
    pub ended: Option<Duration>,
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
            ended: None,
            waiting: Vec::new(),
            waiting_max: if time == Time::Virtual { WAITING_MAX } else { 1 },
            judged: Duration::ZERO,
        };
        let (violated, arrived) = (Notify::new(), Notify::new());
        Self(Arc::new(Shared { violated, arrived, inner: Mutex::new(inner) }))
    }

    /// Takes down one event, which is judged before anybody asks for what came of it. After a violation nothing more
    /// is taken down.
    pub fn record(&self, at: Duration, what: What<S>) {
        let event = Event { at, what };
        let mut inner = self.lock();
        if inner.inboxes.observe(&event) {
            self.0.arrived.notify_waiters();
        }
        self.wait(&mut inner, Waiting::Event(event));
    }

    /// Has the judge look at something beside the history, once it has judged the events so far.
    pub fn check(&self, look: impl FnOnce(&S::Judge) -> Result<(), Violation<S>> + Send + 'static) {
        self.wait(&mut self.lock(), Waiting::Look(Box::new(look)));
    }

    fn wait(&self, inner: &mut Inner<S>, what: Waiting<S>) {
        if inner.violation.is_some() {
            return;
        }
        inner.waiting.push(what);
        if inner.waiting.len() >= inner.waiting_max {
            self.judge(inner);
        }
    }

    fn judge(&self, inner: &mut Inner<S>) {
        if inner.judge() {
            self.0.violated.notify_waiters();
        }
    }

    /// Has the judge look at once at something beside the history.
    pub fn check_now(&self, look: impl FnOnce(&S::Judge) -> Result<(), Violation<S>>) {
        let mut inner = self.judged();
        if inner.violation.is_some() {
            return;
        }
        if let Err(violation) = look(&inner.judge) {
            (inner.violation, inner.ended) = (Some(violation), Some(inner.judged));
            self.0.violated.notify_waiters();
        }
    }

    /// Adds a violation that no single event shows.
    pub fn accuse(&self, violation: Violation<S>) {
        self.judged().violation.get_or_insert(violation);
        self.0.violated.notify_waiters();
    }

    /// How many events there were so far.
    pub fn count(&self) -> u64 {
        self.judged().count
    }

    /// Returns whether an invariant is broken.
    pub fn is_violated(&self) -> bool {
        self.judged().violation.is_some()
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
        look(&self.judged().judge)
    }

    /// Ends the recording.
    pub fn finish(&self) -> Recording<S> {
        let mut inner = self.judged();
        Recording {
            events: std::mem::take(&mut inner.events).into(),
            count: inner.count,
            hub_inputs: inner.hub_inputs,
            sightings: inner.watch.sightings(inner.seed, &inner.judge),
            shapes: std::mem::take(&mut inner.shapes),
            violation: inner.violation.clone(),
            ended: inner.ended,
        }
    }

    /// With everything judged that has happened.
    fn judged(&self) -> MutexGuard<'_, Inner<S>> {
        let mut inner = self.lock();
        self.judge(&mut inner);
        inner
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
