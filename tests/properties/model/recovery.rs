//! What is numbered and kept for who recovers, and how it comes back (protocol, section 5).

use std::num::NonZeroU64;
use std::sync::Arc;

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, Body, Delivery, Epoch, Outgoing, Recover, Recovered, Recovery, RecoveryWindow,
    RecoveryWish, Refusal, Reply, Request, Unrecovered,
};
use signal_hub::time::Timestamp;
use uuid::Uuid;

use super::Model;
use super::speaking::Copied;

/// Whoever has most is found by steps of so many bytes.
const STEP: usize = 4096;

/// What an address that recovers was sent in this epoch.
pub(super) struct Log {
    /// None: nobody has seen it.
    pub epoch: Option<Epoch>,
    last: u64,
    /// The latest number that is not there any more, and why.
    lost: (u64, Unrecovered),
    kept: Vec<Kept>,
    /// The next number of a replay that waits for room.
    next: Option<u64>,
}

#[derive(Clone)]
struct Kept {
    seq: u64,
    came: Timestamp,
    /// The same, later by the hub's standstills since.
    aged_from: Timestamp,
    delivery: Arc<Delivery>,
    /// Nobody has got it yet.
    owed: bool,
}

impl Kept {
    fn is_late(&self, now: Timestamp) -> bool {
        self.delivery.ttl.is_some_and(|ttl| self.came + ttl < now)
    }
}

impl Log {
    fn new() -> Self {
        Self {
            epoch: None,
            last: 0,
            lost: (0, Unrecovered::Overflow),
            kept: Vec::new(),
            next: None,
        }
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.delivery.weight()).sum()
    }

    pub fn replays(&self) -> bool {
        self.next.is_some()
    }

    fn check(&self, after: u64) -> Result<u64, Option<Unrecovered>> {
        match self.lost {
            _ if after > self.last => Err(Some(Unrecovered::Ahead)),
            (lost, why) if after < lost => Err(Some(why)),
            _ => Ok(after),
        }
    }

    /// The oldest goes, unless it is to be replayed.
    fn lose_oldest(&mut self, why: Unrecovered) -> Option<Kept> {
        let oldest = self.kept.first()?.seq;
        if self.next.is_some_and(|next| next <= oldest) {
            return None;
        }
        self.lost = (self.lost.0.max(oldest), why);
        Some(self.kept.remove(0))
    }

    fn due(&self) -> Option<Kept> {
        let next = self.next?;
        self.kept.iter().find(|kept| kept.seq >= next).cloned()
    }

    fn pass(&mut self, seq: u64) {
        self.next = Some(seq + 1);
        self.kept.iter_mut().filter(|kept| kept.seq == seq).for_each(|kept| kept.owed = false);
    }

    /// The address is away: it gets the rest when it asks for it.
    pub fn stop(&mut self) {
        self.next = None;
    }

    pub fn put_off(&mut self, by: std::time::Duration) {
        self.kept.iter_mut().for_each(|kept| kept.aged_from = kept.aged_from + by);
    }
}

impl Model {
    /// What a registration is told of recovery, and what is kept for its address from now on.
    pub(super) fn recovery_begins(
        &mut self,
        log: Option<Log>,
        (taken_over, takes_over): (Option<Epoch>, bool),
        wish: Option<RecoveryWish>,
    ) -> (Option<Log>, Option<Recovery>) {
        let Some(wish) = wish else {
            self.give_up(log);
            return (None, None);
        };
        if !self.config.recovers() {
            return (None, Some(self.recovery(None, 0, Some(Unrecovered::Off))));
        }
        let found = wish.position().ok_or(None).and_then(|position| match &log {
            Some(log) if log.epoch == Some(position.epoch) => log.check(position.after),
            _ if taken_over == Some(position.epoch) => Err(Some(Unrecovered::TakenOver)),
            _ => Err(Some(Unrecovered::Epoch)),
        });
        let (keeps, ends) = if takes_over && found.is_err() { (None, log) } else { (log, None) };
        self.give_up(ends);
        let mut log = keeps.unwrap_or_else(Log::new);
        let told = self.rewind(&mut log, found);
        (Some(log), Some(told))
    }

    pub(super) fn recover(
        &mut self,
        key: SessionKey,
        request: &Request,
        recover: &Recover,
    ) -> Result<Reply, Refusal> {
        let actor_address = self.meant_address(key, request, recover.actor_address.as_ref())?;
        let log = self.registrations.get_mut(&actor_address).and_then(|row| row.log.take());
        let Some(mut log) = log else {
            let recovery = self.recovery(None, 0, Some(Unrecovered::Off));
            return Ok(Reply::Recovered(Recovered { actor_address, recovery }));
        };
        let found = log.check(recover.after);
        let recovery = self.rewind(&mut log, found);
        if let Some(row) = self.registrations.get_mut(&actor_address) {
            row.log = Some(log);
        }
        Ok(Reply::Recovered(Recovered { actor_address, recovery }))
    }

    fn rewind(&mut self, log: &mut Log, found: Result<u64, Option<Unrecovered>>) -> Recovery {
        if log.epoch.is_none() {
            log.epoch = self.drawn.epoch.filter(|epoch| self.epochs.insert(*epoch));
        }
        let epoch = Some(log.epoch.unwrap_or_else(|| Epoch::new(Uuid::nil())));
        let after = match found {
            Ok(after) => after,
            Err(why) => {
                let at = log.next.map_or(log.last, |next| next - 1);
                return self.recovery(epoch, at, why);
            }
        };
        log.next = Some(after + 1);
        let (late, due): (Vec<&Kept>, Vec<&Kept>) =
            log.kept.iter().filter(|kept| kept.seq > after).partition(|one| one.is_late(self.now));
        Recovery {
            recovered: true,
            replayed: due.len() as u64,
            ttl_expired: late.len() as u64,
            ..self.recovery(epoch, after, None)
        }
    }

    fn recovery(&self, epoch: Option<Epoch>, after: u64, reason: Option<Unrecovered>) -> Recovery {
        let config = &self.config;
        let window = RecoveryWindow {
            seconds: config.resume_window.as_secs(),
            messages: config.recovery_messages_max,
            bytes: config.recovery_bytes_max,
        };
        let window = if config.recovers() { window } else { RecoveryWindow::default() };
        Recovery { epoch, after, recovered: false, replayed: 0, ttl_expired: 0, reason, window }
    }

    /// What follows a position that counts, as far as the queue has room.
    pub(super) fn replay(&mut self, address: &ActorAddress) {
        let Some(owner) = self.owner(address) else { return };
        while let Some(kept) = self.log(address).and_then(Log::due) {
            let body = Body::Delivery(Arc::clone(&kept.delivery));
            let (timestamp, seq) = (kept.came, NonZeroU64::new(kept.seq));
            let message = Outgoing { timestamp, seq, ..self.message(address.clone(), body) };
            if kept.is_late(self.now) {
                self.copies += usize::from(kept.owed);
            } else {
                let session = self.sessions.get_mut(&owner).expect("an owner is an open session");
                if !session.has_room(message.weight(), &self.config) {
                    session.stuck.get_or_insert(self.now);
                    return;
                }
                self.queue(owner, message);
                self.copies += 1;
            }
            self.with_log(address, |log| log.pass(kept.seq));
        }
        self.with_log(address, Log::stop);
    }

    pub(super) fn log(&self, address: &ActorAddress) -> Option<&Log> {
        self.registrations.get(address)?.log.as_ref()
    }

    fn with_log<R>(&mut self, of: &ActorAddress, change: impl FnOnce(&mut Log) -> R) -> Option<R> {
        self.registrations.get_mut(of)?.log.as_mut().map(change)
    }

    /// A copy that has to wait, if it finds room for that.
    pub(super) fn wait(
        &mut self,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
        otherwise: Copied,
    ) -> Copied {
        let (_, is_kept) = self.keep(to, delivery, true);
        if is_kept { Copied::Queued } else { otherwise }
    }

    /// The number of a copy, and whether it is kept.
    pub(super) fn keep(
        &mut self,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
        owed: bool,
    ) -> (Option<NonZeroU64>, bool) {
        let seq = self.with_log(to, |log| {
            log.last += 1;
            log.last
        });
        let Some(seq) = seq else { return (None, false) };
        let (now, is_kept) = (self.now, self.make_room_in_log(to, delivery.weight()));
        if is_kept {
            let delivery = Arc::clone(delivery);
            let kept = Kept { seq, came: now, aged_from: now, delivery, owed };
            self.with_log(to, |log| log.kept.push(kept));
        } else {
            while self.lose_oldest(to) {}
            self.with_log(to, |log| log.lost = (seq, Unrecovered::Overflow));
        }
        (NonZeroU64::new(seq), is_kept)
    }

    /// Of its own log, then of that of whoever has most and gets no replay.
    fn make_room_in_log(&mut self, to: &ActorAddress, weight: usize) -> bool {
        let (messages, bytes) = (self.config.recovery_messages_max, self.config.recovery_bytes_max);
        let total = self.config.recovery_total_bytes_max;
        if weight > bytes.min(total) {
            return false;
        }
        let is_full = |log: &Log| log.kept.len() >= messages || log.bytes() + weight > bytes;
        while self.log(to).is_some_and(is_full) {
            if !self.lose_oldest(to) {
                return false;
            }
        }
        let logs = |model: &Self| {
            let rows = model.registrations.iter();
            let logs = rows.filter_map(|(address, row)| Some((address.clone(), row.log.as_ref()?)));
            logs.map(|(address, log)| (log.bytes(), log.replays(), address)).collect::<Vec<_>>()
        };
        while logs(self).iter().map(|(bytes, ..)| bytes).sum::<usize>() + weight > total {
            let gives_way =
                logs(self).into_iter().filter(|(bytes, replays, _)| *bytes > 0 && !replays);
            let most = gives_way.map(|(bytes, _, address)| (bytes / STEP, address)).max();
            let Some((_, most)) = most else { return false };
            self.lose_oldest(&most);
        }
        true
    }

    fn lose_oldest(&mut self, of: &ActorAddress) -> bool {
        let lost = self.with_log(of, |log| log.lose_oldest(Unrecovered::Overflow)).flatten();
        self.copies += usize::from(lost.as_ref().is_some_and(|lost| lost.owed));
        lost.is_some()
    }

    /// Nothing is older than the window, but what is beside a replay.
    pub(super) fn age(&mut self) {
        let (now, window) = (self.now, self.config.resume_window);
        let logs = self.registrations.values_mut().filter_map(|row| row.log.as_mut());
        for log in logs.filter(|log| !log.replays()) {
            while log.kept.first().is_some_and(|oldest| oldest.aged_from + window <= now) {
                log.lose_oldest(Unrecovered::Expired);
            }
        }
    }

    /// Whoever ends a log pays for what was still to come of it.
    pub(super) fn give_up(&mut self, log: Option<Log>) {
        self.copies += log.map_or(0, |log| log.kept.iter().filter(|kept| kept.owed).count());
    }
}
