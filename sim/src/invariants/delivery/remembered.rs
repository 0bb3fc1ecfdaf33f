//! The asks that the hub promises to know again (docs/PROTOCOL.md, section 7): each for as long as
//! the window is, at most so many, the oldest makes room.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signal_hub::hub::Config;
use signal_hub::protocol::{ActorAddress, MessageId, Verb};
use signal_hub::time::Timestamp;

/// Who asked, under which id, for which verb: an id that is used for two things names two asks.
pub type Ask = (ActorAddress, MessageId, &'static str);

/// What is known of each of them.
pub struct Remembered<T> {
    window: Duration,
    entries_max: usize,
    rows: BTreeMap<Ask, T>,
    /// The keys of the rows, oldest first.
    order: VecDeque<(Timestamp, Ask)>,
}

impl<T> Remembered<T> {
    pub fn new(config: &Config) -> Self {
        let (rows, order) = Default::default();
        let entries_max = config.dedupe_entries_max.max(1);
        Self { window: config.dedupe_window, entries_max, rows, order }
    }

    pub fn get(&self, ask: &Ask) -> Option<&T> {
        self.rows.get(ask)
    }

    pub fn insert(&mut self, now: Timestamp, ask: Ask, row: T) {
        if let Some(known) = self.rows.get_mut(&ask) {
            *known = row;
            return;
        }
        while self.order.len() >= self.entries_max {
            self.forget_oldest();
        }
        self.order.push_back((now, ask.clone()));
        self.rows.insert(ask, row);
    }

    /// Forgets what is as old as the window.
    pub fn forget(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= self.window) {
            self.forget_oldest();
        }
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.order.clear();
    }

    fn forget_oldest(&mut self) {
        if let Some((_, ask)) = self.order.pop_front() {
            self.rows.remove(&ask);
        }
    }
}

/// Whether asks of this verb are among them: those that deliver.
pub fn is_remembered(verb: &Verb) -> bool {
    matches!(verb, Verb::Send(_) | Verb::Publish(_) | Verb::Broadcast(_))
}
