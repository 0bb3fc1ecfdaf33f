//! The world of a process whose clocks are fast or slow.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dst::net::{SimListener, SimStream};
use dst::runtime::SimSleep;
use signal_hub::runtime::Runtime;
use signal_hub::time::Timestamp;

use crate::runtime::{Adapter, SimRuntime};

/// A runtime whose clocks gain so many millionths.
#[derive(Clone)]
pub struct Paced {
    pub runtime: SimRuntime,
    pub pace: i64,
}

const MILLION: u32 = 1_000_000;

impl Paced {
    /// What its clocks show of a time that has passed.
    fn shown(&self, time: Duration) -> Duration {
        let gained = time / MILLION * self.pace.unsigned_abs() as u32;
        if self.pace < 0 { time.saturating_sub(gained) } else { time + gained }
    }

    /// How long that takes.
    fn lasts(&self, shown: Duration) -> Duration {
        shown.mul_f64(f64::from(MILLION) / (f64::from(MILLION) + self.pace as f64))
    }
}

impl Runtime for Paced {
    type Stream = SimStream;
    type Listener = Adapter<SimListener>;
    type Sleep = SimSleep;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> SimSleep {
        // Beyond that, no run notices.
        self.runtime.sleep(self.lasts(duration.min(Duration::from_secs(1 << 28))))
    }

    fn now(&self) -> Timestamp {
        let (time, right) = (self.runtime.monotonic(), self.runtime.now());
        let shown = self.shown(time);
        if shown < time { right.before(time - shown) } else { right + (shown - time) }
    }

    fn monotonic(&self) -> Duration {
        self.shown(self.runtime.monotonic())
    }

    fn random_seed(&self) -> [u8; 32] {
        self.runtime.random_seed()
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener> {
        self.runtime.listen(address).await
    }

    async fn connect(&self, authority: &str) -> io::Result<SimStream> {
        self.runtime.connect(authority).await
    }
}
