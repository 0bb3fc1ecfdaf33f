//! A session's recent requests: a token bucket in thousandths of a token, which may go into debt.

use std::time::Duration;

use crate::hub::Config;
use crate::time::Timestamp;

/// The cost of the lightest request.
const TOKEN: u64 = 1_000;

/// A bucket's rate and size; at a rate of zero it is never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub per_second: u32,
    pub burst: u32,
}

impl RateLimit {
    pub fn of_requests(config: &Config) -> Self {
        Self { per_second: config.rate_limit_per_second, burst: config.rate_limit_burst }
    }

    /// Without a limit on requests there is none on pings.
    pub fn of_pings(config: &Config) -> Self {
        let per_second = match config.rate_limit_per_second {
            0 => 0,
            _ => config.ping_limit_per_second,
        };
        Self { per_second, burst: config.ping_limit_burst }
    }
}

/// The bucket of one session. It begins full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct RateLimiter {
    /// The tokens missing from a full bucket; in debt, more than fit into it.
    spent: u64,
    /// The time that `spent` is of.
    at: Timestamp,
    /// When the session last heard of a tell that came too soon.
    told: Option<Timestamp>,
}

impl RateLimiter {
    /// Checks that there is a token; if not, returns the wait for one.
    pub fn check(&mut self, now: Timestamp, limit: RateLimit) -> Result<(), Duration> {
        let rate = u64::from(limit.per_second);
        if rate == 0 {
            return Ok(());
        }
        let size = u64::from(limit.burst.max(1)) * TOKEN;
        // A rate of one token per second is a thousandth of a token per millisecond.
        let refilled = (now.since(self.at).as_millis() as u64).saturating_mul(rate);
        self.spent = self.spent.saturating_sub(refilled);
        self.at = self.at.max(now);
        let missing = (self.spent + TOKEN).saturating_sub(size);
        if missing > 0 {
            return Err(Duration::from_millis(missing.div_ceil(rate)));
        }
        Ok(())
    }

    /// Takes tokens, whether they are there or not.
    pub fn debit(&mut self, tokens: u64, limit: RateLimit) {
        if limit.per_second > 0 {
            self.spent = self.spent.saturating_add(tokens.saturating_mul(TOKEN));
        }
    }

    /// Returns whether the session may hear of one more tell: at most one per second.
    pub fn may_tell(&mut self, now: Timestamp) -> bool {
        const EVERY: Duration = Duration::from_secs(1);
        let due = self.told.is_none_or(|told| now.since(told) >= EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_millis(milliseconds)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let limit = RateLimit { per_second: 3, burst: 2 };
        let mut limiter = RateLimiter::default();
        let mut take = |now| {
            limiter.check(at(now), limit).map_err(|wait| wait.as_millis())?;
            limiter.debit(1, limit);
            Ok(())
        };
        assert_eq!([take(1_000), take(1_000)], [Ok(()); 2]);
        assert_eq!(take(1_000), Err(334));
        assert_eq!(take(1_333), Err(1));
        assert_eq!(take(1_334), Ok(()));
        assert_eq!([take(9_000), take(9_000)], [Ok(()); 2]);
        assert_eq!(take(9_000), Err(334));
    }

    #[test]
    fn without_a_rate_everything_goes() {
        let limit = RateLimit { per_second: 0, burst: 0 };
        let mut limiter = RateLimiter::default();
        for _ in 0..10_000 {
            assert!(limiter.check(at(0), limit).is_ok());
            limiter.debit(u64::MAX, limit);
        }
    }

    #[test]
    fn debts_are_paid_before_anything_else_goes() {
        let limit = RateLimit { per_second: 10, burst: 2 };
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.check(at(1_000), limit), Ok(()));
        limiter.debit(12, limit);
        assert_eq!(limiter.check(at(1_000), limit), Err(Duration::from_millis(1_100)));
        assert_eq!(limiter.check(at(2_099), limit), Err(Duration::from_millis(1)));
        assert_eq!(limiter.check(at(2_100), limit), Ok(()));
    }

    #[test]
    fn who_may_ask_without_end_may_ping_without_end() {
        let config = Config { rate_limit_per_second: 0, ..Config::default() };
        assert_eq!(RateLimit::of_pings(&config).per_second, 0);
        assert_eq!(RateLimit::of_pings(&Config::default()).per_second, 100);
    }
}
