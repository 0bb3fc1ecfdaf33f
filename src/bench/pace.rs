//! When a lane may send its next message.

use std::time::Duration;

/// Messages of one lane that may be under way, however many are due.
pub const UNDER_WAY_MAX: usize = 1 << 16;

/// What all lanes have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    pub loop_: Loop,
    /// The most that one lane sends; none: no end.
    pub messages_max: Option<u64>,
}

/// What lets the next message go.
#[derive(Debug, Clone, PartialEq)]
pub enum Loop {
    /// The end of another one: so many may be under way.
    Closed { window: usize },
    /// The clock, whatever became of those before.
    Open(Schedule),
}

/// The moments at which messages are due, evenly over time and over the lanes in turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub begin: Duration,
    pub per_second: f64,
    pub lanes: usize,
}

impl Schedule {
    /// When the message is due that is the `nth` of its lane, counted from 0.
    pub fn due(&self, lane: usize, nth: u64) -> Duration {
        self.due_of_all(nth * self.lanes as u64 + lane as u64)
    }

    /// When the message is due that is the `nth` of all lanes.
    pub fn due_of_all(&self, nth: u64) -> Duration {
        self.begin + Duration::from_secs_f64(nth as f64 / self.per_second)
    }
}

impl Pace {
    /// The moment from which latency counts, if a lane may send now that has sent `sent` messages
    /// and has `under_way` of them still open.
    pub fn due(&self, lane: usize, sent: u64, under_way: usize, now: Duration) -> Option<Duration> {
        let (window, due) = match &self.loop_ {
            Loop::Closed { window } => (*window, now),
            Loop::Open(schedule) => (UNDER_WAY_MAX, schedule.due(lane, sent)),
        };
        let may = self.messages_max.is_none_or(|max| sent < max) && under_way < window;
        (may && due <= now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn scheduled() -> Schedule {
        Schedule { begin: ms(1_000), per_second: 100.0, lanes: 4 }
    }

    #[test]
    fn a_closed_loop_has_its_window_under_way_and_counts_from_now() {
        let pace = Pace { loop_: Loop::Closed { window: 2 }, messages_max: None };
        assert_eq!(pace.due(0, 7, 1, ms(5)), Some(ms(5)));
        assert_eq!(pace.due(0, 7, 2, ms(5)), None);
    }

    #[test]
    fn lanes_take_turns_at_the_rate_of_all() {
        let dues: Vec<_> = (0..6).map(|nth| scheduled().due(nth % 4, nth as u64 / 4)).collect();
        assert_eq!(dues, [1_000, 1_010, 1_020, 1_030, 1_040, 1_050].map(ms));
    }

    #[test]
    fn an_open_loop_counts_from_the_moment_a_message_was_due_however_late_it_goes() {
        let pace = Pace { loop_: Loop::Open(scheduled()), messages_max: None };
        assert_eq!(pace.due(1, 0, 0, ms(1_009)), None);
        assert_eq!(pace.due(1, 0, 99, ms(1_010)), Some(ms(1_010)));
        assert_eq!(pace.due(1, 0, 99, ms(7_000)), Some(ms(1_010)));
        assert_eq!(pace.due(1, 0, UNDER_WAY_MAX, ms(7_000)), None);
    }

    #[test]
    fn a_lane_with_a_last_message_sends_no_more() {
        let pace = Pace { loop_: Loop::Closed { window: 9 }, messages_max: Some(3) };
        assert_eq!(pace.due(0, 2, 0, ms(1)), Some(ms(1)));
        assert_eq!(pace.due(0, 3, 0, ms(1)), None);
    }
}
