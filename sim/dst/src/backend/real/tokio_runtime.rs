//! The real world: tokio tasks, the system clock, TCP on the loopback.

#![allow(clippy::disallowed_methods, reason = "this is the one place that asks the real world")]

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The start of the monotonic clock.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The caller's tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokio;

impl Tokio {
    /// Runs `task` in the background.
    pub fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// Ends no earlier than `duration` from now.
    pub fn sleep(self, duration: Duration) -> tokio::time::Sleep {
        tokio::time::sleep(duration)
    }

    /// What the system's clock shows, since the Unix epoch.
    pub fn wall_clock(self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// How long the program has been running, about.
    pub fn monotonic(self) -> Duration {
        START.elapsed()
    }

    /// A seed that nobody can tell in advance.
    pub fn random_seed(self) -> [u8; 32] {
        rand::random()
    }
}
