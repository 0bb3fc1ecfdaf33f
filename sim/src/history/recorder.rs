//! Takes down the events of a run and has each judged at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Event, What};
use crate::invariants::{Judge, Violation, World};

/// How much of a history is kept after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    /// The last so many events: enough for the picture of a failure.
    Last(usize),
}

/// A handle to the history of one run.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    violated: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    keep: Keep,
    judge: Judge,
    events: VecDeque<Event>,
    count: u64,
    hub_inputs: u64,
    violation: Option<Violation>,
}

/// What a run leaves behind.
pub struct Recording {
    pub events: Vec<Event>,
    pub count: u64,
    pub hub_inputs: u64,
    /// The first violation; the last event is the one that broke it.
    pub violation: Option<Violation>,
}

impl Recorder {
    pub fn new(keep: Keep) -> Self {
        let inner = Inner {
            keep,
            judge: Judge::new(),
            events: VecDeque::new(),
            count: 0,
            hub_inputs: 0,
            violation: None,
        };
        Self(Arc::new(Shared { violated: Notify::new(), inner: Mutex::new(inner) }))
    }

    /// Takes down and judges one event. After a violation nothing more is taken down.
    pub fn record(&self, at: Duration, what: What) {
        let mut inner = self.lock();
        if inner.violation.is_some() {
            return;
        }
        let event = Event { at, what };
        inner.count += 1;
        inner.hub_inputs += u64::from(matches!(event.what, What::Hub(_)));
        let verdict = inner.judge.observe(&event);
        if let Keep::Last(most) = inner.keep
            && inner.events.len() >= most
        {
            inner.events.pop_front();
        }
        inner.events.push_back(event);
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

    /// Looks at the hub as the history tells it.
    pub fn world<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(self.lock().judge.world())
    }

    /// Ends the recording.
    pub fn finish(&self) -> Recording {
        let mut inner = self.lock();
        Recording {
            events: std::mem::take(&mut inner.events).into(),
            count: inner.count,
            hub_inputs: inner.hub_inputs,
            violation: inner.violation.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
