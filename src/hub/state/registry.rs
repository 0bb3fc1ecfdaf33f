//! The registry: the addresses that the hub knows, their owners, and detached addresses that may
//! come back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::detached::Detached;
use super::{Registration, RegistrationState, Seat, Seats, Table, Touched};
use crate::hub::{SessionKey, Visits};
use crate::protocol::{ActorAddress, Epoch, Recipient, RenewalToken};
use crate::time::Timestamp;

/// Addresses: all of them, and by capability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Index {
    all: BTreeSet<ActorAddress>,
    able: BTreeMap<String, BTreeSet<ActorAddress>>,
}

impl Index {
    fn with(&self, capability: Option<&str>) -> Option<&BTreeSet<ActorAddress>> {
        capability.map_or(Some(&self.all), |capability| self.able.get(capability))
    }

    fn insert(&mut self, address: &ActorAddress, capabilities: &[String]) {
        self.all.insert(address.clone());
        for capability in capabilities {
            if !self.able.contains_key(capability) {
                self.able.insert(capability.clone(), BTreeSet::new());
            }
            if let Some(able) = self.able.get_mut(capability) {
                able.insert(address.clone());
            }
        }
    }

    fn remove(&mut self, address: &ActorAddress, capabilities: &[String]) {
        if !self.all.remove(address) {
            return;
        }
        for capability in capabilities {
            let Some(able) = self.able.get_mut(capability) else { continue };
            able.remove(address);
            if able.is_empty() {
                self.able.remove(capability);
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Registry {
    rows: Seats<ActorAddress, Box<Registration>>,
    /// The weight of all rows.
    bytes: usize,
    /// By current token.
    tokens: Table<RenewalToken, ActorAddress>,
    /// By first token, if that is no longer the current one.
    first_tokens: Table<RenewalToken, ActorAddress>,
    detached: Detached,
    /// The addresses with an owner.
    live: Index,
    /// Those without one that are to recover what they miss.
    away: Index,
    /// The hub's standstills, which the rows' times leave out.
    stood_still: Duration,
    pub touched: Touched<ActorAddress>,
    pub visits: Visits,
}

impl Registry {
    /// `secret` is the hub's key for the places of rows.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            rows: Seats::new(secret),
            bytes: 0,
            tokens: Table::new(secret),
            first_tokens: Table::new(secret),
            detached: Detached::default(),
            live: Index::default(),
            away: Index::default(),
            stood_still: Duration::ZERO,
            touched: Touched::default(),
            visits: Visits::default(),
        }
    }

    pub fn get(&self, address: &ActorAddress) -> Option<&Registration> {
        self.rows.get(address).map(Box::as_ref)
    }

    /// The same, found faster by the seat.
    pub fn at(&self, seat: Seat, address: &ActorAddress) -> Option<&Registration> {
        self.rows.at(seat, address).map(Box::as_ref)
    }

    pub fn owner(&self, address: &ActorAddress) -> Option<SessionKey> {
        self.get(address)?.state.owner()
    }

    /// The registration of a recipient, its seat, and its address as it was registered first; found
    /// faster by an earlier seat.
    pub fn addressed(
        &self,
        hint: Seat,
        recipient: &Recipient,
    ) -> Option<(Seat, &ActorAddress, &Registration)> {
        let seat = match self.rows.sitting(hint) {
            Some((address, _)) if recipient == address => hint,
            Some(_) | None => self.rows.find(&recipient.address()?)?.0,
        };
        self.rows.sitting(seat).map(|(address, row)| (seat, address, row.as_ref()))
    }

    /// The seat of the registration, and the address as it was registered first: whoever keeps it
    /// should share that text.
    pub fn find(&self, address: &ActorAddress) -> Option<(Seat, &ActorAddress)> {
        self.rows.find(address)
    }

    /// The address with this current renewal token.
    pub fn bearer(&self, token: RenewalToken) -> Option<&ActorAddress> {
        self.tokens.get(&token)
    }

    /// The live address that was registered with this token and renewed since.
    pub fn first_bearer(&self, token: RenewalToken) -> Option<&ActorAddress> {
        self.first_tokens.get(&token)
    }

    /// The hub stood still: all registrations and resume windows end later.
    pub fn put_off(&mut self, by: Duration) {
        self.stood_still = self.stood_still.saturating_add(by);
    }

    /// When the registration or the resume window ends.
    pub fn until(&self, registration: &Registration) -> Timestamp {
        match registration.state {
            RegistrationState::Live { expires_at: until, .. }
            | RegistrationState::Detached { until } => until + self.stood_still,
            RegistrationState::Elsewhere => Timestamp::NEVER,
        }
    }

    pub fn insert(&mut self, address: ActorAddress, mut registration: Registration) {
        registration.state = registration.state.before(self.stood_still);
        self.unlist(&address);
        self.leave_indexes(&address);
        self.touched.note(address.clone());
        self.bytes += registration.weight(&address);
        if let Some(before) = self.rows.insert(address.clone(), Box::new(registration)) {
            self.bytes -= before.weight(&address);
        }
        self.enter_indexes(&address);
        self.list(&address);
    }

    /// Changes the owner of a known address, or its end.
    pub fn set_state(&mut self, address: &ActorAddress, state: RegistrationState) {
        self.leave_indexes(address);
        self.touched.note(address.clone());
        let Some(row) = self.rows.get(address) else { return };
        let moves = row.state.is_detached() != state.is_detached();
        if moves {
            self.unlist(address);
        }
        if let Some(row) = self.rows.get_mut(address) {
            row.state = state.before(self.stood_still);
        }
        self.enter_indexes(address);
        if moves {
            self.list(address);
        }
    }

    pub fn set_version(&mut self, address: &ActorAddress, version: u64) {
        self.touched.note(address.clone());
        if let Some(row) = self.rows.get_mut(address) {
            row.version = version;
        }
    }

    /// Another node told which epoch a takeover ended.
    pub fn set_taken_over(&mut self, address: &ActorAddress, epoch: Option<Epoch>) {
        self.touched.note(address.clone());
        if let Some(row) = self.rows.get_mut(address) {
            row.taken_over = epoch;
        }
    }

    pub fn remove(&mut self, address: &ActorAddress) {
        self.unlist(address);
        self.leave_indexes(address);
        self.touched.note(address.clone());
        if let Some(row) = self.rows.remove(address) {
            self.bytes -= row.weight(address);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&ActorAddress, &Registration)> {
        let rows = self.rows.sorted().into_iter();
        self.visits.of(rows.map(|(address, row)| (address, row.as_ref())))
    }

    /// The registrations with an owner that have the rarest of `capabilities` and whose addresses
    /// begin with `prefix` and follow `after`, in order.
    pub fn among<'r>(
        &'r self,
        prefix: &'r str,
        after: Option<&'r ActorAddress>,
        capabilities: impl Iterator<Item = &'r str>,
    ) -> impl Iterator<Item = (&'r ActorAddress, &'r Registration)> {
        let able = capabilities.map(|capability| self.live.able.get(capability));
        let shortest = able.min_by_key(|able| able.map_or(0, BTreeSet::len));
        let index = shortest.unwrap_or(Some(&self.live.all));
        index.into_iter().flat_map(move |index| self.found(index, prefix, after))
    }

    /// The number of addresses that a broadcast goes to, all or those with the capability.
    pub fn count(&self, capability: Option<&str>) -> usize {
        self.indexes(capability).map(BTreeSet::len).sum()
    }

    /// Returns whether the address is one of them.
    pub fn has(&self, address: &ActorAddress, capability: Option<&str>) -> bool {
        self.indexes(capability).any(|index| index.contains(address))
    }

    /// These addresses: first those with an owner, both parts in order.
    pub fn recipients(&self, capability: Option<&str>) -> impl Iterator<Item = &ActorAddress> {
        self.visits.of(self.indexes(capability).flatten())
    }

    fn indexes(&self, capability: Option<&str>) -> impl Iterator<Item = &BTreeSet<ActorAddress>> {
        [&self.live, &self.away].into_iter().filter_map(move |index| index.with(capability))
    }

    fn found<'r>(
        &'r self,
        index: &'r BTreeSet<ActorAddress>,
        prefix: &'r str,
        after: Option<&'r ActorAddress>,
    ) -> impl Iterator<Item = (&'r ActorAddress, &'r Registration)> {
        let from = match after.map(ActorAddress::as_str).filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let behind = self.visits.of(index.range::<str, _>((from, Bound::Unbounded)));
        behind
            .take_while(move |address| address.as_str().starts_with(prefix))
            .filter_map(move |address| Some((address, self.get(address)?)))
    }

    /// The number of addresses with an owner.
    pub fn live_len(&self) -> usize {
        self.live.all.len()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that the addresses count for in the hub's accounts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// How many detached addresses stay until they are unsubscribed.
    pub fn dormant(&self) -> usize {
        self.detached.until(Timestamp::NEVER.before(self.stood_still))
    }

    /// The detached address that gives way to a newcomer (protocol, section 5).
    pub fn first_to_go(&self) -> Option<&ActorAddress> {
        self.detached.first_to_go()
    }

    fn list(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.state {
            RegistrationState::Live { .. } | RegistrationState::Elsewhere => {
                self.live.insert(address, &row.capabilities)
            }
            RegistrationState::Detached { .. } if row.recovers => {
                self.away.insert(address, &row.capabilities)
            }
            RegistrationState::Detached { .. } => {}
        }
    }

    fn unlist(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.state {
            RegistrationState::Live { .. } | RegistrationState::Elsewhere => {
                self.live.remove(address, &row.capabilities)
            }
            RegistrationState::Detached { .. } => self.away.remove(address, &row.capabilities),
        }
    }

    fn enter_indexes(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.state {
            RegistrationState::Live { token, first_token, .. } => {
                self.tokens.insert(token, address.clone());
                if first_token != token {
                    self.first_tokens.insert(first_token, address.clone());
                }
            }
            RegistrationState::Detached { until } => {
                self.detached.insert(&row.holder(), until, address)
            }
            RegistrationState::Elsewhere => {}
        }
    }

    fn leave_indexes(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.state {
            RegistrationState::Live { token, first_token, .. } => {
                self.tokens.remove(&token);
                self.first_tokens.remove(&first_token);
            }
            RegistrationState::Detached { until } => {
                self.detached.remove(&row.holder(), until, address)
            }
            RegistrationState::Elsewhere => {}
        }
    }
}
