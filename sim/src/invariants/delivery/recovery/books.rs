//! The books: what each address that recovers was sent, and what of it is kept.

use std::collections::VecDeque;

use signal_hub::hub::{Entry, Input, LATE_MIN, StoredLog, StoredMessage};
use signal_hub::protocol::{ActorAddress, Epoch, Json, MessageId, Unrecovered};
use signal_hub::time::Timestamp;

use super::super::super::{Invariant, Transition, Verdict, broken};
use super::{Recovery, Seen};
use crate::history::HubEvent;

/// What an address that recovers was sent in this epoch.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub epoch: Epoch,
    pub last: u64,
    /// The latest number that is lost, and why.
    pub floor: u64,
    pub lost: Unrecovered,
    pub kept: VecDeque<Kept>,
    pub cursor: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub seq: u64,
    /// When it came, without the hub's standstills since.
    pub at: Timestamp,
    /// After this, it is not replayed.
    pub until: Option<Timestamp>,
    pub message: MessageId,
    pub data: Json,
    /// Bytes of its data and its metadata.
    pub bytes: usize,
    pub owed: bool,
}

impl Book {
    pub fn new(epoch: Epoch) -> Self {
        let (kept, lost) = (VecDeque::new(), Unrecovered::Overflow);
        Self { epoch, last: 0, floor: 0, lost, kept, cursor: None }
    }

    fn restored(stored: &StoredLog) -> Self {
        let lost = if stored.aged { Unrecovered::Expired } else { Unrecovered::Overflow };
        Self { last: stored.last, floor: stored.floor, lost, ..Self::new(stored.epoch) }
    }

    pub fn position(&self) -> u64 {
        self.cursor.map_or(self.last, |next| next - 1)
    }

    pub fn check(&self, after: u64) -> Result<(), Unrecovered> {
        match after {
            _ if after > self.last => Err(Unrecovered::Ahead),
            _ if after < self.floor => Err(self.lost),
            _ => Ok(()),
        }
    }

    fn of(&self, seq: u64) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.seq == seq)
    }

    pub fn is_pinned(&self, seq: u64) -> bool {
        self.cursor.is_some_and(|next| next <= seq)
    }

    pub fn pop(&mut self, lost: Unrecovered) -> Option<Kept> {
        let oldest = self.kept.pop_front()?;
        (self.floor, self.lost) = (self.floor.max(oldest.seq), lost);
        Some(oldest)
    }

    pub fn next(&self) -> Option<usize> {
        let next = self.cursor?;
        self.kept.iter().position(|kept| kept.seq >= next)
    }

    /// Passes over what is too late to be replayed.
    pub fn pass_overdue(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut unsettled = Vec::new();
        while let Some(kept) = self.next().and_then(|at| self.kept.get(at)) {
            if kept.until.is_none_or(|until| until >= now) {
                return unsettled;
            }
            unsettled.extend(kept.owed.then(|| kept.message.clone()));
            self.cursor = Some(kept.seq + 1);
        }
        self.cursor = None;
        unsettled
    }
}

impl Kept {
    /// Whether a store brings it back; what is owed is certain only after an end in order.
    fn is_still(&self, was: &Self, in_order: bool) -> bool {
        (self.until, &self.message, &self.data) == (was.until, &was.message, &was.data)
            && (!in_order || self.owed == was.owed)
    }

    /// Its window begins anew.
    fn restored(now: Timestamp, stored: &StoredMessage) -> Self {
        Self {
            seq: stored.seq.get(),
            at: now,
            until: stored.ttl.map(|ttl| stored.at + ttl),
            message: stored.origin.clone(),
            data: stored.payload.clone(),
            bytes: stored.payload.len() + stored.metadata.len(),
            owed: stored.owed,
        }
    }
}

impl Recovery {
    /// The books of a hub that begins with what its store holds, as far as its rows have that.
    pub(super) fn restore(&mut self, hub: &HubEvent) -> Verdict {
        let Input::Restored(entries) = &hub.input else { return Ok(()) };
        for entry in entries {
            match entry {
                Entry::Address(address, Some(stored)) => {
                    self.taken.extend(stored.taken_over.map(|epoch| (address.clone(), epoch)));
                }
                Entry::Log(address, Some(stored)) => {
                    drop(self.books.insert(address.clone(), Book::restored(stored)));
                }
                Entry::Kept(address, message) => {
                    if let Some(book) = self.books.get_mut(address) {
                        let found = Kept::restored(hub.now, message);
                        let of_last_life = self.of_last_life.get(address);
                        let of_last_life = of_last_life.filter(|was| was.epoch == book.epoch);
                        let was = of_last_life.and_then(|book| book.of(found.seq));
                        if !was.is_none_or(|was| found.is_still(was, self.ended_in_order)) {
                            let (seq, found) = (found.seq, found.message);
                            let evidence =
                                format!("message {seq} for {address}, {found}, is not what it was");
                            return broken(Invariant::I59, evidence);
                        }
                        book.kept.push_back(found);
                    }
                }
                Entry::Address(_, None) | Entry::Log(_, None) | Entry::Subscription(..) => {}
            }
        }
        self.epochs.extend(self.books.values().map(|book| book.epoch));
        self.of_last_life.clear();
        Ok(())
    }

    /// What is older than the window goes, but for what is to be replayed.
    pub(super) fn grow_old(&mut self, transition: &Transition<'_>, seen: &mut Seen<'_>) {
        let (now, window) = (transition.now, self.config.resume_window);
        for (address, book) in &mut self.books {
            if let Input::Late(by) = transition.hub.input
                && by > LATE_MIN
            {
                book.kept.iter_mut().for_each(|kept| kept.at = kept.at + by);
            }
            while book.cursor.is_none()
                && book.kept.front().is_some_and(|oldest| oldest.at + window <= now)
            {
                seen.gone
                    .extend(book.pop(Unrecovered::Expired).map(|kept| (address.clone(), kept)));
                seen.changed.insert(address.clone());
            }
        }
    }

    /// The book ends, with what it still owes.
    pub(super) fn end(&mut self, address: &ActorAddress, seen: &mut Seen<'_>) {
        let Some(book) = self.books.remove(address) else { return };
        if seen.taken_over.contains(address) {
            self.taken.insert(address.clone(), book.epoch);
        }
        seen.changed.insert(address.clone());
        seen.gone.extend(book.kept.into_iter().map(|kept| (address.clone(), kept)));
    }
}
