//! Real time as the network goes by it.

use std::task::{Context, Waker};
use std::time::Duration;

use crate::net::{Alarm, Clock};
use crate::runtime::{Runtime, Tokio};

pub struct RealClock {
    began: Duration,
}

impl RealClock {
    /// Begins the time of the run.
    pub fn begin() -> Self {
        Self { began: Tokio.monotonic() }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        Tokio.monotonic().saturating_sub(self.began)
    }

    fn alarm(&self, at: Duration, driver: &Waker) -> Option<Alarm> {
        let pause = at.saturating_sub(self.now());
        // A task that has done much is told by a sleep to wait, which would then set no timer.
        let mut sleep = Box::pin(tokio::task::unconstrained(Tokio.sleep(pause)));
        let rings = sleep.as_mut().poll(&mut Context::from_waker(driver)).is_ready();
        (!rings).then(|| Box::new(sleep) as Alarm)
    }
}
