//! What an address missed while it was away (protocol, section 5): whether it gets that, and its
//! replay. All of it comes, in order, before anything later, or nothing does (I37, I38).

use std::num::NonZeroU64;
use std::sync::Arc;

use crate::hub::state::{Kept, Log, Lost};
use crate::hub::{Deadline, DropReason, Hub, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Body, Delivery, Epoch, Outgoing, Position, Recover, Recovered, Recovery,
    RecoveryWindow, RecoveryWish, Refusal, Reply, Request, Unrecovered,
};
use crate::time::Timestamp;

/// How a registration found its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The session itself had it, it was detached, or nobody had it.
    Free,
    /// Another session had it.
    Taken,
    /// It was at another node, and what that kept is lost.
    Lost,
}

impl Hub {
    /// Carries out what a registration wishes. Where a takeover brings no position that counts, a new
    /// epoch begins: the newcomer gets nothing of what was sent to the address before.
    pub(super) fn begin_recovery(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        wish: Option<RecoveryWish>,
        found: Found,
    ) -> Option<Recovery> {
        let Some(wish) = wish else {
            self.end_log(address);
            return None;
        };
        if !self.config.recovers() {
            return Some(self.recovery(None, 0, Some(Unrecovered::Off)));
        }
        let checked = wish.position().map(|position| match found {
            Found::Lost => Err(Unrecovered::NodeLost),
            Found::Free | Found::Taken => self.check_position(address, position),
        });
        let keeps_epoch = found != Found::Taken || checked == Some(Ok(()));
        if !keeps_epoch || self.logs.get(address).is_none() {
            self.end_log(address);
            self.logs.insert(address, Log::new(Epoch::new(self.ids.fresh())));
        }
        let after = match (wish.position(), checked) {
            (Some(position), Some(Ok(()))) => Ok(position.after),
            (_, checked) => Err(checked.and_then(Result::err)),
        };
        if found == Found::Lost {
            // Nobody has got anything of what came for it since.
            self.logs.change(address, |log| log.rewind(0));
        }
        Some(self.rewind(now, address, after))
    }

    pub(super) fn epoch_of(&self, address: &ActorAddress) -> Option<Epoch> {
        self.logs.get(address).map(|log| log.epoch)
    }

    fn check_position(
        &self,
        address: &ActorAddress,
        position: Position,
    ) -> Result<(), Unrecovered> {
        let log = self.logs.get(address).filter(|log| log.epoch == position.epoch);
        let taken = self.registry.get(address).and_then(|known| known.taken_over);
        match log {
            Some(log) => log.check(position.after),
            None if taken == Some(position.epoch) => Err(Unrecovered::TakenOver),
            None => Err(Unrecovered::Epoch),
        }
    }

    pub(super) fn recover(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        recover: &Recover,
    ) -> Result<Reply, Refusal> {
        let actor_address = self.meant_address(key, request, recover.actor_address.as_ref())?;
        let recovery = match self.logs.get(&actor_address) {
            None => self.recovery(None, 0, Some(Unrecovered::Off)),
            Some(log) => {
                let after = log.check(recover.after).map(|()| recover.after).map_err(Some);
                self.rewind(now, &actor_address, after)
            }
        };
        self.record_recovery(key, &actor_address, &recovery);
        Ok(Reply::Recovered(Recovered { actor_address, recovery }))
    }

    /// Replays what came after the number from now on, or goes on where the log stands.
    fn rewind(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        after: Result<u64, Option<Unrecovered>>,
    ) -> Recovery {
        if let Ok(after) = after {
            self.logs.change(address, |log| log.rewind(after));
        }
        let log = self.logs.get(address).expect("the address has a log");
        let Ok(after) = after else {
            return self.recovery(Some(log.epoch), log.position(), after.err().flatten());
        };
        let (late, due): (Vec<&Kept>, Vec<&Kept>) =
            log.after(after).partition(|kept| kept.is_overdue(now));
        let (recovered, replayed, ttl_expired) = (true, due.len() as u64, late.len() as u64);
        Recovery { recovered, replayed, ttl_expired, ..self.recovery(Some(log.epoch), after, None) }
    }

    fn recovery(&self, epoch: Option<Epoch>, after: u64, reason: Option<Unrecovered>) -> Recovery {
        let config = &self.config;
        let window = RecoveryWindow {
            seconds: config.resume_window.as_secs(),
            messages: config.recovery_messages_max,
            bytes: config.recovery_bytes_max,
        };
        let window = if config.recovers() { window } else { RecoveryWindow::default() };
        let recovered = false;
        Recovery { epoch, after, recovered, replayed: 0, ttl_expired: 0, reason, window }
    }

    pub(super) fn record_recovery(
        &mut self,
        key: SessionKey,
        address: &ActorAddress,
        recovery: &Recovery,
    ) {
        let Recovery { epoch, after, recovered, replayed, reason, .. } = recovery.clone();
        self.counters.recoveries += u64::from(recovered);
        self.counters.unrecovered += u64::from(reason.is_some());
        let (actor_address, session) = (address.clone(), key);
        self.audit(Record::RecoveryAnswered {
            actor_address,
            session,
            epoch,
            after,
            recovered,
            replayed,
            reason,
        });
    }

    /// Goes on with the replays that waited for room in the session's queue.
    #[cold]
    pub(in crate::hub) fn replay_more(&mut self, now: Timestamp, key: SessionKey) {
        let waiting = self.sessions.open(key).map(|session| session.replaying.clone());
        for address in waiting.iter().flatten() {
            self.replay(now, key, address);
        }
    }

    /// Goes on with the replays that waited for this node.
    pub(in crate::hub) fn replay_all(&mut self, now: Timestamp) {
        for key in self.sessions.keys() {
            self.replay_more(now, key);
        }
    }

    /// What comes for the address from now on waits, behind what is to be replayed.
    pub(in crate::hub) fn hold_back(&mut self, key: SessionKey, address: &ActorAddress) {
        let held = self.logs.change(address, |log| log.rewind(log.position()));
        if let Some(session) = self.sessions.open_mut(key).filter(|_| held.is_some()) {
            session.replaying.insert(address.clone());
        }
    }

    /// Adds a log that was kept elsewhere.
    pub(in crate::hub) fn insert_log(&mut self, address: &ActorAddress, log: Log) {
        self.logs.insert(address, log);
        let mut lost = Vec::new();
        self.logs.make_total_room(0, &self.config, &mut lost);
        for (address, kept) in lost {
            self.settle(&address, &kept, DropReason::Overflow);
        }
        self.time_log(address);
    }

    /// Hands out what waits to be replayed, as much as the session's queue has room for.
    pub(in crate::hub) fn replay(&mut self, now: Timestamp, key: SessionKey, to: &ActorAddress) {
        if self.logs.get(to).is_none_or(|log| log.cursor().is_none()) {
            return;
        }
        if self.is_fenced(now) || self.withholds_registration(to) {
            return self.hold_back(key, to);
        }
        while let Some(next) = self.logs.get(to).and_then(Log::next).cloned() {
            if next.is_overdue(now) {
                self.settle(to, &next, DropReason::Expired);
            } else if self.has_room_for(now, key, to, &next) {
                self.replay_one(now, key, to, &next);
            } else {
                return;
            }
            self.logs.change(to, |log| log.pass(next.seq));
            if next.owed {
                self.note_kept(to, Some(next.seq));
            }
        }
        self.stop_replay(to);
        if let Some(session) = self.sessions.open_mut(key) {
            session.replaying.remove(to);
        }
    }

    /// Without room the replay waits for the queue to drain.
    fn has_room_for(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        to: &ActorAddress,
        next: &Kept,
    ) -> bool {
        let lived = self.deadlines.lived(now);
        let Some(session) = self.sessions.open_mut(key) else { return false };
        if session.queue.has_room(next.weight, &self.config) {
            return true;
        }
        session.queue.note_full(lived);
        session.replaying.insert(to.clone());
        self.time_slow_consumer(key);
        false
    }

    fn replay_one(&mut self, now: Timestamp, key: SessionKey, to: &ActorAddress, next: &Kept) {
        let body = Body::Delivery(Arc::clone(&next.delivery));
        let copy = Outgoing::new(self.ids.of_message(), to.clone(), next.at, body);
        self.enqueue(now, key, Outgoing { seq: Some(next.seq), ..copy });
        self.counters.messages_replayed += 1;
        let (to, message, seq) = (to.clone(), next.delivery.origin.clone(), next.seq.get());
        self.audit(Record::MessageReplayed { to, message, session: key, seq });
    }

    /// A message that the address was owed will not reach it.
    pub(in crate::hub) fn settle(&mut self, address: &ActorAddress, kept: &Kept, why: DropReason) {
        if kept.owed {
            self.record_drop(address.clone(), &kept.delivery.origin, why);
        }
    }

    /// Numbers a copy and keeps it, if there is room. Returns its number, and whether it is kept.
    pub(in crate::hub) fn keep(
        &mut self,
        now: Timestamp,
        to: &ActorAddress,
        delivery: &Arc<Delivery>,
        owed: bool,
    ) -> (Option<NonZeroU64>, bool) {
        let came = (now, self.deadlines.lived(now));
        let (seq, is_kept) = self.log(to, came, Arc::clone(delivery), owed);
        self.note_kept(to, seq);
        self.time_log(to);
        (seq, is_kept)
    }

    /// The next message of a log, which came `at` this time, `lived`; without room for it, no position
    /// before it counts.
    pub(in crate::hub) fn log(
        &mut self,
        to: &ActorAddress,
        (at, lived): (Timestamp, Timestamp),
        delivery: Arc<Delivery>,
        owed: bool,
    ) -> (Option<NonZeroU64>, bool) {
        let (weight, mut lost) = (delivery.weight(), Vec::new());
        let has_room = self.logs.make_room(to, weight, &self.config, &mut lost);
        for (address, kept) in lost {
            self.settle(&address, &kept, DropReason::Overflow);
        }
        if !has_room {
            return (self.leave_out(to), false);
        }
        let seq = self.logs.change(to, |log| {
            let seq = log.number();
            log.push(Kept { seq, at, lived, weight, delivery, owed });
            seq
        });
        (seq, true)
    }

    /// Numbers a copy that is not kept, so that its recipient sees that it is missing: no position before
    /// it counts. A full store takes that too, since it adds no row.
    #[cold]
    pub(in crate::hub) fn leave_out(&mut self, to: &ActorAddress) -> Option<NonZeroU64> {
        let mut lost = Vec::new();
        let seq = self.logs.change(to, |log| {
            let seq = log.number();
            log.leave_out_latest();
            lost.extend(log.lose_all());
            seq
        });
        for kept in lost {
            self.settle(to, &kept, DropReason::Overflow);
        }
        seq
    }

    /// The oldest message of a log may be too old (I42).
    pub(in crate::hub) fn log_due(&mut self, now: Timestamp, address: &ActorAddress) {
        let too_old = self.deadlines.lived(now).before(self.config.resume_window);
        while self.logs.get(address).and_then(Log::oldest).is_some_and(|kept| kept.lived <= too_old)
            && let Some(kept) =
                self.logs.change(address, |log| log.lose_oldest(Lost::Aged)).flatten()
        {
            self.settle(address, &kept, DropReason::Unclaimed);
        }
        self.time_log(address);
    }

    /// Arms the log's deadline. It does not move when the oldest message goes; when due, it moves
    /// itself.
    pub(in crate::hub) fn time_log(&mut self, address: &ActorAddress) {
        let Some(log) = self.logs.get(address).filter(|log| log.cursor().is_none()) else { return };
        let Some(oldest) = log.oldest() else { return };
        if self.deadlines.of_log(address).is_none() {
            let at = self.deadlines.passed(oldest.lived + self.config.resume_window);
            self.deadlines.arm(Deadline::Log(address.clone()), at);
        }
    }

    /// Nothing waits to be replayed any longer: what is too old may go.
    pub(in crate::hub) fn stop_replay(&mut self, address: &ActorAddress) {
        self.logs.change(address, Log::stop);
        self.time_log(address);
    }

    /// The address keeps nothing from now on.
    pub(in crate::hub) fn end_log(&mut self, address: &ActorAddress) {
        let Some(log) = self.logs.remove(address) else { return };
        let owner = self.registry.owner(address);
        if let Some(session) = owner.and_then(|owner| self.sessions.get_mut(owner)) {
            session.replaying.remove(address);
        }
        self.deadlines.disarm(&Deadline::Log(address.clone()));
        for kept in log.into_kept() {
            self.settle(address, &kept, DropReason::Unclaimed);
        }
    }
}
