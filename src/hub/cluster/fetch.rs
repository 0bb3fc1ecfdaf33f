//! An address comes here from another node, and what that kept for it follows. Until then whatever comes for it is kept
//! and numbered for itself; then it goes on behind what was fetched.

use std::sync::Arc;

use uuid::Uuid;

use super::handover::{Aside, Had};
use super::{Cluster, Known, Timer};
use crate::cluster::engine::NodeName;
use crate::cluster::{LogEnd, LogHead, LoggedMessage, MessageBody};
use crate::hub::state::{Kept, Log, RegistrationState};
use crate::hub::{Config, DropReason, Hub, SessionKey, StoredLog};
use crate::protocol::{ActorAddress, Delivery, Epoch, Refusal, Verb};
use crate::time::Timestamp;

/// A log on its way to this node.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    from: NodeName,
    /// None: it is adopted.
    claimant: Option<SessionKey>,
    /// Whether a session had the address there.
    was_live: bool,
    /// What has come.
    log: Log,
    parts: u32,
    /// Whether this node still has the address.
    pub is_here: bool,
    /// If not, what came for it here.
    pub later: Option<Log>,
}

/// What becomes of the log of an address that was claimed.
enum Claimed {
    /// There is none elsewhere, or it is not wanted.
    Without,
    /// It was kept by a life that is over.
    Lost,
    /// Another node has it.
    Fetch,
}

impl Hub {
    /// The address has been claimed, and this is its row before that: what was kept for it comes first.
    pub(super) fn claimed(
        &mut self,
        now: Timestamp,
        claimant: Option<SessionKey>,
        address: &ActorAddress,
        before: Option<Known>,
    ) {
        let claimed = self.log_of_claimed(claimant, address, before.as_ref());
        let Some(cluster) = &mut self.cluster else { return };
        match (claimed, before) {
            (Claimed::Fetch, Some(before)) => {
                return self.begin_fetch(now, claimant, address, before);
            }
            (Claimed::Lost, _) => {
                let parked = claimant.and_then(|claimant| cluster.parked.get_mut(&claimant));
                parked.into_iter().for_each(|parked| parked.log_lost = true);
            }
            (Claimed::Fetch | Claimed::Without, _) => {}
        }
        self.end_won(now, claimant, address);
        self.moved(now, address);
    }

    /// The address and what was kept for it are here.
    fn end_won(&mut self, now: Timestamp, claimant: Option<SessionKey>, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        let version = cluster.version_of(address);
        match claimant {
            Some(claimant) => self.end_claim(now, claimant, address, Ok(version)),
            None => self.leave_detached(now, address),
        }
    }

    fn log_of_claimed(
        &self,
        claimant: Option<SessionKey>,
        address: &ActorAddress,
        before: Option<&Known>,
    ) -> Claimed {
        let Some(cluster) = &self.cluster else { return Claimed::Without };
        let Some(before) = before.filter(|row| row.recovers && self.config.recovers()) else {
            return Claimed::Without;
        };
        let parked = claimant.and_then(|claimant| cluster.parked.get(&claimant));
        let is_wanted = parked.is_none_or(|parked| {
            matches!(&parked.request.verb, Ok(Verb::Register(wish)) if wish.recovery.is_some())
        });
        let written = cluster.rows.get(address).and_then(|known| known.written.as_ref());
        let is_others = self.registry.get(address).map(|known| &known.principal)
            != written.map(|row| &row.principal);
        if !is_wanted || is_others {
            Claimed::Without
        } else if parked.is_some_and(|parked| parked.log_lost) {
            // Of what came while it was fetched, too.
            Claimed::Lost
        } else if before.owner.node == cluster.config.node {
            let is_here = self.logs.get(address).is_some();
            if is_here { Claimed::Without } else { Claimed::Lost }
        } else if cluster.life.lives(&before.owner) {
            Claimed::Fetch
        } else {
            Claimed::Lost
        }
    }

    /// The claimant waits on, until what was kept for the address is here.
    fn begin_fetch(
        &mut self,
        now: Timestamp,
        claimant: Option<SessionKey>,
        address: &ActorAddress,
        before: Known,
    ) {
        let epoch = Epoch::new(self.ids.fresh());
        let Some(cluster) = &mut self.cluster else { return };
        let Some(known) = cluster.rows.get(address) else { return };
        let (claimed, row) = (known.version, known.written.clone());
        let Some(row) = row else { return };
        let due = now + cluster.config.answer_timeout;
        let (version, from) = (before.version, before.owner.node);
        let (log, was_live) = (Log::new(Epoch::new(Uuid::nil())), !before.detached);
        let fetch = Fetch {
            from: from.clone(),
            claimant,
            was_live,
            log,
            parts: 0,
            is_here: true,
            later: None,
        };
        let had = (address.clone(), claimed);
        cluster.timers.arm(Timer::Fetch(had.clone()), due);
        cluster.fetches.insert(had, fetch);
        self.logs.insert(address, Log::new(epoch));
        self.copy_row(now, address, *row);
        // It does not end before the fetch does.
        self.detach_until(address, due + self.config.resume_window);
        self.tell(&from, MessageBody::Fetch { address: address.clone(), version, claimed });
        self.moved(now, address);
    }

    /// A piece of a log arrives.
    pub(super) fn fetched(
        &mut self,
        now: Timestamp,
        from: &NodeName,
        had: Had,
        part: u32,
        (messages, end): (Vec<LoggedMessage>, Option<LogEnd>),
    ) {
        let lived = self.deadlines.lived(now);
        let Some(cluster) = &mut self.cluster else { return };
        let fetch = cluster.fetches.get_mut(&had);
        let Some(fetch) = fetch.filter(|fetch| fetch.from == *from && fetch.parts == part) else {
            return;
        };
        fetch.parts += 1;
        let mut kept = messages.into_iter().map(|message| kept(message, now, lived));
        let is_read = kept.all(|kept| fetch.log.push_numbered(kept, &self.config).is_ok());
        let head = end.as_ref().and_then(|end| end.log).map(stored);
        let is_read = is_read && head.is_none_or(|head| fetch.log.end_numbered(head).is_ok());
        if !is_read {
            cluster.figures.messages_unread += 1;
            self.end_fetch(now, &had, None);
        } else if end.is_some() {
            self.end_fetch(now, &had, end);
        }
    }

    /// The log is here, or it is waited for no longer.
    pub(super) fn end_fetch(&mut self, now: Timestamp, had: &Had, end: Option<LogEnd>) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(fetch) = cluster.take_fetch(had) else { return };
        let address = &had.0;
        let later = if fetch.is_here { self.logs.remove(address) } else { fetch.later };
        let (taken_over, lost) =
            end.as_ref().map_or((None, true), |end| (end.taken_over, end.lost));
        let Some(cluster) = &mut self.cluster else { return };
        cluster.figures.logs_lost += u64::from(lost);
        cluster.figures.logs_fetched += u64::from(!lost);
        let fetched = end.and_then(|end| end.log).map(|_| fetch.log);
        let (log, gave_way) = joined(fetched, later, &self.config);
        for kept in gave_way {
            self.settle(address, &kept, DropReason::Overflow);
        }
        if !fetch.is_here {
            return self.keep_aside(now, had.clone(), Aside { log, taken_over, lost });
        }
        if let Some(log) = log {
            self.insert_log(address, log);
        }
        self.resume_claim(now, address, (fetch.claimant, fetch.was_live), (taken_over, lost));
    }

    /// The claimant gets the address, or it is detached if the claimant is gone.
    fn resume_claim(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        (claimant, was_live): (Option<SessionKey>, bool),
        (taken_over, lost): (Option<Epoch>, bool),
    ) {
        self.registry.set_taken_over(address, taken_over);
        let Some(cluster) = &mut self.cluster else { return };
        let parked = claimant.and_then(|claimant| cluster.parked.get_mut(&claimant));
        if let Some(parked) = parked.filter(|parked| parked.address == *address) {
            parked.log_lost = lost;
            if was_live {
                self.registry.set_state(address, RegistrationState::Elsewhere);
            }
        }
        self.end_won(now, claimant, address);
        self.leaves_behind(address);
        self.unsettle(address);
        self.moved(now, address);
    }

    /// Yet another node has an address whose log was being fetched, or it has no row any longer.
    pub(super) fn refuse_fetching(&mut self, now: Timestamp, had: &Had) {
        let fetch = self.cluster.as_ref().and_then(|cluster| cluster.fetches.get(had));
        if let Some(claimant) = fetch.and_then(|fetch| fetch.claimant) {
            self.end_claim(now, claimant, &had.0, Err(Refusal::lost(&had.0)));
        }
    }

    /// The engine lost what it had: who waits claims anew, and what was kept elsewhere is lost.
    pub(super) fn drop_fetches(&mut self) {
        while let Some(cluster) = &mut self.cluster
            && let Some((had, fetch)) = cluster.fetches.pop_first()
        {
            cluster.timers.disarm(&Timer::Fetch(had.clone()));
            let address = had.0;
            for kept in fetch.later.into_iter().flat_map(Log::into_kept) {
                self.settle(&address, &kept, DropReason::Unclaimed);
            }
            let Some(cluster) = &mut self.cluster else { return };
            let Some(claimant) = fetch.claimant else { continue };
            if let Some(parked) = cluster.parked.get_mut(&claimant)
                && parked.address == address
            {
                parked.log_lost = true;
                cluster.claims_again(&address, claimant);
            }
        }
    }
}

impl Cluster {
    pub(super) fn take_fetch(&mut self, had: &Had) -> Option<Fetch> {
        self.timers.disarm(&Timer::Fetch(had.clone()));
        self.fetches.remove(had)
    }

    /// Returns whether the log of an address that this node has is on its way.
    pub(super) fn is_fetching(&self, address: &ActorAddress) -> bool {
        let version = self.rows.get(address).map(|known| known.version);
        let fetch = version.and_then(|version| self.fetches.get(&(address.clone(), version)));
        fetch.is_some_and(|fetch| fetch.is_here)
    }
}

/// What was fetched, and behind it what came later; the latter alone if there is no log.
fn joined(fetched: Option<Log>, later: Option<Log>, config: &Config) -> (Option<Log>, Vec<Kept>) {
    match (fetched, later) {
        (Some(mut log), Some(later)) => {
            let gave_way = log.follow_with(later, config);
            (Some(log), gave_way)
        }
        (fetched, later) => (fetched.or(later), Vec::new()),
    }
}

fn kept(message: LoggedMessage, now: Timestamp, lived: Timestamp) -> Kept {
    let LoggedMessage { seq, age, lived: lived_for, owed, delivery } = message;
    let delivery = Arc::<Delivery>::from(delivery);
    let (at, lived, weight) = (now.before(age), lived.before(lived_for), delivery.weight());
    Kept { seq, at, lived, weight, delivery, owed }
}

fn stored(head: LogHead) -> StoredLog {
    let LogHead { epoch, last, floor, aged } = head;
    StoredLog { epoch, last, floor, aged }
}
