//! How many requests a session has made lately: a token bucket in whole thousandths of a token.

use std::time::Duration;

use crate::hub::Config;
use crate::time::Timestamp;

/// What one request costs.
const TOKEN: u64 = 1_000;

/// The bucket of one session; it begins full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct RequestPace {
    /// What is missing from a full bucket.
    spent: u64,
    /// When `spent` was true.
    at: Timestamp,
    /// When the session was last told of a tell that it made too soon.
    told: Option<Timestamp>,
}

impl RequestPace {
    /// Takes a token, or tells how long there will be none.
    pub fn take(&mut self, now: Timestamp, config: &Config) -> Result<(), Duration> {
        let rate = u64::from(config.rate_limit_per_second);
        if rate == 0 {
            return Ok(());
        }
        let size = u64::from(config.rate_limit_burst.max(1)) * TOKEN;
        // A token is a thousandth a millisecond for each token a second.
        let refilled = (now.since(self.at).as_millis() as u64).saturating_mul(rate);
        self.spent = self.spent.saturating_sub(refilled);
        self.at = self.at.max(now);
        let missing = (self.spent + TOKEN).saturating_sub(size);
        if missing > 0 {
            return Err(Duration::from_millis(missing.div_ceil(rate)));
        }
        self.spent += TOKEN;
        Ok(())
    }

    /// Whether the session may be told of one more tell: at most one a second.
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
        let config = Config { rate_limit_per_second: 3, rate_limit_burst: 2, ..Config::default() };
        let mut pace = RequestPace::default();
        let mut take = |now| pace.take(at(now), &config).map_err(|wait| wait.as_millis());
        assert_eq!([take(1_000), take(1_000)], [Ok(()); 2]);
        assert_eq!(take(1_000), Err(334));
        assert_eq!(take(1_333), Err(1));
        assert_eq!(take(1_334), Ok(()));
        assert_eq!([take(9_000), take(9_000)], [Ok(()); 2]);
        assert_eq!(take(9_000), Err(334));
    }

    #[test]
    fn without_a_rate_everything_goes() {
        let config = Config { rate_limit_per_second: 0, ..Config::default() };
        let mut pace = RequestPace::default();
        assert!((0..10_000).all(|_| pace.take(at(0), &config).is_ok()));
    }
}
