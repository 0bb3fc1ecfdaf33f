//! The bytes of an unfinished message are signs of life, unless they come too slowly.

use std::time::Duration;

use crate::protocol::framing::FrameMeter;

/// The least time between two reports of them.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The progress of an unfinished message, if there is one.
#[derive(Debug, Default)]
pub(super) struct Parts(Option<Box<Unfinished>>);

/// A longer time than the pause between two looks counts as that pause: nobody is slow while the
/// process stands still.
#[derive(Debug)]
struct Unfinished {
    message: u64,
    pause: Duration,
    patience: Duration,
    lasted: Duration,
    looked: Duration,
    /// When the next report may be made; none before the first one.
    rested: Option<Duration>,
    has_news: bool,
}

impl Parts {
    /// Notes bytes of a message of `declared` bytes. Returns whether to report a sign of life now.
    pub(super) fn part(
        &mut self,
        now: Duration,
        ping_interval: Duration,
        message: u64,
        declared: u64,
    ) -> bool {
        let unfinished = match &mut self.0 {
            Some(unfinished) if unfinished.message == message => unfinished,
            other => other.insert(Box::new(Unfinished::new(now, ping_interval, message))),
        };
        unfinished.look(now);
        (unfinished.patience, unfinished.has_news) = (FrameMeter::patience(declared), true);
        unfinished.report_due(now)
    }

    /// The message is whole.
    pub(super) fn whole(&mut self) {
        self.0 = None;
    }

    /// Returns whether to report bytes that came meanwhile now.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        self.0.as_mut().is_some_and(|unfinished| {
            unfinished.look(now);
            unfinished.report_due(now)
        })
    }

    /// When the next tick is needed.
    pub(super) fn next_look(&self) -> Duration {
        self.0.as_ref().map_or(Duration::MAX, |unfinished| unfinished.next_look())
    }
}

impl Unfinished {
    fn new(now: Duration, ping_interval: Duration, message: u64) -> Self {
        Self {
            message,
            pause: (ping_interval / 4).max(PAUSE_MIN),
            patience: Duration::ZERO,
            lasted: Duration::ZERO,
            looked: now,
            rested: None,
            has_news: false,
        }
    }

    fn look(&mut self, now: Duration) {
        self.lasted += now.saturating_sub(self.looked).min(self.pause);
        self.looked = now;
    }

    fn next_look(&self) -> Duration {
        if self.lasted < self.patience {
            self.looked.saturating_add(self.pause).min(self.next_told())
        } else {
            Duration::MAX
        }
    }

    fn report_due(&mut self, now: Duration) -> bool {
        let too_slow =
            self.rested.is_some() && !self.lasted.is_zero() && self.lasted >= self.patience;
        let told = !too_slow && now >= self.next_told();
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
    const INTERVAL: Duration = Duration::from_secs(8);
    const DECLARED: u64 = 80 * 1024;

    /// The seconds at which a message of 80 KiB, coming in these parts, is reported as a sign of
    /// life.
    fn told(parts: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut state = Parts::default();
        let mut told = Vec::new();
        let (mut now, mut parts) = (0, parts.into_iter().peekable());
        while let Some(next) = parts.peek().copied() {
            let look = u64::try_from(state.next_look().as_millis()).unwrap_or(u64::MAX);
            now = look.clamp(now, 1_000 * next);
            let at = MILLISECOND * now as u32;
            let is_told = if now == 1_000 * next {
                parts.next();
                state.part(at, INTERVAL, 1, DECLARED)
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
        let mut state = Parts::default();
        assert!(state.part(Duration::ZERO, INTERVAL, 1, DECLARED));
        for pause in 1..=4 {
            assert!(state.part(Duration::from_secs(60 * pause), INTERVAL, 1, DECLARED), "{pause}");
        }
        assert!(!state.part(Duration::from_secs(300), INTERVAL, 1, DECLARED));
    }

    #[test]
    fn the_next_message_begins_anew() {
        let mut state = Parts::default();
        assert!(state.part(Duration::ZERO, INTERVAL, 1, DECLARED));
        state.whole();
        assert_eq!(state.next_look(), Duration::MAX);
        assert!(state.part(MILLISECOND, INTERVAL, 2, DECLARED));
    }
}
