//! The registry: which addresses the hub knows, who owns them, and what is kept for those who may
//! come back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Touched;
use super::detached::{Detached, Holder};
use crate::auth::Principal;
use crate::hub::{SessionKey, weights};
use crate::protocol::{ActorAddress, Json, RenewalToken};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    pub version: u64,
    pub capabilities: Vec<String>,
    pub metadata: Json,
    pub registered_at: Timestamp,
    pub ttl: Duration,
    /// Who alone may have the address while the hub knows it; none with auth off.
    pub principal: Option<Principal>,
    /// Where the session came from that registered it.
    pub peer: IpAddr,
    /// Whether each heartbeat of the owner is a renewal, too.
    pub renew_on_heartbeat: bool,
    pub standing: Standing,
}

impl Registration {
    fn holder(&self) -> Holder {
        match &self.principal {
            Some(principal) => Holder::Principal(principal.clone()),
            None => Holder::Peer(self.peer),
        }
    }

    /// What it counts for in the hub's accounts, in bytes.
    pub fn weight(&self, address: &ActorAddress) -> usize {
        weights::registration(address, &self.capabilities, self.metadata.len())
    }
}

/// Whether an address has an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// Routable, until `expires_at`.
    Live {
        owner: SessionKey,
        expires_at: Timestamp,
        /// The current one, good once.
        token: RenewalToken,
        /// The one that the registration came with, which its owner may show again.
        first_token: RenewalToken,
    },
    /// Not routable; its subscriptions are kept until then.
    Detached { until: Timestamp },
}

impl Standing {
    pub fn owner(&self) -> Option<SessionKey> {
        match self {
            Standing::Live { owner, .. } => Some(*owner),
            Standing::Detached { .. } => None,
        }
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Standing::Live { expires_at, .. } => Some(*expires_at),
            Standing::Detached { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Registry {
    rows: BTreeMap<ActorAddress, Registration>,
    /// By current token.
    tokens: BTreeMap<RenewalToken, ActorAddress>,
    /// By first token, where that is not the current one any more.
    first_tokens: BTreeMap<RenewalToken, ActorAddress>,
    detached: Detached,
    pub touched: Touched<ActorAddress>,
}

impl Registry {
    pub fn get(&self, address: &ActorAddress) -> Option<&Registration> {
        self.rows.get(address)
    }

    pub fn owner(&self, address: &ActorAddress) -> Option<SessionKey> {
        self.get(address)?.standing.owner()
    }

    /// The address whose current renewal token this is.
    pub fn bearer(&self, token: RenewalToken) -> Option<&ActorAddress> {
        self.tokens.get(&token)
    }

    /// The live address that was registered with this token and renewed since.
    pub fn first_bearer(&self, token: RenewalToken) -> Option<&ActorAddress> {
        self.first_tokens.get(&token)
    }

    pub fn insert(&mut self, address: ActorAddress, registration: Registration) {
        self.leave_indexes(&address);
        self.touched.note(address.clone());
        self.rows.insert(address.clone(), registration);
        self.enter_indexes(&address);
    }

    /// Changes who owns a known address, or until when.
    pub fn set_standing(&mut self, address: &ActorAddress, standing: Standing) {
        self.leave_indexes(address);
        self.touched.note(address.clone());
        let Some(row) = self.rows.get_mut(address) else { return };
        row.standing = standing;
        self.enter_indexes(address);
    }

    pub fn set_version(&mut self, address: &ActorAddress, version: u64) {
        self.touched.note(address.clone());
        if let Some(row) = self.rows.get_mut(address) {
            row.version = version;
        }
    }

    pub fn remove(&mut self, address: &ActorAddress) -> Option<Registration> {
        self.leave_indexes(address);
        self.touched.note(address.clone());
        self.rows.remove(address)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&ActorAddress, &Registration)> {
        self.rows.iter()
    }

    /// The registrations with an owner, in the order of their addresses.
    pub fn live(&self) -> impl Iterator<Item = (&ActorAddress, &Registration)> {
        self.iter().filter(|(_, row)| row.standing.owner().is_some())
    }

    /// How many have an owner: as many as have a token.
    pub fn live_len(&self) -> usize {
        self.tokens.len()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The detached address that gives way to a newcomer (protocol, section 5).
    pub fn first_to_go(&self) -> Option<&ActorAddress> {
        self.detached.first_to_go()
    }

    fn enter_indexes(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.standing {
            Standing::Live { token, first_token, .. } => {
                self.tokens.insert(token, address.clone());
                if first_token != token {
                    self.first_tokens.insert(first_token, address.clone());
                }
            }
            Standing::Detached { until } => self.detached.insert(&row.holder(), until, address),
        }
    }

    fn leave_indexes(&mut self, address: &ActorAddress) {
        let Some(row) = self.rows.get(address) else { return };
        match row.standing {
            Standing::Live { token, first_token, .. } => {
                self.tokens.remove(&token);
                self.first_tokens.remove(&first_token);
            }
            Standing::Detached { until } => self.detached.remove(&row.holder(), until, address),
        }
    }
}
