//! madsim's executor.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::TimeHandle;

use super::{Executor, Node, Task};

/// A runtime of madsim.
#[derive(Clone)]
pub struct Madsim {
    time: TimeHandle,
    origin: Instant,
}

impl Executor for Madsim {
    type Node = MadsimNode;

    fn run<T>(seed: u64, main: impl Future<Output = T>) -> T {
        Runtime::with_seed_and_config(seed, madsim::Config::default()).block_on(main)
    }

    fn current() -> Self {
        let time = TimeHandle::current();
        let origin = time.now_instant() - time.elapsed();
        Self { time, origin }
    }

    fn elapsed(&self) -> Duration {
        self.time.elapsed()
    }

    fn wake_at(&self, at: Duration, waker: &Waker) -> bool {
        // What no clock shows never comes.
        let Some(deadline) = self.origin.checked_add(at) else { return true };
        let mut sleep = self.time.sleep(Duration::ZERO);
        // A new sleep lasts at least 1 ms; one that is reset is exact.
        Pin::new(&mut sleep).reset(deadline);
        Future::poll(Pin::new(&mut sleep), &mut Context::from_waker(waker)) == Poll::Pending
    }

    fn spawn(&self, task: Task) {
        madsim::task::spawn(task);
    }

    fn node(&self, name: &str) -> MadsimNode {
        MadsimNode(Handle::current().create_node().name(name).build())
    }
}

/// A node of madsim.
#[derive(Clone)]
pub struct MadsimNode(NodeHandle);

impl Node for MadsimNode {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn kill(&self) {
        Handle::current().kill(self.0.id());
    }

    fn pause(&self) {
        Handle::current().pause(self.0.id());
    }

    fn resume(&self) {
        Handle::current().resume(self.0.id());
    }
}
