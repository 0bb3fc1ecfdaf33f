//! Claims: a session gets an address when the row says so, and waits for that. What it asks meanwhile waits behind.

use std::collections::VecDeque;
use std::sync::Arc;

use super::writes::Why;
use super::{Cluster, Timer};
use crate::cluster::{AddressRow, ClaimId, Format};
use crate::hub::requests::Claim;
use crate::hub::{Hub, SessionKey};
use crate::protocol::{ActorAddress, Refusal, Register, Request, Verb};
use crate::time::Timestamp;

/// A session that waits for an address.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub address: ActorAddress,
    pub request: Arc<Request>,
    due: Timestamp,
    /// Whether what was kept for the address is lost.
    pub log_lost: bool,
    /// What it asked since.
    waiting: VecDeque<Arc<Request>>,
}

impl Hub {
    /// Begins to claim an address for a session, whose reply waits for that.
    pub(in crate::hub) fn claim(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
        register: &Register,
    ) -> Result<(), Refusal> {
        let address = register.actor_address.clone();
        self.check_register(key, &address)?;
        if self.registry.get(&address).is_some_and(|known| known.state.is_elsewhere()) {
            // A turn that finds its owner dead may be yet to come.
            self.look_again_at(now, &address);
        }
        let Some(cluster) = &mut self.cluster else { return Ok(()) };
        let due = now + cluster.config.claim_timeout;
        let (request, waiting) = (Arc::clone(request), VecDeque::new());
        let parked = Parked { address: address.clone(), request, due, log_lost: false, waiting };
        cluster.parked.insert(key, parked);
        cluster.timers.arm(Timer::Claim(key), due);
        cluster.claimants.entry(address.clone()).or_default().push_back(key);
        self.unsettle(&address);
        Ok(())
    }

    /// Queues a request behind the claim that its session waits for, or refuses it if there is no room. Returns
    /// whether the session waits for one.
    pub(in crate::hub) fn parks(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
    ) -> bool {
        let Some(cluster) = &mut self.cluster else { return false };
        if !cluster.parked.contains_key(&key) {
            return false;
        }
        if let Err(refusal) = cluster.check_waiting(key, request) {
            self.refuse(now, key, request, refusal);
        } else if let Some(parked) = cluster.parked.get_mut(&key) {
            parked.waiting.push_back(Arc::clone(request));
            cluster.begins_to_wait(key, request);
        }
        true
    }

    /// The session is over: nothing of it waits any longer. What it claimed is detached when it is got.
    pub(in crate::hub) fn unpark(&mut self, key: SessionKey) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(parked) = cluster.unpark(key) else { return };
        self.counters.frames_ignored += 1 + parked.waiting.len() as u64;
        for request in parked.waiting {
            cluster.waits_no_more(key, &request);
        }
    }

    /// Writes the claim of the next session that waits for the address.
    pub(super) fn begin_claim(&mut self, now: Timestamp, address: &ActorAddress) {
        while let Some(key) = self.next_claimant(address) {
            let Some(cluster) = &self.cluster else { return };
            let parked = cluster.parked.get(&key).filter(|parked| parked.address == *address);
            let Some(request) = parked.map(|parked| Arc::clone(&parked.request)) else { continue };
            let Ok(Verb::Register(register)) = &request.verb else { continue };
            let Some(row) = self.claim_row(now, key, register) else { continue };
            return self.write_row(address, Some(row), Why::Claimed(key));
        }
    }

    fn next_claimant(&mut self, address: &ActorAddress) -> Option<SessionKey> {
        let cluster = self.cluster.as_mut()?;
        let claimants = cluster.claimants.get_mut(address)?;
        let next = claimants.pop_front();
        if claimants.is_empty() {
            cluster.claimants.remove(address);
        }
        next
    }

    /// The row of an address that the session registers: topics stay unless another principal had them.
    fn claim_row(
        &self,
        now: Timestamp,
        key: SessionKey,
        register: &Register,
    ) -> Option<AddressRow> {
        let cluster = self.cluster.as_ref()?;
        let session = self.sessions.open(key)?;
        let address = &register.actor_address;
        let principal = session.grant.as_ref().map(|grant| grant.principal.clone());
        let known = self.registry.get(address).filter(|known| known.principal == principal);
        let topics = known.map(|_| self.topics_of(address)).unwrap_or_default();
        Some(AddressRow {
            format: Format,
            owner: cluster.life.place(),
            claim: ClaimId(0),
            since: None,
            generation: cluster.generation,
            detached: false,
            recovers: register.recovery.is_some() && self.config.recovers(),
            capabilities: register.capabilities.clone(),
            metadata: register.metadata.clone(),
            registered_at: now,
            ttl: register.ttl,
            principal,
            peer: session.peer.address.ip(),
            topics,
        })
    }

    /// A claim is over: the session has the address, at this version, or hears why not.
    pub(super) fn end_claim(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        address: &ActorAddress,
        outcome: Result<u64, Refusal>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let waits = cluster.parked.get(&key).is_some_and(|parked| parked.address == *address);
        let parked = if waits { cluster.unpark(key) } else { None };
        let is_claimed = outcome.is_ok();
        let Some(Parked { request, log_lost, waiting, .. }) = parked else {
            if is_claimed {
                self.leave_detached(now, address);
            }
            return;
        };
        let reply = outcome.and_then(|version| match &request.verb {
            Ok(Verb::Register(register)) => {
                self.register(now, key, register, Some(Claim { version, log_lost }))
            }
            Ok(_) | Err(_) => Err(Refusal::unknown_outcome()),
        });
        if is_claimed && reply.is_err() {
            self.leave_detached(now, address);
        }
        match reply {
            // It tells of topics that the row does not have yet.
            Ok(reply) if self.unwritten(address).is_some() => {
                self.hold_back(key, address);
                self.withhold(now, key, address, (request, reply));
            }
            reply => self.answer(now, key, &request, reply),
        }
        self.go_on(now, key, waiting);
    }

    /// What waited behind a claim, in order; it may claim again.
    fn go_on(&mut self, now: Timestamp, key: SessionKey, waiting: VecDeque<Arc<Request>>) {
        for request in waiting {
            if let Some(cluster) = &mut self.cluster {
                cluster.waits_no_more(key, &request);
            }
            if self.sessions.open(key).is_some() {
                self.request_at_node(now, key, &request);
            } else {
                self.counters.frames_ignored += 1;
            }
        }
    }

    /// The row says that the address is here, but its session is gone: it is detached.
    pub(super) fn leave_detached(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        let known = cluster.rows.get(address).and_then(|known| known.written.clone());
        let Some(row) = known else { return };
        if let Some(old) = self.registry.owner(address) {
            self.tell_taken(now, address, old);
        }
        self.copy_row(now, address, *row);
        self.detach_until(address, now + self.config.resume_window);
        self.unsettle(address);
    }

    /// Refuses a claim that took too long: nobody knows what will become of it.
    pub(super) fn end_late_claim(&mut self, now: Timestamp, key: SessionKey) {
        let parked = self.cluster.as_ref().and_then(|cluster| cluster.parked.get(&key));
        let late = parked.filter(|parked| parked.due <= now);
        if let Some(address) = late.map(|parked| parked.address.clone()) {
            self.end_claim(now, key, &address, Err(Refusal::unknown_outcome()));
        }
    }
}

impl Cluster {
    /// The session waits no longer, and is not among those that wait for the address.
    fn unpark(&mut self, key: SessionKey) -> Option<Parked> {
        self.timers.disarm(&Timer::Claim(key));
        let parked = self.parked.remove(&key)?;
        if let Some(claimants) = self.claimants.get_mut(&parked.address) {
            claimants.retain(|other| *other != key);
            if claimants.is_empty() {
                self.claimants.remove(&parked.address);
            }
        }
        Some(parked)
    }
}
