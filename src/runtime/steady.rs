//! A clock to measure deadlines with: the wall clock may jump, but this one only drifts towards it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Runtime;
use crate::time::Timestamp;

/// The clock gains or loses at most 1/20, 5 %, of the time that passes.
const SLEW_DIVISOR: u32 = 20;
/// The wall clock counts whole milliseconds, so within one the two agree.
const GRAIN: Duration = Duration::from_millis(1);

/// Begins with the wall clock, never goes back, and approaches the wall clock again after it
/// jumped. Between two readings it advances as [`Runtime::monotonic`] does, give or take 5 %. A
/// clone is another handle to the same clock.
#[derive(Debug, Clone)]
pub struct SteadyClock<R> {
    runtime: R,
    reading: Arc<Mutex<Reading>>,
}

impl<R: Runtime> SteadyClock<R> {
    /// A clock that agrees with the wall clock.
    pub fn new(runtime: R) -> Self {
        let reading = Arc::new(Mutex::new(Reading::new(runtime.monotonic(), runtime.now())));
        Self { runtime, reading }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.read().0.timestamp()
    }

    /// The time of this clock when the wall clock shows `moment`.
    pub fn from_wall(&self, moment: Timestamp) -> Timestamp {
        let (reading, wall) = self.read();
        reading.from_wall(wall, moment)
    }

    /// The time of the wall clock when this clock shows `moment`.
    pub fn to_wall(&self, moment: Timestamp) -> Timestamp {
        let (reading, wall) = self.read();
        reading.to_wall(wall, moment)
    }

    /// Reads both clocks.
    fn read(&self) -> (Reading, Timestamp) {
        // A reading is always whole, so one that a panic left behind is as good as any other.
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = self.runtime.now();
        reading.advance(self.runtime.monotonic(), wall);
        (*reading, wall)
    }
}

/// What a [`SteadyClock`] shows: plain data, for whoever hands in both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The monotonic clock's time of the reading.
    at: Duration,
    /// The time since the Unix epoch; finer than a timestamp, so that many short steps add up.
    time: Duration,
}

impl Reading {
    /// Agrees with the wall clock.
    pub fn new(at: Duration, wall: Timestamp) -> Self {
        Self { at, time: since_epoch(wall) }
    }

    /// What it shows once the monotonic clock shows `at` and the wall clock `wall`.
    pub fn advance(&mut self, at: Duration, wall: Timestamp) {
        // Without time to slew in, nothing changes.
        let Some(elapsed) = at.checked_sub(self.at).filter(|elapsed| !elapsed.is_zero()) else {
            return;
        };
        self.at = at;
        self.time = self.time.saturating_add(elapsed);
        let wall = since_epoch(wall);
        let error = wall.abs_diff(self.time);
        if error <= GRAIN {
            return;
        }
        let correction = error.min(elapsed / SLEW_DIVISOR);
        self.time = if wall > self.time {
            self.time.saturating_add(correction)
        } else {
            self.time - correction
        };
    }

    /// The moment that it shows.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX))
    }

    /// [`SteadyClock::from_wall`], where the wall clock shows `wall`.
    pub fn from_wall(self, wall: Timestamp, moment: Timestamp) -> Timestamp {
        shifted(moment, self.ahead_of(wall))
    }

    /// [`SteadyClock::to_wall`], where the wall clock shows `wall`.
    pub fn to_wall(self, wall: Timestamp, moment: Timestamp) -> Timestamp {
        shifted(moment, self.ahead_of(wall).saturating_neg())
    }

    /// The milliseconds by which this is later than `wall`.
    fn ahead_of(self, wall: Timestamp) -> i64 {
        if since_epoch(wall).abs_diff(self.time) <= GRAIN {
            return 0;
        }
        let ahead = i128::from(self.timestamp().as_millis()) - i128::from(wall.as_millis());
        i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
    }
}

fn since_epoch(timestamp: Timestamp) -> Duration {
    Duration::from_millis(timestamp.as_millis())
}

fn shifted(moment: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp::from_millis(moment.as_millis().saturating_add_signed(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 10_000_000;
    const HOUR: i64 = 3_600_000;

    /// A wall clock that is off, and a steady one that has seen it jump.
    struct Clocks {
        reading: Reading,
        elapsed: Duration,
        wall_off: i64,
    }

    impl Clocks {
        fn off_by(wall_off: i64) -> Self {
            let reading = Reading::new(Duration::ZERO, Timestamp::from_millis(START));
            Self { reading, elapsed: Duration::ZERO, wall_off }
        }

        fn wall(&self) -> Timestamp {
            let right = START + self.elapsed.as_millis() as u64;
            Timestamp::from_millis(right.saturating_add_signed(self.wall_off))
        }

        /// Reads after each step; returns the steady clock's milliseconds for all of them.
        fn pass(&mut self, step: Duration, steps: u32) -> u64 {
            let before = self.reading.timestamp();
            for _ in 0..steps {
                let previous = self.reading;
                self.elapsed += step;
                self.reading.advance(self.elapsed, self.wall());
                assert!(previous.time <= self.reading.time, "the clock went back");
            }
            self.reading.timestamp().since(before).as_millis() as u64
        }
    }

    #[test]
    fn beside_a_wall_clock_that_does_not_jump_it_is_exact() {
        let mut clocks = Clocks::off_by(0);
        assert_eq!(clocks.pass(Duration::from_micros(333), 30_000), 9_990);
        assert_eq!(clocks.reading.ahead_of(clocks.wall()), 0);
    }

    #[test]
    fn a_jump_of_the_wall_clock_makes_it_at_most_five_percent_off() {
        let step = Duration::from_millis(7);
        assert_eq!(Clocks::off_by(HOUR).pass(step, 10_000), 73_500);
        assert_eq!(Clocks::off_by(-HOUR).pass(step, 10_000), 66_500);
        let whole = step * 10_000;
        assert_eq!(Clocks::off_by(HOUR).pass(whole, 1), 73_500);
        assert_eq!(Clocks::off_by(-HOUR).pass(whole, 1), 66_500);
    }

    #[test]
    fn twenty_times_a_jump_later_it_agrees_with_the_wall_clock() {
        for jump in [10_000, -10_000] {
            let mut clocks = Clocks::off_by(jump);
            clocks.pass(Duration::from_millis(100), 1_000);
            assert_eq!(clocks.reading.ahead_of(clocks.wall()), -jump / 2);
            clocks.pass(Duration::from_millis(100), 1_000);
            assert_eq!(clocks.reading.ahead_of(clocks.wall()), 0);
        }
    }

    #[test]
    fn a_wall_clock_in_the_first_or_the_last_moment_of_time_does_no_harm() {
        let mut clocks = Clocks::off_by(i64::MIN);
        assert_eq!(clocks.pass(Duration::from_secs(20), 1), 19_000);
        let mut clocks = Clocks::off_by(i64::MAX);
        assert_eq!(clocks.pass(Duration::from_secs(20), 1), 21_000);
        assert_eq!(shifted(Timestamp::from_millis(1), i64::MIN), Timestamp::from_millis(0));
    }
}
