//! The log of one recovering address: what the hub sent to it, numbered, and the latest of it kept.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::hub::{Config, StoredLog};
use crate::protocol::{Delivery, Epoch, Unrecovered};
use crate::time::Timestamp;

/// One kept message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub seq: NonZeroU64,
    /// When it arrived at the hub.
    pub at: Timestamp,
    /// The same in lived time.
    pub lived: Timestamp,
    pub weight: usize,
    pub delivery: Arc<Delivery>,
    /// It was queued, and no session has got it yet.
    pub owed: bool,
}

impl Kept {
    /// Its time to live ended.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.delivery.ttl.is_some_and(|ttl| self.at + ttl < now)
    }
}

/// Why a message is no longer in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lost {
    Aged,
    Crowded,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub epoch: Epoch,
    /// The latest number.
    pub last: u64,
    /// The latest number that is lost, and why. A position before it does not count.
    floor: u64,
    lost: Lost,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The next number to replay. From there on nothing may be lost.
    cursor: Option<u64>,
}

impl Log {
    pub fn new(epoch: Epoch) -> Self {
        let (kept, cursor) = (VecDeque::new(), None);
        Self { epoch, last: 0, floor: 0, lost: Lost::Crowded, kept, bytes: 0, cursor }
    }

    /// A stored log, without its messages.
    pub fn restored(stored: StoredLog) -> Self {
        let StoredLog { epoch, last, floor, aged } = stored;
        let lost = if aged { Lost::Aged } else { Lost::Crowded };
        Self { last, floor, lost, ..Self::new(epoch) }
    }

    pub fn stored(&self) -> StoredLog {
        let (epoch, last, floor) = (self.epoch, self.last, self.floor);
        StoredLog { epoch, last, floor, aged: self.lost == Lost::Aged }
    }

    pub fn floor(&self) -> u64 {
        self.floor
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    /// The latest number that was handed out, or is not to be.
    pub fn position(&self) -> u64 {
        self.cursor.map_or(self.last, |next| next - 1)
    }

    pub fn oldest(&self) -> Option<&Kept> {
        self.kept.front()
    }

    pub fn into_kept(self) -> impl Iterator<Item = Kept> {
        self.kept.into_iter()
    }

    /// Says why what came after this number is not all there, if it is not.
    pub fn check(&self, after: u64) -> Result<(), Unrecovered> {
        match self.lost {
            _ if after > self.last => Err(Unrecovered::Ahead),
            _ if after >= self.floor => Ok(()),
            Lost::Aged => Err(Unrecovered::Expired),
            Lost::Crowded => Err(Unrecovered::Overflow),
        }
    }

    /// The kept messages after this number.
    pub fn after(&self, after: u64) -> impl Iterator<Item = &Kept> {
        self.kept.range(self.place(after)..)
    }

    /// From now on what came after this number is replayed, before anything later.
    pub fn rewind(&mut self, after: u64) {
        self.cursor = Some(after + 1);
    }

    pub fn stop(&mut self) {
        self.cursor = None;
    }

    /// The next message to replay.
    pub fn next(&self) -> Option<&Kept> {
        self.kept.get(self.place(self.cursor? - 1))
    }

    /// The message was replayed, or left out: nobody is owed it any longer.
    pub fn pass(&mut self, seq: NonZeroU64) {
        let at = self.place(seq.get() - 1);
        if let Some(kept) = self.kept.get_mut(at) {
            kept.owed = false;
        }
        self.cursor = Some(seq.get() + 1);
    }

    /// The next message has this number. If some before it are missing, no position before them
    /// counts.
    pub fn go_on_to(&mut self, seq: u64) {
        if self.last + 1 < seq {
            self.last = seq - 1;
            self.leave_out_latest();
            self.kept.clear();
            self.bytes = 0;
        }
    }

    /// The number of the next message, whatever becomes of it.
    pub fn number(&mut self) -> NonZeroU64 {
        self.last += 1;
        NonZeroU64::new(self.last).expect("numbers begin at 1")
    }

    /// Returns whether there is room for so much more.
    pub fn has_room(&self, weight: usize, config: &Config) -> bool {
        self.kept.len() < config.recovery_messages_max
            && self.bytes + weight <= config.recovery_bytes_max
    }

    pub fn push(&mut self, kept: Kept) {
        self.bytes += kept.weight;
        self.kept.push_back(kept);
    }

    /// Gives the oldest message up, unless it is to be replayed.
    pub fn lose_oldest(&mut self, lost: Lost) -> Option<Kept> {
        let oldest = self.kept.front()?;
        if self.cursor.is_some_and(|next| next <= oldest.seq.get()) {
            return None;
        }
        let oldest = self.kept.pop_front()?;
        self.bytes -= oldest.weight;
        (self.floor, self.lost) = (self.floor.max(oldest.seq.get()), lost);
        Some(oldest)
    }

    /// Gives up all that is not to be replayed.
    pub fn lose_all(&mut self) -> impl Iterator<Item = Kept> {
        std::iter::from_fn(|| self.lose_oldest(Lost::Crowded))
    }

    /// Its latest number was not kept: no position before it counts.
    pub fn leave_out_latest(&mut self) {
        (self.floor, self.lost) = (self.last, Lost::Crowded);
    }

    fn place(&self, after: u64) -> usize {
        self.kept.partition_point(|kept| kept.seq.get() <= after)
    }
}
