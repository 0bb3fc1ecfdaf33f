//! The hub's state as the history tells it, kept up to date row by row: what an event did is the
//! difference between this and the rows that it touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signal_hub::hub::{
    AddressRow, Input, LATE_MIN, LogRow, Output, OwnerRow, Phase, Record, Rows, SessionKey,
    SessionRow, TopicRow, View,
};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, Outgoing, Register, Reply, Request, SessionId, Topic, Verb,
};
use signal_hub::time::Timestamp;

use super::grant::TokenReader;
use super::principals::Principals;
use crate::hash::stable_hash;
use crate::history::{Event, HubEvent, What};
use crate::scenario::{Scenario, secret};

/// The rows of a hub.
#[derive(Debug, Clone, Default)]
pub struct Shadow {
    sessions: BTreeMap<SessionKey, SessionRow>,
    addresses: BTreeMap<ActorAddress, AddressRow>,
    topics: BTreeMap<Topic, TopicRow>,
    logs: BTreeMap<ActorAddress, LogRow>,
    session_ids: BTreeSet<SessionId>,
    registrations: BTreeMap<ActorAddress, Registration>,
    /// When the latest heartbeat of each session came.
    heartbeats: BTreeMap<SessionKey, Timestamp>,
    /// Of a hub that demands tokens.
    principals: Option<Principals>,
}

/// The latest accepted registration of an address.
#[derive(Debug, Clone)]
pub struct Registration {
    pub at: Timestamp,
    request: Arc<Request>,
}

impl Registration {
    /// What was asked for.
    pub fn asked(&self) -> &Register {
        match &self.request.verb {
            Ok(Verb::Register(register)) => register,
            Ok(_) | Err(_) => unreachable!("only registrations are kept"),
        }
    }
}

impl Shadow {
    /// The rows of an empty hub that demands tokens, which are signed with this secret.
    pub fn with_tokens(secret: &[u8]) -> Self {
        Self { principals: Some(Principals::new(TokenReader::new(secret))), ..Self::default() }
    }

    /// The rows of an empty hub of the scenario.
    pub fn of(scenario: &Scenario) -> Self {
        secret(scenario).map_or_else(Self::default, Self::with_tokens)
    }

    /// Who acts for whom, if the hub demands tokens.
    pub(crate) fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// The row of a session, if it has one.
    pub fn session(&self, key: SessionKey) -> Option<&SessionRow> {
        self.sessions.get(&key)
    }

    pub(crate) fn address(&self, address: &ActorAddress) -> Option<&AddressRow> {
        self.addresses.get(address)
    }

    /// All addresses that have a row, in their order.
    pub fn address_rows(&self) -> impl Iterator<Item = (&ActorAddress, &AddressRow)> {
        self.addresses.iter()
    }

    pub(crate) fn topic(&self, topic: &Topic) -> Option<&TopicRow> {
        self.topics.get(topic)
    }

    pub(crate) fn log(&self, address: &ActorAddress) -> Option<&LogRow> {
        self.logs.get(address)
    }

    /// What is kept for each address that recovers.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (&ActorAddress, &LogRow)> {
        self.logs.iter()
    }

    /// How many subscribers each topic has.
    pub(crate) fn subscriber_counts(&self) -> impl Iterator<Item = usize> {
        self.topics.values().map(|row| row.subscribers.len())
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = (SessionKey, &SessionRow)> {
        self.sessions.iter().map(|(key, row)| (*key, row))
    }

    /// How many sessions have a row.
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many addresses have a row.
    pub(crate) fn address_count(&self) -> usize {
        self.addresses.len()
    }

    /// What each address was registered with, in their order.
    pub(crate) fn registrations(&self) -> impl Iterator<Item = (&ActorAddress, &Registration)> {
        self.registrations.iter()
    }

    /// What the present owner registered the address with, or the last one did.
    pub(crate) fn registration(&self, address: &ActorAddress) -> Option<&Registration> {
        self.registrations.get(address)
    }

    pub(crate) fn owner(&self, address: &ActorAddress) -> Option<SessionKey> {
        self.address(address)?.registration?.owner
    }

    /// Who acts in a request: the sender that it names if that is the session's, else the session's
    /// first address.
    pub(crate) fn acting_identity(&self, key: SessionKey, claimed: &ActorAddress) -> ActorAddress {
        let owned = self.session(key).map_or(&[][..], |row| row.addresses.as_slice());
        if owned.contains(claimed) {
            claimed.clone()
        } else {
            owned.first().unwrap_or(claimed).clone()
        }
    }

    pub(crate) fn is_open(&self, key: SessionKey) -> bool {
        self.session(key).is_some_and(is_open)
    }

    /// Returns whether the text is the id of a session of this or an earlier hub.
    pub(crate) fn is_session_id(&self, id: SessionId) -> bool {
        self.session_ids.contains(&id)
    }

    /// When the registration ends, if nothing more is heard: heartbeats count where it says so. Of a
    /// detached one, when it is forgotten.
    pub(crate) fn lives_until(&self, address: &ActorAddress, row: &OwnerRow) -> Timestamp {
        let beaten = row.owner.and_then(|owner| self.heartbeats.get(&owner));
        let asked = self.registration(address).map(Registration::asked);
        match (asked.filter(|asked| asked.renew_on_heartbeat), beaten) {
            (Some(asked), Some(beaten)) => row.until.max(*beaten + asked.ttl),
            (_, _) => row.until,
        }
    }

    /// Returns whether the address's own deadline was due at `at`.
    pub(crate) fn address_due(&self, address: &ActorAddress, at: Timestamp) -> bool {
        self.address(address).and_then(|row| row.deadline).is_some_and(|deadline| deadline <= at)
    }

    /// Whatever a hub that stood still had armed is so much later, without a walk on its side.
    pub(crate) fn put_off(&mut self, input: &Input) {
        let Input::Late(by) = input else { return };
        if *by <= LATE_MIN {
            return;
        }
        self.sessions.values_mut().for_each(|row| row.put_off(*by));
        self.addresses.values_mut().for_each(|row| row.put_off(*by));
        self.logs.values_mut().for_each(|row| row.put_off(*by));
        self.heartbeats.values_mut().for_each(|at| *at = *at + *by);
    }

    /// Takes over what the event touched.
    pub fn apply(&mut self, event: &Event) {
        match &event.what {
            What::HubStarted { .. } => {
                self.sessions.clear();
                self.addresses.clear();
                self.topics.clear();
                self.logs.clear();
                self.registrations.clear();
                self.heartbeats.clear();
                self.principals.iter_mut().for_each(Principals::clear);
            }
            What::Hub(event) => {
                self.apply_rows(&event.touched);
                self.apply_registration(event);
                self.apply_heartbeat(event);
                self.principals.iter_mut().for_each(|principals| principals.apply(event));
            }
            What::HubStopped { .. } | What::Client { .. } | What::Net(_) | What::Run(_) => {}
            What::Step { .. } => {}
        }
    }

    fn apply_rows(&mut self, touched: &View) {
        let Self { sessions, session_ids, .. } = self;
        put(sessions, &touched.sessions, |row| {
            session_ids.insert(row.id);
        });
        put(&mut self.addresses, &touched.addresses, |_| {});
        put(&mut self.topics, &touched.topics, |_| {});
        put(&mut self.logs, &touched.logs, |_| {});
    }

    fn apply_registration(&mut self, event: &HubEvent) {
        for (address, row) in &event.touched.addresses {
            if row.is_none() {
                self.registrations.remove(address);
            }
        }
        let Input::Frame(_, Ok(ClientFrame::Request(request))) = &event.input else { return };
        let Ok(Verb::Register(register)) = &request.verb else { return };
        let address = &register.actor_address;
        let accepted = event.outputs.iter().any(|output| {
            matches!(output, Output::Audit(Record::ActorRegistered { actor_address, .. })
                if actor_address == address)
        });
        if accepted {
            let registration = Registration { at: event.now, request: Arc::clone(request) };
            self.registrations.insert(address.clone(), registration);
        }
    }

    /// A heartbeat that the hub took for one is acknowledged.
    fn apply_heartbeat(&mut self, event: &HubEvent) {
        if let Input::Closed(key, _) = &event.input {
            self.heartbeats.remove(key);
        }
        for output in &event.outputs {
            if let Output::Send(key, Outgoing { body: Body::Reply { reply, .. }, .. }) = output
                && matches!(**reply, Reply::HeartbeatAck(_))
            {
                self.heartbeats.insert(*key, event.now);
            }
        }
    }

    /// A number that two worlds share if they have the same rows.
    pub(crate) fn digest(&self) -> u64 {
        let (sessions, addresses, topics) = (&self.sessions, &self.addresses, &self.topics);
        let rows = format!("{sessions:?} {addresses:?} {topics:?} {:?}", self.logs);
        stable_hash(rows.as_bytes())
    }

    /// Returns whether these are the very rows of `all`.
    pub(crate) fn equals(&self, all: &View) -> bool {
        same(&self.sessions, &all.sessions)
            && same(&self.addresses, &all.addresses)
            && same(&self.topics, &all.topics)
            && same(&self.logs, &all.logs)
    }
}

/// A session that is not over for the hub.
pub fn is_open(row: &SessionRow) -> bool {
    row.phase != Phase::Disconnecting
}

/// The hub after an event: the touched rows over the shadow before it.
pub struct After<'a> {
    pub shadow: &'a Shadow,
    pub event: &'a HubEvent,
}

impl<'a> After<'a> {
    pub fn session(&self, key: SessionKey) -> Option<&'a SessionRow> {
        match self.event.touched.sessions.get(&key) {
            Some(row) => row.as_ref(),
            None => self.shadow.session(key),
        }
    }

    pub fn address(&self, address: &ActorAddress) -> Option<&AddressRow> {
        match self.event.touched.addresses.get(address) {
            Some(row) => row.as_ref(),
            None => self.shadow.address(address),
        }
    }

    pub fn topic(&self, topic: &Topic) -> Option<&TopicRow> {
        match self.event.touched.topics.get(topic) {
            Some(row) => row.as_ref(),
            None => self.shadow.topic(topic),
        }
    }

    pub fn log(&self, address: &ActorAddress) -> Option<&LogRow> {
        match self.event.touched.logs.get(address) {
            Some(row) => row.as_ref(),
            None => self.shadow.log(address),
        }
    }

    pub fn owner(&self, address: &ActorAddress) -> Option<SessionKey> {
        self.address(address)?.registration?.owner
    }
}

/// `is_new` sees each row that was not there.
fn put<K: Ord + Clone, V: Clone>(
    rows: &mut BTreeMap<K, V>,
    touched: &Rows<K, V>,
    mut is_new: impl FnMut(&V),
) {
    for (key, row) in touched {
        match row {
            Some(row) => match rows.get_mut(key) {
                Some(known) => known.clone_from(row),
                None => {
                    is_new(row);
                    rows.insert(key.clone(), row.clone());
                }
            },
            None => drop(rows.remove(key)),
        }
    }
}

fn same<K: Ord, V: PartialEq>(rows: &BTreeMap<K, V>, all: &Rows<K, V>) -> bool {
    rows.len() == all.len()
        && rows.iter().all(|(key, row)| all.get(key).and_then(Option::as_ref) == Some(row))
}
