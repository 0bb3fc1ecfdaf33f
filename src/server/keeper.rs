//! When rows go to the store, and what may leave before. Neither a clock nor a task: the owner
//! drives it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use humantime::format_duration;
use serde::{Deserialize, Serialize};

use crate::hub::{Entry, Output, Storage};
use crate::store::{Durable, Opened, Store, StoreError};
use crate::time::Timestamp;

/// When what was written is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreSync {
    /// Before anybody hears of it.
    #[default]
    Always,
    /// Also before anybody hears of it, but up to so much later, together with what comes meanwhile.
    Within(Duration),
    /// At an end in order alone.
    Never,
}

impl StoreSync {
    /// Nobody waits longer for an answer.
    pub const WITHIN_MAX: Duration = Duration::from_secs(1);

    /// Returns whether what was acknowledged outlives a crash.
    pub fn is_durable(self) -> bool {
        self != Self::Never
    }
}

impl FromStr for StoreSync {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => humantime::parse_duration(text)
                .ok()
                .filter(|time| (Duration::from_millis(1)..=Self::WITHIN_MAX).contains(time))
                .map(Self::Within)
                .ok_or("it is neither always nor never, nor a time from 1ms to 1s"),
        }
    }
}

impl TryFrom<String> for StoreSync {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StoreSync> for String {
    fn from(sync: StoreSync) -> Self {
        sync.to_string()
    }
}

impl fmt::Display for StoreSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Within(time) => format_duration(*time).fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

/// Outputs and rows that may wait for a sync.
const WAITING_MAX: usize = 4096;

/// Bytes of them.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a disk that ran out of room is asked whether it has some again.
const LOOK_FOR_ROOM_EVERY: Duration = Duration::from_secs(1);

/// The store, and what waits for it.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    sync: StoreSync,
    rows: Vec<Entry>,
    held: Vec<Output>,
    /// How many of the first held ones follow from rows that are written.
    free: usize,
    /// What else waits.
    bytes: usize,
    /// When the rows must be written.
    due: Option<Timestamp>,
    looks_for_room: Option<Timestamp>,
    writes: u64,
}

/// The store at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFigures {
    /// Bytes of rows.
    pub bytes: u64,
    /// Whether it takes nothing that adds to it.
    pub is_full: bool,
    /// Transactions.
    pub writes: u64,
}

impl Keeper {
    /// Keeps the store; returns its rows beside.
    pub fn new(opened: Opened, sync: StoreSync) -> (Self, Vec<Entry>) {
        let keeper = Self {
            store: opened.store,
            sync,
            rows: Vec::new(),
            held: Vec::new(),
            free: 0,
            bytes: 0,
            due: None,
            looks_for_room: None,
            writes: 0,
        };
        (keeper, opened.entries)
    }

    /// What the hub must know of the store.
    pub fn storage(&self) -> Storage {
        if self.store.is_full() { Storage::Full } else { Storage::Open }
    }

    /// For people.
    pub fn figures(&self) -> StoreFigures {
        let Self { store, writes, .. } = self;
        StoreFigures { bytes: store.bytes(), is_full: store.is_full(), writes: *writes }
    }

    /// When [`Keeper::settle`] has something to do though nothing comes.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.looks_for_room).min()
    }

    /// Takes what came of one input, rows and outputs.
    pub fn take(
        &mut self,
        now: Timestamp,
        rows: Vec<Entry>,
        outputs: impl IntoIterator<Item = Output>,
    ) {
        if let StoreSync::Within(time) = self.sync
            && !rows.is_empty()
        {
            self.due.get_or_insert(now + time);
            self.bytes += rows.iter().map(weight).sum::<usize>();
        }
        self.rows.extend(rows);
        let follow = self.held.len();
        self.held.extend(outputs);
        if self.rows.is_empty() {
            self.free = self.held.len();
        } else if let StoreSync::Within(_) = self.sync {
            self.bytes += self.held[follow..].iter().map(said).sum::<usize>();
        }
    }

    /// Writes what is due; returns what may leave now.
    ///
    /// # Errors
    /// If the disk fails: whatever is held must never leave.
    pub fn settle(&mut self, now: Timestamp) -> Result<Vec<Output>, StoreError> {
        self.look_for_room(now);
        let waits = self.due.is_some_and(|due| now < due)
            && self.rows.len() + self.held.len() < WAITING_MAX
            && self.bytes < WAITING_BYTES_MAX;
        let free = if waits {
            self.held.drain(..std::mem::take(&mut self.free)).collect()
        } else {
            self.settle_all()?
        };
        if self.store.is_out_of_room() {
            self.looks_for_room.get_or_insert(now + LOOK_FOR_ROOM_EVERY);
        }
        Ok(free)
    }

    /// Writes all rows; returns all that was held.
    ///
    /// # Errors
    /// If the disk fails: whatever is held must never leave.
    pub fn settle_all(&mut self) -> Result<Vec<Output>, StoreError> {
        if !self.rows.is_empty() {
            let durable = if self.sync.is_durable() { Durable::Yes } else { Durable::No };
            self.store.write(&self.rows, durable)?;
            self.writes += 1;
            self.rows.clear();
        }
        (self.due, self.free, self.bytes) = (None, 0, 0);
        Ok(std::mem::take(&mut self.held))
    }

    fn look_for_room(&mut self, now: Timestamp) {
        if self.looks_for_room.is_some_and(|at| at <= now) {
            self.store.regain_room();
            self.looks_for_room = None;
        }
    }

    /// Ends the store in order, with all rows.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.settle_all()?;
        self.store.close()
    }
}

/// What an output says.
fn said(output: &Output) -> usize {
    match output {
        Output::Send(_, message) => message.weight(),
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => 0,
    }
}

/// About what a row takes.
fn weight(entry: &Entry) -> usize {
    const ROW: usize = 256;
    match entry {
        Entry::Address(_, Some(row)) => ROW + row.metadata.len(),
        Entry::Kept(_, message) => ROW + message.payload.len() + message.metadata.len(),
        Entry::Address(_, None) | Entry::Subscription(..) | Entry::Log(..) => ROW,
    }
}
