//! When a node has to look at something again, and how much of each session waits.

use super::Cluster;
use crate::hub::SessionKey;
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// What waits, and not for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A write that nobody answered.
    Retry(ActorAddress),
    /// A session that claims an address.
    Claim(SessionKey),
    /// Replies that wait for the row of an address.
    Withheld(ActorAddress),
}

impl Cluster {
    /// When it has something to do.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let timers = self.timers.first().map(|(at, _)| *at);
        let own = self.life.next().filter(|_| self.reached).into_iter().chain(self.relays.next());
        let watch = self.watch.iter().filter(|_| self.reached);
        let watched = watch.map(|watch| watch.since + self.config.staleness_max);
        own.chain(timers).chain(watched).min()
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let is_due = self.timers.first().is_some_and(|(at, _)| *at <= now);
        if is_due { self.timers.pop_first().map(|(_, timer)| timer) } else { None }
    }

    /// One request more of the session waits.
    pub(super) fn begins_to_wait(&mut self, key: SessionKey) {
        *self.waiting.entry(key).or_default() += 1;
    }

    /// One request less does.
    pub(super) fn waits_no_more(&mut self, key: SessionKey) {
        if let Some(waiting) = self.waiting.get_mut(&key) {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&key);
            }
        }
    }
}
