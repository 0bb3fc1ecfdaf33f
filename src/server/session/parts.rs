//! The bytes of an unfinished message are signs of life, unless they come too slowly.

use std::time::Duration;

use crate::protocol::framing::FrameMeter;

/// The least time between two reports of them.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The progress of an unfinished message. A longer time than the pause between two looks counts as
/// that pause: nobody is slow while the process stands still.
#[derive(Debug)]
pub(super) struct Parts {
    pause: Duration,
    message: Option<u64>,
    patience: Duration,
    lasted: Duration,
    looked: Duration,
    /// When the next report may be made; none before the first one.
    rested: Option<Duration>,
    has_news: bool,
}

impl Parts {
    pub(super) fn new(ping_interval: Duration) -> Self {
        Self {
            pause: (ping_interval / 4).max(PAUSE_MIN),
            message: None,
            patience: Duration::ZERO,
            lasted: Duration::ZERO,
            looked: Duration::ZERO,
            rested: None,
            has_news: false,
        }
    }

    /// Notes bytes of a message of `declared` bytes. Returns whether to report a sign of life now.
    pub(super) fn part(&mut self, now: Duration, message: u64, declared: u64) -> bool {
        self.look(now);
        if self.message.replace(message) != Some(message) {
            (self.lasted, self.rested) = (Duration::ZERO, None);
        }
        (self.patience, self.has_news) = (FrameMeter::patience(declared), true);
        self.report_due(now)
    }

    /// The message is whole.
    pub(super) fn whole(&mut self) {
        self.message = None;
    }

    /// Returns whether to report bytes that came meanwhile now.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        self.look(now);
        self.report_due(now)
    }

    /// When the next tick is needed.
    pub(super) fn next_look(&self) -> Duration {
        match self.message {
            Some(_) if self.lasted < self.patience => {
                self.looked.saturating_add(self.pause).min(self.next_told())
            }
            Some(_) | None => Duration::MAX,
        }
    }

    fn look(&mut self, now: Duration) {
        if self.message.is_some() {
            self.lasted += now.saturating_sub(self.looked).min(self.pause);
        }
        self.looked = now;
    }

    fn report_due(&mut self, now: Duration) -> bool {
        let too_slow =
            self.rested.is_some() && !self.lasted.is_zero() && self.lasted >= self.patience;
        let told = self.message.is_some() && !too_slow && now >= self.next_told();
        if told {
            let left = self.patience.saturating_sub(self.lasted).max(PAUSE_MIN);
            self.rested = Some(now.saturating_add(left.min(self.pause)));
            self.has_news = false;
        }
        told
    }

    fn next_told(&self) -> Duration {
        if self.has_news { self.rested.unwrap_or_default() } else { Duration::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const DECLARED: u64 = 80 * 1024;

    /// The seconds at which a message of 80 KiB, coming in these parts, is reported as a sign of
    /// life.
    fn told(parts: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut state = Parts::new(Duration::from_secs(8));
        let mut told = Vec::new();
        let (mut now, mut parts) = (0, parts.into_iter().peekable());
        while let Some(next) = parts.peek().copied() {
            let look = u64::try_from(state.next_look().as_millis()).unwrap_or(u64::MAX);
            now = look.clamp(now, 1_000 * next);
            let at = MILLISECOND * now as u32;
            let is_told = if now == 1_000 * next {
                parts.next();
                state.part(at, 1, DECLARED)
            } else {
                state.tick(at)
            };
            told.extend(is_told.then_some(now / 1_000));
        }
        told
    }

    #[test]
    fn bytes_are_a_sign_of_life_for_as_long_as_they_should_take() {
        assert_eq!(told(0..30), [0, 2, 4, 6, 8]);
    }

    #[test]
    fn what_comes_after_long_pauses_is_too_slow_as_well() {
        assert_eq!(told([0, 9, 18, 27]), [0, 9]);
    }

    #[test]
    fn while_nobody_looks_nobody_is_slow() {
        let mut state = Parts::new(Duration::from_secs(8));
        assert!(state.part(Duration::ZERO, 1, DECLARED));
        for pause in 1..=4 {
            assert!(state.part(Duration::from_secs(60 * pause), 1, DECLARED), "{pause}");
        }
        assert!(!state.part(Duration::from_secs(300), 1, DECLARED));
    }

    #[test]
    fn the_next_message_begins_anew() {
        let mut state = Parts::new(Duration::from_secs(8));
        assert!(state.part(Duration::ZERO, 1, DECLARED));
        state.whole();
        assert_eq!(state.next_look(), Duration::MAX);
        assert!(state.part(MILLISECOND, 2, DECLARED));
    }
}
