//! What runs the tasks of a simulation: virtual time, an order that the seed decides, nodes that are killed and
//! paused. madsim does so where everything is built with `--cfg madsim`; elsewhere one of our own does, which
//! asks for no flag.
//!
//! What madsim has beyond it: it answers libc's `clock_gettime` and `getrandom`, so that code which asks the
//! system for the time, for random bytes or for the seeds of a hash map is the same in each run, too. Under
//! ours such code is not; `run --check-determinism` finds out. A seed is another run under each of them.
//!
//! ```
//! use std::future::poll_fn;
//! use std::task::Poll;
//! use std::time::Duration;
//!
//! use dst::executor::{Current, Executor, Node};
//!
//! /// Ends at that time of the simulation.
//! async fn until(at: Duration) {
//!     poll_fn(|context| {
//!         let is_to_come = Current::current().wake_at(at, context.waker());
//!         if is_to_come { Poll::Pending } else { Poll::Ready(()) }
//!     })
//!     .await
//! }
//!
//! let hour = Duration::from_secs(3600);
//! let elapsed = Current::run(1, async move {
//!     let executor = Current::current();
//!     let hub = executor.node("hub");
//!     hub.spawn(Box::pin(async move {
//!         until(hour / 2).await;
//!         panic!("it was killed before");
//!     }));
//!     until(hour / 4).await;
//!     hub.kill();
//!     until(hour).await;
//!     executor.elapsed()
//! });
//! assert!(elapsed >= hour && elapsed < hour + Duration::from_secs(1));
//! ```

use std::pin::Pin;
use std::task::Waker;
use std::time::Duration;

#[cfg(madsim)]
mod with_madsim;
#[cfg(any(test, not(madsim)))]
mod without_flag;

#[cfg(test)]
mod tests;

#[cfg(madsim)]
pub use with_madsim::Madsim as Current;
#[cfg(not(madsim))]
pub use without_flag::Own as Current;

/// A node of the executor that this is built with.
pub type CurrentNode = <Current as Executor>::Node;

/// What runs in the background.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the tasks of one simulation, on one thread. A clone is another handle to the same.
pub trait Executor: Clone + Send + Sync + 'static {
    /// Where tasks run that live and die together.
    type Node: Node;

    /// Runs `main` as the first task of a simulation, until it ends.
    ///
    /// # Panics
    /// If `main` or another task does, or if nothing is left that could wake one.
    fn run<T>(seed: u64, main: impl Future<Output = T>) -> T;

    /// The one that the caller is a task of.
    ///
    /// # Panics
    /// Outside of a simulation.
    fn current() -> Self;

    /// Virtual time since the beginning. It goes on a little with each task that is polled, and leaps to the
    /// next time at which one wants to be woken when all of them wait.
    fn elapsed(&self) -> Duration;

    /// Wakes at that time, for sure: nothing takes it back. Returns false, and does nothing, if it has come.
    fn wake_at(&self, at: Duration, waker: &Waker) -> bool;

    /// Runs the task on the caller's node.
    fn spawn(&self, task: Task);

    /// A new node; panics of its tasks are told with its name.
    fn node(&self, name: &str) -> Self::Node;
}

/// Tasks that live and die together. A clone is another handle to the same.
pub trait Node: Clone + Send + Sync + 'static {
    /// Runs the task here, for as long as the node lives.
    fn spawn(&self, task: Task);

    /// Drops each of its tasks, in place of polling it again.
    fn kill(&self);

    /// Polls none of its tasks until the node is resumed.
    fn pause(&self);

    /// Polls the tasks again that were woken since.
    fn resume(&self);
}
