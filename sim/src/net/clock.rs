//! Virtual time, and the one alarm that wakes the network's driver. Few timers: madsim never cancels
//! one, so an alarm is set only if none rings earlier.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use madsim::time::TimeHandle;

pub(super) struct Clock {
    time: TimeHandle,
    origin: Instant,
    driver: Option<Waker>,
    /// When alarms ring; each one set is earlier than all before it.
    alarms: Vec<Duration>,
}

impl Clock {
    /// The clock of the madsim runtime that the caller runs in.
    pub(super) fn current() -> Self {
        let time = TimeHandle::current();
        let origin = time.now_instant() - time.elapsed();
        Self { time, origin, driver: None, alarms: Vec::new() }
    }

    /// Virtual time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.time.elapsed()
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
        while self.alarms.last().is_some_and(|at| *at <= now) {
            self.alarms.pop();
        }
    }

    /// Sees to it that the driver is woken at `at` or before.
    pub(super) fn wake_by(&mut self, at: Duration) {
        if self.alarms.last().is_some_and(|earliest| *earliest <= at) {
            return;
        }
        let (Some(driver), Some(deadline)) = (&self.driver, self.origin.checked_add(at)) else {
            return;
        };
        let mut sleep = self.time.sleep(Duration::ZERO);
        // A new sleep lasts at least 1 ms; one that is reset is exact.
        Pin::new(&mut sleep).reset(deadline);
        match Future::poll(Pin::new(&mut sleep), &mut Context::from_waker(driver)) {
            Poll::Ready(()) => driver.wake_by_ref(),
            Poll::Pending => self.alarms.push(at),
        }
    }
}
