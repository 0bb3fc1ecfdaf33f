//! The bytes of a message that is on its way are a sign of life, as long as they do not come too slowly.

use std::time::Duration;

use crate::protocol::FrameMeter;

/// They are told as signs of life at most this often.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// How a message in the making comes along. Time counts at most as long as a pause between two looks:
/// while the process stands still, nobody is slow.
#[derive(Debug)]
pub(super) struct Parts {
    pause: Duration,
    message: Option<u64>,
    patience: Duration,
    lasted: Duration,
    looked: Duration,
    /// Since when what comes may be told again; none before the first was.
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

    /// Takes bytes of a message that is to have so many; returns whether they are a sign of life to
    /// be told now.
    pub(super) fn part(&mut self, now: Duration, message: u64, declared: u64) -> bool {
        self.look(now);
        if self.message.replace(message) != Some(message) {
            (self.lasted, self.rested) = (Duration::ZERO, None);
        }
        (self.patience, self.has_news) = (FrameMeter::patience(declared), true);
        self.tell(now)
    }

    /// The message is whole.
    pub(super) fn whole(&mut self) {
        self.message = None;
    }

    /// Returns whether bytes that came meanwhile are to be told now.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        self.look(now);
        self.tell(now)
    }

    /// When a tick is wanted.
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

    fn tell(&mut self, now: Duration) -> bool {
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
        match self.has_news {
            true => self.rested.unwrap_or_default(),
            false => Duration::MAX,
        }
    }
}
