//! Who has which address: takeover, detach and resume, renewal (protocol, sections 4 and 5).

use std::cmp::Reverse;
use std::net::IpAddr;

use signal_hub::auth::Principal;
use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, Body, CloseReason, Details, DisconnectNotice, ErrorCode, Notice, Refusal,
    Register, Registered, Renew, RenewalToken, Renewed, Reply, Request, Unregister,
    UnregisterReason, Unregistered, UnregisteredNotice,
};
use uuid::Uuid;

use super::recovery::Log;
use super::requests::{refusal, unauthorized};
use super::{Model, Registration};

impl Model {
    pub(super) fn owner(&self, address: &ActorAddress) -> Option<SessionKey> {
        self.registrations.get(address)?.owner
    }

    /// A bound is not passed; in a full hub a detached address gives way.
    fn make_room(&mut self, key: SessionKey, address: &ActorAddress) -> Result<(), Refusal> {
        let known = self.registrations.get(address);
        let limit = self.config.registrations_max;
        let full = known.is_none() && self.registrations.len() >= limit;
        let gives_way = self.first_to_go().filter(|_| full);
        if full && gives_way.is_none() {
            return Err(refusal(ErrorCode::RateLimited).with(Details::Limit { limit }));
        }
        let own = &self.sessions[&key].addresses;
        let limit = self.config.addresses_per_session_max;
        if !own.contains(address) && own.len() >= limit {
            return Err(refusal(ErrorCode::RateLimited).with(Details::Limit { limit }));
        }
        if let Some(first) = gives_way {
            self.remove(&first);
        }
        Ok(())
    }

    pub(super) fn register(
        &mut self,
        key: SessionKey,
        register: &Register,
    ) -> Result<Reply, Refusal> {
        let address = &register.actor_address;
        self.check_principal(key, address)?;
        if *address == self.config.hub_address {
            return Err(unauthorized());
        }
        self.make_room(key, address)?;
        let known = self.registrations.get(address);
        let principal = self.principal(key);
        let is_own = known.is_some_and(|known| known.principal == principal);
        let resumed = is_own && known.is_some_and(|known| known.owner.is_none());
        let loser = known.and_then(|known| known.owner).filter(|owner| *owner != key);
        if let Some(old) = loser {
            self.take_over(address, old);
        }
        let known = self.registrations.remove(address);
        let version = known.as_ref().map_or(0, |row| row.version);
        let (known, claimed) = if is_own { (known, None) } else { (None, known) };
        self.give_up(claimed.and_then(|row| row.log));
        let (topics, log, before) =
            known.map_or_else(Default::default, |row| (row.topics, row.log, row.taken_over));
        let epoch = log.as_ref().map(|log| log.epoch);
        let (log, recovery) =
            self.recovery_begins(log, (before, loser.is_some()), register.recovery);
        let ended = epoch
            .filter(|epoch| loser.is_some() && log.as_ref().map(|log| log.epoch) != Some(*epoch));
        let taken_over = ended.unwrap_or(before);
        self.outcomes.retain(|one| one.from != *address || one.principal == principal);
        let (version, expires_at) = (version + 1, self.now + register.ttl);
        let token = self.fresh_token();
        let reply = Registered {
            actor_address: address.clone(),
            expires_at,
            renewal_token: token.unwrap_or_else(unseen),
            version,
            resumed,
            subscriptions: topics.keys().cloned().collect(),
            subscription_count: None,
            recovery,
        };
        let registration = Registration {
            owner: Some(key),
            until: expires_at,
            token,
            first_token: token,
            version,
            ttl: register.ttl,
            renew_on_heartbeat: register.renew_on_heartbeat,
            principal,
            peer: self.sessions[&key].peer,
            registered_at: self.now,
            capabilities: register.capabilities.clone(),
            metadata: register.metadata.clone(),
            topics,
            log,
            taken_over,
        };
        self.registrations.insert(address.clone(), registration);
        let session = self.sessions.get_mut(&key).expect("a request comes from an open session");
        if !session.addresses.contains(address) {
            session.addresses.push(address.clone());
        }
        Ok(Reply::Registered(reply))
    }

    /// The detached address that gives way: the oldest of the principal or peer that has most.
    fn first_to_go(&self) -> Option<ActorAddress> {
        let detached = || self.registrations.iter().filter(|(_, row)| row.owner.is_none());
        let rank = |(address, row): &(&ActorAddress, &Registration)| {
            let as_many = detached().filter(|(_, other)| other.holder() == row.holder()).count();
            (Reverse(as_many), row.until, (*address).clone())
        };
        detached().min_by_key(rank).map(|(address, _)| address.clone())
    }

    /// Each heartbeat is a renewal for those who wanted that.
    pub(super) fn heartbeat(&mut self, key: SessionKey) {
        let now = self.now;
        let own = self.registrations.values_mut().filter(|row| row.owner == Some(key));
        for row in own.filter(|row| row.renew_on_heartbeat) {
            row.until = row.until.max(now + row.ttl);
        }
    }

    /// The session that has the address is told, and ends if it has no other.
    fn take_over(&mut self, address: &ActorAddress, old: SessionKey) {
        let session = self.sessions.get_mut(&old).expect("an owner is an open session");
        session.addresses.retain(|own| own != address);
        if !session.addresses.is_empty() {
            return self.say_lost(old, address, UnregisterReason::DuplicateConnection);
        }
        let notice = DisconnectNotice {
            reason: DisconnectNotice::DUPLICATE_CONNECTION.to_owned(),
            message: String::new(),
        };
        let body = Body::Notice(Notice::Disconnect(notice));
        self.send_and_close(old, address.clone(), body, CloseReason::DuplicateConnection);
    }

    fn say_lost(&mut self, key: SessionKey, address: &ActorAddress, reason: UnregisterReason) {
        let notice = UnregisteredNotice { actor_address: address.clone(), reason };
        self.send_own(key, address.clone(), Body::Notice(Notice::Unregistered(notice)));
    }

    pub(super) fn unregister(
        &mut self,
        key: SessionKey,
        request: &Request,
        unregister: &Unregister,
    ) -> Result<Reply, Refusal> {
        let address = self.meant_address(key, request, unregister.actor_address.as_ref())?;
        self.forget(&address);
        self.disown(key, &address);
        Ok(Reply::Unregistered(Unregistered { actor_address: address, unregistered_at: self.now }))
    }

    /// The one that is named, if the session has it; else that of who acts.
    pub(super) fn meant_address(
        &self,
        key: SessionKey,
        request: &Request,
        named: Option<&ActorAddress>,
    ) -> Result<ActorAddress, Refusal> {
        match named {
            Some(address) if self.owner(address) == Some(key) => Ok(address.clone()),
            Some(_) => Err(unauthorized()),
            None => self.acting_identity(key, request),
        }
    }

    /// The address is given back, and with it what became of its asks.
    pub(super) fn forget(&mut self, address: &ActorAddress) {
        self.remove(address);
        self.outcomes.retain(|outcome| outcome.from != *address);
    }

    pub(super) fn renew(
        &mut self,
        key: SessionKey,
        request: &Request,
        renew: &Renew,
    ) -> Result<Reply, Refusal> {
        let principal = self.principal(key);
        let address = match renew.renewal_token {
            Some(token) => {
                let mut rows = self.registrations.iter();
                let bears = rows.find(|(_, row)| {
                    row.token == Some(token)
                        && (row.owner == Some(key) || row.principal == principal)
                        || row.owner == Some(key) && row.first_token == Some(token)
                });
                bears.map(|(address, _)| address.clone()).ok_or_else(unauthorized)?
            }
            None => self.acting_identity(key, request)?,
        };
        let token = self.fresh_token();
        let row = self.registrations.get_mut(&address).expect("whoever acts is registered");
        row.until = self.now + row.ttl;
        row.version += 1;
        row.token = token;
        Ok(Reply::Renewed(Renewed {
            expires_at: row.until,
            renewal_token: token.unwrap_or_else(unseen),
            actor_address: address,
        }))
    }

    /// A live registration expires, or a detached one is forgotten.
    pub(super) fn address_due(&mut self, address: &ActorAddress) {
        match self.owner(address) {
            Some(owner) => self.lose(owner, address, UnregisterReason::Expired),
            None => self.remove(address),
        }
    }

    /// The session lives on without the address.
    pub(super) fn lose(
        &mut self,
        owner: SessionKey,
        address: &ActorAddress,
        why: UnregisterReason,
    ) {
        self.disown(owner, address);
        self.detach(address);
        self.say_lost(owner, address, why);
    }

    pub(super) fn detach(&mut self, address: &ActorAddress) {
        let window = self.config.resume_window;
        if window.is_zero() {
            self.registrations.remove(address);
        } else if let Some(row) = self.registrations.get_mut(address) {
            (row.owner, row.until) = (None, self.now + window);
            (row.token, row.first_token) = (None, None);
            row.log.iter_mut().for_each(Log::stop);
        }
    }

    /// With all that was kept for it.
    fn remove(&mut self, address: &ActorAddress) {
        let row = self.registrations.remove(address);
        self.give_up(row.and_then(|row| row.log));
    }

    /// What the hub drew, unless that works elsewhere or did once.
    fn fresh_token(&mut self) -> Option<RenewalToken> {
        self.drawn.token.filter(|token| self.tokens.insert(*token))
    }

    fn disown(&mut self, key: SessionKey, address: &ActorAddress) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.addresses.retain(|own| own != address);
        }
    }
}

impl Registration {
    /// Whom it counts for while it is detached.
    fn holder(&self) -> (Option<&Principal>, Option<IpAddr>) {
        match &self.principal {
            Some(principal) => (Some(principal), None),
            None => (None, self.peer),
        }
    }
}

/// Stands where the hub drew a token that nobody saw.
fn unseen() -> RenewalToken {
    RenewalToken::new(Uuid::nil())
}
