//! The runtime trait on madsim: its tasks and virtual clock, our network, each host's own seed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use madsim::time::TimeHandle;
use signal_hub::runtime::{Listener, Runtime};
use signal_hub::time::Timestamp;

use crate::net::{Host, SimListener, SimStream};

/// The world as one simulated host has it. Tasks run on the madsim node of whoever spawns them.
#[derive(Debug, Clone)]
pub struct SimRuntime {
    host: Host,
}

impl SimRuntime {
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl Runtime for SimRuntime {
    type Stream = SimStream;
    type Listener = SimListener;
    type Sleep = SimSleep;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        madsim::task::spawn(task);
    }

    fn sleep(&self, duration: Duration) -> SimSleep {
        // Ten years outlast every run and do not overflow the clock.
        SimSleep::new(duration.min(Duration::from_secs(10 * 365 * 24 * 60 * 60)))
    }

    fn now(&self) -> Timestamp {
        let since_epoch =
            TimeHandle::current().now_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(milliseconds.saturating_add_signed(self.host.clock_skew()))
    }

    fn random_seed(&self) -> [u8; 32] {
        self.host.random_seed()
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<SimListener> {
        self.host.listen(address)
    }

    async fn connect(&self, authority: &str) -> io::Result<SimStream> {
        self.host.connect(authority).await
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        SimListener::accept(self).await
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(SimListener::local_address(self))
    }
}

/// A sleep in virtual time, at least 1 ms long. It sets one timer for each waker, where madsim's own
/// sets one at every poll and never takes one back.
#[derive(Debug)]
pub struct SimSleep {
    sleep: madsim::time::Sleep,
    /// Whom the timer wakes. Only compared: a waker kept here would keep the task that owns this
    /// sleep alive. The timer holds the waker itself, so the address stays its own.
    timed: Option<(usize, usize)>,
}

impl SimSleep {
    fn new(duration: Duration) -> Self {
        Self { sleep: madsim::time::sleep(duration), timed: None }
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_elapsed() {
            return Poll::Ready(());
        }
        let waker = Some(identity(context.waker()));
        if self.timed == waker {
            return Poll::Pending;
        }
        self.timed = waker;
        Pin::new(&mut self.sleep).poll(context)
    }
}

fn identity(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}
