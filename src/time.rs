//! Time as the core knows it: a number that the caller passes in, never a clock that is read.
//!
//! ```
//! use std::time::Duration;
//!
//! use signal_hub::time::Timestamp;
//!
//! let now = Timestamp::from_millis(1_700_000_000_000);
//! let deadline = now + Duration::from_micros(1_500);
//! assert_eq!(deadline.as_millis(), 1_700_000_000_002, "a deadline is never early");
//! assert_eq!(deadline.since(now), Duration::from_millis(2));
//! assert_eq!(now.since(deadline), Duration::ZERO);
//! ```

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch (UTC).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The end of time.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `milliseconds` after the Unix epoch.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` before this one, or the epoch; a fraction of a millisecond is ignored.
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration, duration.subsec_millis())))
    }

    /// The time since `earlier`; zero if this moment is not after it.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the end of time. A fraction of a millisecond is rounded up, so that a deadline is
/// never early.
impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        let rest = duration.subsec_nanos().div_ceil(1_000_000);
        Timestamp(self.0.saturating_add(milliseconds(duration, rest)))
    }
}

/// Of whole seconds and the rest, without the wide arithmetic of [`Duration::as_millis`]: deadlines are
/// counted for every copy of a message.
const fn milliseconds(whole: Duration, rest: u32) -> u64 {
    whole.as_secs().saturating_mul(1_000).saturating_add(rest as u64)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Durations in files as people write them, `1m 30s`, for `#[serde(with = ...)]`.
pub mod duration_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration as text.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    /// Reads a duration from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_rounded_up_and_saturates() {
        let start = Timestamp::from_millis(10);
        assert_eq!(start + Duration::from_micros(1), Timestamp::from_millis(11));
        assert_eq!(start + Duration::MAX, Timestamp::from_millis(u64::MAX));
        assert_eq!(start + Duration::new(1, 999_000_001), Timestamp::from_millis(2_010));
        assert_eq!(
            Timestamp::from_millis(2_010).before(Duration::new(1, 999_999_999)),
            Timestamp::from_millis(11)
        );
        assert_eq!(start.before(Duration::MAX), Timestamp::default());
    }

    #[test]
    fn the_past_is_zero_away() {
        let (early, late) = (Timestamp::from_millis(3), Timestamp::from_millis(8));
        assert_eq!(late.since(early), Duration::from_millis(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
