//! A rate limit: a number per second, and as many at once after a pause.

use std::time::Duration;

/// Counts events that are due at even intervals; a second's worth may come early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionRateLimiter {
    /// Zero: no bound.
    interval: Duration,
    due: Duration,
}

impl ConnectionRateLimiter {
    /// At most `count` per second; zero: no bound.
    pub(super) fn per_second(count: u64) -> Self {
        let interval = match count {
            0 => Duration::ZERO,
            count => Duration::from_nanos((1_000_000_000 / count).max(1)),
        };
        Self { interval, due: Duration::ZERO }
    }

    /// Counts one. Returns how long it has to wait, if it has to.
    pub(super) fn take(&mut self, now: Duration) -> Option<Duration> {
        let wait = self.wait(now);
        self.due = self.due.max(now) + self.interval;
        wait
    }

    /// Counts one if it is within the limit, and returns whether it is.
    pub(super) fn admits(&mut self, now: Duration) -> bool {
        let admits = self.wait(now).is_none();
        if admits {
            self.due = self.due.max(now) + self.interval;
        }
        admits
    }

    /// Returns whether nothing counted still matters.
    pub(super) fn is_at_rest(&self, now: Duration) -> bool {
        self.due <= now
    }

    fn wait(&self, now: Duration) -> Option<Duration> {
        let next = self.due.max(now) + self.interval;
        let early = next.saturating_sub(now).saturating_sub(Duration::from_secs(1));
        (early > Duration::ZERO && self.interval > Duration::ZERO).then_some(early)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_seconds_worth_may_come_at_once_and_the_next_waits_for_its_turn() {
        let mut limiter = ConnectionRateLimiter::per_second(4);
        let waits = [(); 6].map(|()| limiter.take(SECOND));
        let millis = |count| Some(Duration::from_millis(count));
        assert_eq!(waits, [None, None, None, None, millis(250), millis(500)]);
        assert_eq!(limiter.take(SECOND * 4), None);
    }

    #[test]
    fn what_is_beyond_the_limit_is_turned_away_and_does_not_count() {
        let mut limiter = ConnectionRateLimiter::per_second(2);
        let admitted = [(); 4].map(|()| limiter.admits(SECOND));
        assert_eq!(admitted, [true, true, false, false]);
        assert!(!limiter.is_at_rest(SECOND));
        assert!(limiter.admits(SECOND + SECOND / 2));
        assert!(limiter.is_at_rest(SECOND * 3));
    }

    #[test]
    fn zero_is_no_bound() {
        let mut limiter = ConnectionRateLimiter::per_second(0);
        assert!((0..1_000).all(|_| limiter.take(SECOND).is_none() && limiter.admits(SECOND)));
    }
}
