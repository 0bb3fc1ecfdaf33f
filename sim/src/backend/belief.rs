//! What a client knows of itself, by its events, and what is seen of its connections.

use std::collections::BTreeSet;

use signal_hub::client::{Command, DisconnectReason, Event, TransportChange};
use signal_hub::protocol::{ActorAddress, SessionId, UnregisterReason};

use crate::history::{ClientEvent, Told};
use crate::invariants::Agreement;
use crate::lower::Wishes;

/// What one client believes.
#[derive(Debug, Default)]
pub struct Belief {
    session: Option<SessionId>,
    registered: BTreeSet<ActorAddress>,
    /// Addresses that it has lost or left for good.
    given_up: BTreeSet<ActorAddress>,
    ended: bool,
}

impl Belief {
    /// Notes what the client is told: no event says that its own user gives an address up.
    pub fn is_told(&mut self, command: &Command) {
        match command {
            Command::Unregister(address) => {
                self.registered.remove(address);
                self.given_up.insert(address.clone());
            }
            Command::Register(config) => drop(self.given_up.remove(&config.address)),
            Command::Request(_)
            | Command::Subscribe { .. }
            | Command::Unsubscribe { .. }
            | Command::Disconnect { .. } => {}
        }
    }

    /// Follows an event, as the client's user would; what is worth recording is the answer.
    pub fn follow(&mut self, event: Event) -> Option<ClientEvent> {
        match event {
            Event::Connected { session, .. } => {
                self.session = Some(session);
                self.registered.clear();
            }
            Event::Registered { address, .. } => {
                self.registered.insert(address);
            }
            Event::Unregistered { address, reason: UnregisterReason::Expired } => {
                self.registered.remove(&address);
            }
            Event::Unregistered { address, .. }
            | Event::RegistrationRefused { address, retry_in: None, .. } => {
                self.registered.remove(&address);
                self.given_up.insert(address);
            }
            Event::RegistrationRefused { address, retry_in: Some(_), .. } => {
                self.registered.remove(&address);
            }
            Event::Disconnected { why, .. } => {
                self.session = None;
                self.registered.clear();
                return Some(ClientEvent::Said(format!("lost its session: {why}")));
            }
            Event::Ended { .. } => {
                self.ended = true;
                return Some(ClientEvent::Ended);
            }
            Event::Delivered(message) => {
                return message.position.map(|at| told(message.to, Told::Message(at)));
            }
            Event::Recovered { address, replayed, ttl_expired } => {
                return Some(told(address, Told::Recovered { replayed, ttl_expired }));
            }
            Event::Gap { address, position, .. } => {
                return Some(told(address, Told::Gap(position)));
            }
            Event::Invalid { why } => {
                return Some(ClientEvent::Said(format!("cannot read: {why}")));
            }
            _ => {}
        }
        None
    }

    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns whether the client tries to be at the address.
    pub fn wants(&self, address: &ActorAddress) -> bool {
        !self.ended && !self.given_up.contains(address)
    }

    /// What a client that has not ended believes.
    pub fn agreement(&self, wishes: &Wishes) -> Option<Agreement> {
        let own = wishes.own();
        (!self.ended).then(|| Agreement {
            session: self.session,
            wanted: self.wants(own).then(|| own.clone()),
            registered: self.registered.contains(own),
            outlasts: wishes.outlasts(),
        })
    }
}

fn told(address: ActorAddress, told: Told) -> ClientEvent {
    ClientEvent::Told { address, told }
}

/// Counts the connections of a client that is watched.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    opened: u32,
    is_up: bool,
}

impl Connections {
    /// Follows a change; what is worth recording is the answer.
    pub fn follow(&mut self, change: &TransportChange) -> Option<ClientEvent> {
        let why = match change {
            TransportChange::Dialling => return None,
            TransportChange::Up => {
                self.opened += 1;
                self.is_up = true;
                return Some(ClientEvent::Opened { connection: self.opened });
            }
            TransportChange::Lost(DisconnectReason::ConnectFailed(why)) => {
                return Some(ClientEvent::Said(format!("cannot connect: {why}")));
            }
            TransportChange::Lost(why) => why.clone(),
            TransportChange::Abandoned => DisconnectReason::Dropped,
        };
        Some(if std::mem::take(&mut self.is_up) {
            ClientEvent::Lost { connection: self.opened, why }
        } else {
            ClientEvent::Said("gives up connecting".to_owned())
        })
    }
}
