//! The time that a network goes by, and the alarms that wake its driver.

use std::task::Waker;
use std::time::Duration;

use crate::executor::{Current, Executor};

/// A clock that the network is driven by.
pub trait Clock: Send {
    /// Time since the run began.
    fn now(&self) -> Duration;

    /// An alarm that wakes the driver at `at`, for as long as it is kept; none if that time has come.
    fn alarm(&self, at: Duration, driver: &Waker) -> Option<Alarm>;
}

/// Nothing but what it takes to ring.
pub type Alarm = Box<dyn Send>;

/// Few alarms: an executor never takes one back, so one is set only if none rings earlier.
pub(super) struct Alarms {
    clock: Box<dyn Clock>,
    driver: Option<Waker>,
    /// When alarms ring; each one set is earlier than all before it.
    set: Vec<(Duration, Alarm)>,
}

impl Alarms {
    pub(super) fn new(clock: Box<dyn Clock>) -> Self {
        Self { clock, driver: None, set: Vec::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Alarms wake this one from now on.
    pub(super) fn know_driver(&mut self, driver: &Waker) {
        if self.driver.is_none() {
            self.driver = Some(driver.clone());
        }
    }

    /// No alarm rings any more that is not set already.
    pub(super) fn forget_driver(&mut self) -> Option<Waker> {
        self.driver.take()
    }

    pub(super) fn forget_rung(&mut self, now: Duration) {
        while self.set.last().is_some_and(|(at, _)| *at <= now) {
            self.set.pop();
        }
    }

    /// Sees to it that the driver is woken at `at` or before.
    pub(super) fn wake_by(&mut self, at: Duration) {
        if self.set.last().is_some_and(|(earliest, _)| *earliest <= at) {
            return;
        }
        let Some(driver) = &self.driver else { return };
        match self.clock.alarm(at, driver) {
            Some(alarm) => self.set.push((at, alarm)),
            None => driver.wake_by_ref(),
        }
    }
}

/// An executor's virtual time.
pub(super) struct VirtualClock(Current);

impl VirtualClock {
    /// The clock of the simulation that the caller runs in.
    pub(super) fn current() -> Self {
        Self(Current::current())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn alarm(&self, at: Duration, driver: &Waker) -> Option<Alarm> {
        // Nothing takes it back: what is kept is nothing.
        self.0.wake_at(at, driver).then(|| Box::new(()) as Alarm)
    }
}
