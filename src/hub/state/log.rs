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

/// No number is higher; 2^53 of them can be told exactly in JSON.
const NUMBER_MAX: u64 = 1 << 53;

/// Numbers of another hub's log that do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malnumbered;

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

    /// A message of another hub's log, which has its number; the oldest give way to it.
    pub fn push_numbered(&mut self, kept: Kept, config: &Config) -> Result<(), Malnumbered> {
        let (seq, before) = (kept.seq.get(), self.last);
        if seq <= before || seq > NUMBER_MAX {
            return Err(Malnumbered);
        }
        self.last = seq;
        self.push(kept);
        while self.kept.len() > config.recovery_messages_max
            || self.bytes > config.recovery_bytes_max
        {
            self.lose_oldest(Lost::Crowded);
        }
        Ok(())
    }

    /// What another hub's log is beside its messages, which all came.
    pub fn end_numbered(&mut self, stored: StoredLog) -> Result<(), Malnumbered> {
        let StoredLog { epoch, last, floor, aged } = stored;
        let oldest = self.kept.front().map_or(last, |kept| kept.seq.get() - 1);
        if last < self.last || last > NUMBER_MAX || floor > oldest {
            return Err(Malnumbered);
        }
        (self.epoch, self.last) = (epoch, last);
        if floor > self.floor {
            (self.floor, self.lost) = (floor, if aged { Lost::Aged } else { Lost::Crowded });
        }
        Ok(())
    }

    /// It is for another hub from now on, as far as there is so much room. Returns what gave way.
    pub fn set_aside(&mut self, room: usize) -> Vec<Kept> {
        self.stop();
        let (mut lost, floor) = (Vec::new(), self.floor);
        while self.oldest().is_some_and(|kept| kept.seq.get() <= floor || self.bytes > room)
            && let Some(oldest) = self.lose_oldest(Lost::Crowded)
        {
            lost.push(oldest);
        }
        lost
    }

    /// What came later, and was numbered for itself, goes on behind. Returns what gave way.
    pub fn follow_with(&mut self, later: Log, config: &Config) -> Vec<Kept> {
        let mut lost = Vec::new();
        if later.floor > 0 {
            // Some of it is lost already.
            self.number();
            self.leave_out_latest();
            lost.extend(self.lose_all());
        }
        for kept in later.into_kept() {
            while !self.has_room(kept.weight, config)
                && let Some(oldest) = self.lose_oldest(Lost::Crowded)
            {
                lost.push(oldest);
            }
            let seq = self.number();
            self.push(Kept { seq, ..kept });
        }
        lost
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::protocol::{ActorAddress, Json, MessageId, Route};

    fn epoch(number: u128) -> Epoch {
        Epoch::new(Uuid::from_u128(number))
    }

    fn kept(seq: u64) -> Kept {
        let from = ActorAddress::from_path("a").expect("a path");
        let (payload, id) = (Json::EMPTY_OBJECT, MessageId::from(Uuid::nil()));
        let delivery = Delivery::new(from, "n", payload, Json::EMPTY_OBJECT, Route::Send, id, None);
        let (at, weight) = (Timestamp::from_millis(seq), delivery.weight());
        let seq = NonZeroU64::new(seq).expect("a number");
        Kept { seq, at, lived: at, weight, delivery: Arc::new(delivery), owed: true }
    }

    fn config(messages: usize) -> Config {
        Config { recovery_messages_max: messages, ..Config::default() }
    }

    /// A log as another hub's came: these messages, and its end.
    fn fetched(seqs: &[u64], last: u64, floor: u64) -> Result<Log, Malnumbered> {
        let mut log = Log::new(epoch(0));
        for seq in seqs {
            log.push_numbered(kept(*seq), &config(3))?;
        }
        log.end_numbered(StoredLog { epoch: epoch(7), last, floor, aged: true })?;
        Ok(log)
    }

    fn seqs(log: &Log) -> Vec<u64> {
        log.after(0).map(|kept| kept.seq.get()).collect()
    }

    #[test]
    fn a_log_of_another_hub_goes_on_where_it_stood() {
        let log = fetched(&[4, 5], 5, 3).expect("they go together");
        assert_eq!((seqs(&log), log.epoch, log.last, log.floor), (vec![4, 5], epoch(7), 5, 3));
        assert_eq!(log.check(2), Err(Unrecovered::Expired));
        assert_eq!((log.check(3), log.check(6)), (Ok(()), Err(Unrecovered::Ahead)));
        let longer = fetched(&[1, 2, 3, 4], 6, 0).expect("they go together");
        assert_eq!((seqs(&longer), longer.last, longer.floor), (vec![2, 3, 4], 6, 1));
    }

    #[test]
    fn numbers_that_do_not_go_together_are_told() {
        let wrong: [(&[u64], u64, u64); 5] =
            [(&[2, 2], 2, 0), (&[3, 2], 3, 0), (&[4], 3, 0), (&[4], 5, 4), (&[u64::MAX], 5, 0)];
        for (seqs, last, floor) in wrong {
            assert_eq!(fetched(seqs, last, floor), Err(Malnumbered), "{seqs:?} {last} {floor}");
        }
        assert_eq!(fetched(&[], u64::MAX, 0), Err(Malnumbered));
    }

    #[test]
    fn what_came_later_goes_on_behind_it_and_what_of_it_is_lost_is_missed() {
        let later = |count: u64| {
            let mut log = Log::new(epoch(9));
            (0..count).for_each(|_| {
                let seq = log.number().get();
                log.push(kept(seq));
            });
            log
        };
        let mut log = fetched(&[4, 5], 5, 3).expect("they go together");
        let gave_way = log.follow_with(later(2), &config(3));
        assert_eq!((seqs(&log), log.epoch, gave_way.len()), (vec![5, 6, 7], epoch(7), 1));
        assert_eq!(log.check(3), Err(Unrecovered::Overflow));
        let mut holed = later(2);
        holed.lose_oldest(Lost::Crowded);
        let mut log = fetched(&[4, 5], 5, 3).expect("they go together");
        log.follow_with(holed, &config(3));
        assert_eq!((seqs(&log), log.floor), (vec![7], 6), "6 was lost before it could be numbered");
    }

    #[test]
    fn a_log_that_is_set_aside_keeps_the_latest_there_is_room_for() {
        let mut log = fetched(&[4, 5, 6], 6, 3).expect("they go together");
        log.rewind(3);
        let weight = kept(1).weight;
        assert_eq!(log.set_aside(2 * weight).len(), 1);
        assert_eq!((seqs(&log), log.floor, log.cursor()), (vec![5, 6], 4, None));
    }
}
