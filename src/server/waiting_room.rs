//! Where sessions wait whose hub:connect was refused, as long as nobody else needs their place.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    is_wanted: AtomicBool,
    left: Notify,
}

impl WaitingRoom {
    /// Places are short: whoever waits goes, and nobody waits until there are enough.
    pub(super) fn clear(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.left.notify_waiters();
    }

    /// There are places enough.
    pub(super) fn open(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    /// Ends when the place of whoever waits is wanted.
    pub(super) async fn give_way(&self) {
        let left = self.left.notified();
        if !self.is_wanted.load(Ordering::Relaxed) {
            left.await;
        }
    }
}
