//! Who owns which address: register, takeover, unregister, renew, detach, resume, forget (protocol,
//! section 5). Clean-up is always by address and session, never by address alone.

use super::recovery::Found;
use crate::hub::state::{Registration, RegistrationState};
use crate::hub::{Deadline, EndReason, ForgetReason, Hub, Record, SessionKey, Storage};
use crate::protocol::{
    ActorAddress, Details, ErrorCode, Refusal, Register, Registered, Renew, RenewalToken, Renewed,
    Reply, Request, Topic, Unregister, UnregisterReason, Unregistered,
};
use crate::time::Timestamp;

/// What the claim of an address came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Claim {
    /// The version that its row gives it.
    pub version: u64,
    /// Whether another node kept messages for it that are lost.
    pub log_lost: bool,
}

impl Hub {
    /// Whether the session may register the address.
    pub(in crate::hub) fn check_register(
        &self,
        key: SessionKey,
        address: &ActorAddress,
    ) -> Result<(), Refusal> {
        self.check_principal(key, address)?;
        self.check_registrable(address)?;
        self.check_addresses(key, address)
    }

    /// The last registration wins: an address that another session holds moves to this one. In a cluster it was
    /// claimed first.
    pub(in crate::hub) fn register(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        register: &Register,
        claim: Option<Claim>,
    ) -> Result<Reply, Refusal> {
        // All tables share one text.
        let known = self.registry.find(&register.actor_address).map(|(_, name)| name.clone());
        let address = known.as_ref().unwrap_or(&register.actor_address);
        self.check_register(key, address)?;
        let principal = self.principal(key);
        let known = self.registry.get(address);
        let next = known.map_or(1, |known| known.version + 1);
        let version = claim.map_or(next, |claim| claim.version);
        let is_elsewhere = known.is_some_and(|known| known.state.is_elsewhere());
        let claimed = known.is_some_and(|known| known.principal != principal);
        let resumed = !claimed && known.is_some_and(|known| known.state.is_detached());
        let known = known.filter(|_| !claimed);
        let mut taken_over = known.and_then(|known| known.taken_over);
        let epoch = known.and_then(|_| self.epoch_of(address));
        let found = self.take(now, key, address, is_elsewhere);
        let found = if claim.is_some_and(|claim| claim.log_lost) { Found::Lost } else { found };
        if claimed {
            self.forget(address, ForgetReason::Claimed);
        }
        self.make_room(address);
        let recovery = self.begin_recovery(now, address, register.recovery, found);
        if found == Found::Taken && epoch.is_some() && self.epoch_of(address) != epoch {
            taken_over = epoch;
        }
        let peer = self.sessions.get(key).map(|session| session.peer.address.ip());
        let (expires_at, renewal_token) = (now + register.ttl, RenewalToken::new(self.ids.fresh()));
        let (token, first_token) = (renewal_token, renewal_token);
        self.dedupe.belong_to(address, principal.as_ref());
        let registration = Registration {
            version,
            capabilities: register.capabilities.clone(),
            metadata: register.metadata.clone(),
            registered_at: now,
            ttl: register.ttl,
            principal,
            peer: peer.expect("a request comes from a session"),
            renew_on_heartbeat: register.renew_on_heartbeat,
            recovers: self.epoch_of(address).is_some(),
            taken_over,
            state: RegistrationState::Live { owner: key, expires_at, token, first_token },
        };
        self.registry.insert(address.clone(), registration);
        self.deadlines.arm(Deadline::Address(address.clone()), expires_at);
        self.bind(key, address, version, resumed);
        if let Some(recovery) = &recovery {
            self.record_recovery(key, address, recovery);
        }
        Ok(Reply::Registered(Registered {
            actor_address: address.clone(),
            expires_at,
            renewal_token,
            version,
            resumed,
            subscriptions: self.topics.of(address).cloned().collect(),
            subscription_count: None,
            recovery,
        }))
    }

    /// Whoever has the address has it no longer.
    fn take(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        address: &ActorAddress,
        is_elsewhere: bool,
    ) -> Found {
        match self.registry.owner(address) {
            Some(old) if old != key => {
                self.take_over(now, address, old, key);
                Found::Taken
            }
            None if is_elsewhere => Found::Taken,
            Some(_) | None => Found::Free,
        }
    }

    fn check_registrable(&self, address: &ActorAddress) -> Result<(), Refusal> {
        if *address == self.config.hub_address {
            return Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!("{address} is the hub's own address"),
                "Register another address.",
            ));
        }
        if self.registry.get(address).is_none() {
            self.check_store()?;
        }
        let limit = self.config.registrations_max;
        let gives_way = self.cluster.is_none() && self.registry.first_to_go().is_some();
        if self.lacks_room(address) && !gives_way {
            return Err(Refusal::new(
                ErrorCode::RateLimited,
                format!("the hub holds {limit} registrations and takes no more"),
                "Try again later, or register with another hub.",
            )
            .with(Details::Limit { limit }));
        }
        Ok(())
    }

    fn lacks_room(&self, address: &ActorAddress) -> bool {
        self.registry.get(address).is_none() && self.registry.len() >= self.config.registrations_max
    }

    /// Makes room for a new address in a full hub: a detached one gives way (I29).
    fn make_room(&mut self, address: &ActorAddress) {
        while self.lacks_room(address) {
            let Some(first) = self.registry.first_to_go().cloned() else { return };
            self.forget(&first, ForgetReason::Room);
        }
    }

    fn check_addresses(&self, key: SessionKey, address: &ActorAddress) -> Result<(), Refusal> {
        let limit = self.config.addresses_per_session_max;
        let session = self.sessions.open(key).expect("a request comes from an open session");
        if session.owns(address) || session.addresses.len() < limit {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::RateLimited,
                format!("this session has {limit} addresses and gets no more"),
                "Unregister an address first, or open another connection.",
            )
            .with(Details::Limit { limit }))
        }
    }

    /// Adds the address to the session's own, and records it.
    fn bind(&mut self, key: SessionKey, address: &ActorAddress, version: u64, resumed: bool) {
        let session = self.sessions.open_mut(key).expect("a request comes from an open session");
        session.addresses.add(address, self.topics.count_of(address));
        if session.claimed.as_ref() == Some(address) {
            session.claimed = Some(address.clone());
        }
        let (actor_address, session_id, session) = (address.clone(), session.id, key);
        if resumed {
            self.counters.resumes += 1;
            self.audit(Record::ActorResumed { actor_address: address.clone(), session });
        }
        self.audit(Record::ActorRegistered {
            actor_address,
            session,
            session_id,
            version,
            resumed,
        });
    }

    pub(super) fn unbind(&mut self, address: &ActorAddress, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.addresses.remove(address, self.topics.count_of(address));
            session.replaying.remove(address);
        }
    }

    pub(super) fn unregister(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        unregister: &Unregister,
    ) -> Result<Reply, Refusal> {
        let actor_address = self.meant_address(key, request, unregister.actor_address.as_ref())?;
        self.forget(&actor_address, ForgetReason::Unregistered);
        Ok(Reply::Unregistered(Unregistered { actor_address, unregistered_at: now }))
    }

    /// The address that the request names, which has to be the session's own, or who acts.
    pub(super) fn meant_address(
        &self,
        key: SessionKey,
        request: &Request,
        named: Option<&ActorAddress>,
    ) -> Result<ActorAddress, Refusal> {
        let Some(address) = named else { return self.acting_identity(key, request) };
        if self.registry.owner(address) == Some(key) {
            Ok(address.clone())
        } else {
            Err(Refusal::new(
                ErrorCode::Unauthorized,
                format!("{address} is not registered by this session"),
                "Name an address that this session has registered.",
            ))
        }
    }

    /// Extends a live registration by its own time to live. This spends the token, except the
    /// registration's first one, which its owner may show again (I10).
    pub(super) fn renew(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        renew: &Renew,
    ) -> Result<Reply, Refusal> {
        let actor_address = match renew.renewal_token {
            Some(token) => self.renewable(key, token).ok_or_else(Refusal::renewal_token)?,
            None => self.acting_identity(key, request)?,
        };
        let registration = self.registry.get(&actor_address).ok_or_else(Refusal::renewal_token)?;
        let RegistrationState::Live { owner, first_token, .. } = registration.state else {
            return Err(Refusal::renewal_token());
        };
        let (expires_at, version) = (now + registration.ttl, registration.version + 1);
        let renewal_token = RenewalToken::new(self.ids.fresh());
        let state =
            RegistrationState::Live { owner, expires_at, token: renewal_token, first_token };
        self.registry.set_state(&actor_address, state);
        if self.cluster.is_none() {
            self.registry.set_version(&actor_address, version);
        }
        self.deadlines.arm(Deadline::Address(actor_address.clone()), expires_at);
        self.audit(Record::RegistrationRenewed {
            actor_address: actor_address.clone(),
            session: owner,
            version,
        });
        Ok(Reply::Renewed(Renewed { actor_address, expires_at, renewal_token }))
    }

    /// The address that the session may renew with this token. With auth on, only the owner and its
    /// principal may.
    fn renewable(&self, key: SessionKey, token: RenewalToken) -> Option<ActorAddress> {
        if let Some(address) = self.registry.first_bearer(token) {
            let owns = self.registry.owner(address) == Some(key);
            return owns.then(|| address.clone());
        }
        let address = self.registry.bearer(token)?;
        let registration = self.registry.get(address)?;
        let owns = registration.state.owner() == Some(key);
        (owns || registration.principal == self.principal(key)).then(|| address.clone())
    }

    /// The address's deadline is due: a live address expires, a detached one is forgotten (I17).
    pub(in crate::hub) fn address_due(&mut self, now: Timestamp, address: &ActorAddress) {
        if let Some(later) = self.carried_on(address) {
            return self.move_expiry(address, later);
        }
        match self.registry.get(address).map(|registration| registration.state) {
            Some(RegistrationState::Live { owner, .. }) => {
                let why = EndReason::Expired;
                self.lose(now, address, owner, (why, UnregisterReason::Expired));
            }
            Some(RegistrationState::Detached { .. }) => match self.kept_elsewhere(now, address) {
                Some(wait) => self.deadlines.arm(Deadline::Address(address.clone()), now + wait),
                None => self.window_ended(address),
            },
            Some(RegistrationState::Elsewhere) | None => {}
        }
    }

    /// When the address expires; heartbeats count if the registration says so.
    pub(super) fn expires_at(&self, registration: &Registration) -> Option<Timestamp> {
        let owner = registration.state.owner()?;
        let until = self.registry.until(registration);
        let session = self.sessions.get(owner).filter(|_| registration.renew_on_heartbeat);
        let beaten = session.map(|session| session.last_heartbeat + registration.ttl);
        Some(beaten.map_or(until, |beaten| self.deadlines.passed(beaten).max(until)))
    }

    /// The later expiry, if heartbeats gave one: they do not move the deadline, it moves itself
    /// when due.
    fn carried_on(&self, address: &ActorAddress) -> Option<Timestamp> {
        let registration = self.registry.get(address)?;
        let later = self.expires_at(registration)?;
        (later > self.registry.until(registration)).then_some(later)
    }

    fn move_expiry(&mut self, address: &ActorAddress, later: Timestamp) {
        let state = self.registry.get(address).map(|registration| registration.state);
        let Some(RegistrationState::Live { owner, token, first_token, .. }) = state else { return };
        let state = RegistrationState::Live { owner, expires_at: later, token, first_token };
        self.registry.set_state(address, state);
        self.deadlines.arm(Deadline::Address(address.clone()), later);
    }

    /// Keeps the address's subscriptions for the next to register it within the resume window.
    pub(super) fn detach(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        owner: SessionKey,
        why: EndReason,
    ) {
        let actor_address = address.clone();
        self.audit(Record::ActorDetached { actor_address, session: owner, why });
        if self.config.resume_window.is_zero() {
            return self.window_ended(address);
        }
        let until = now + self.config.resume_window;
        self.stop_replay(address);
        self.registry.set_state(address, RegistrationState::Detached { until });
        self.deadlines.arm(Deadline::Address(address.clone()), until);
    }

    /// Nobody came back for the address: its durable subscriptions alone outlive it.
    fn window_ended(&mut self, address: &ActorAddress) {
        if self.storage == Storage::Off || !self.topics.any_durable(address) {
            return self.forget(address, ForgetReason::ResumeWindowEnded);
        }
        self.end_log(address);
        self.deadlines.disarm(&Deadline::Address(address.clone()));
        if let Some(registration) = self.registry.get(address).cloned() {
            let state = RegistrationState::Detached { until: Timestamp::NEVER };
            let dormant = Registration { recovers: false, state, ..registration };
            self.registry.insert(address.clone(), dormant);
        }
        for topic in self.topics.remove_passing(address) {
            self.audit_unsubscribed(address, topic);
        }
        self.audit(Record::ActorDormant { actor_address: address.clone() });
    }

    /// Forgets everything about the address.
    pub(in crate::hub) fn forget(&mut self, address: &ActorAddress, why: ForgetReason) {
        if let Some(owner) = self.registry.owner(address) {
            self.unbind(address, owner);
        }
        self.end_log(address);
        self.registry.remove(address);
        self.deadlines.disarm(&Deadline::Address(address.clone()));
        match why {
            ForgetReason::Unregistered | ForgetReason::Disconnected | ForgetReason::Claimed => {
                self.forget_outcomes(address);
            }
            ForgetReason::ResumeWindowEnded | ForgetReason::Room | ForgetReason::Shutdown => {}
        }
        for topic in self.topics.remove_all(address) {
            self.audit_unsubscribed(address, topic);
        }
        self.audit(Record::ActorForgotten { actor_address: address.clone(), why });
    }

    pub(super) fn audit_unsubscribed(&mut self, address: &ActorAddress, topic: Topic) {
        let subscriber_count = self.topics.subscriber_count(&topic);
        let actor_address = address.clone();
        self.audit(Record::SubscriptionRemoved { actor_address, topic, subscriber_count });
    }
}
