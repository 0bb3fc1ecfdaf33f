//! Holds sessions whose hub:connect was refused, while nobody else needs their place.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    is_wanted: AtomicBool,
    left: Notify,
}

impl WaitingRoom {
    /// Places are short: all who wait go, and nobody waits until [`Self::open`].
    pub(super) fn clear(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.left.notify_waiters();
    }

    /// There are enough places.
    pub(super) fn open(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    /// Ends when the caller's place is needed.
    pub(super) async fn give_way(&self) {
        let left = self.left.notified();
        if !self.is_wanted.load(Ordering::Relaxed) {
            left.await;
        }
    }
}
