//! One address that the hub knows: who has it, and until when.

use std::net::IpAddr;
use std::time::Duration;

use super::detached::Holder;
use crate::auth::Principal;
use crate::hub::{SessionKey, weights};
use crate::protocol::{ActorAddress, Epoch, Json, RenewalToken};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    pub version: u64,
    pub capabilities: Vec<String>,
    pub metadata: Json,
    pub registered_at: Timestamp,
    pub ttl: Duration,
    /// The only principal that may have the address while the hub knows it; none with auth off.
    pub principal: Option<Principal>,
    /// The IP address of the session that registered it.
    pub peer: IpAddr,
    /// Whether each heartbeat of the owner renews it.
    pub renew_on_heartbeat: bool,
    /// Whether messages to it are numbered and kept.
    pub recovers: bool,
    /// The latest epoch that a takeover ended.
    pub taken_over: Option<Epoch>,
    pub state: RegistrationState,
}

impl Registration {
    pub(super) fn holder(&self) -> Holder {
        match &self.principal {
            Some(principal) => Holder::Principal(principal.clone()),
            None => Holder::Peer(self.peer),
        }
    }

    /// Bytes that it counts for in the hub's accounts.
    pub fn weight(&self, address: &ActorAddress) -> usize {
        weights::registration(address, &self.capabilities, self.metadata.len())
    }
}

/// Whether an address has an owner, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RegistrationState {
    /// Routable, until `expires_at`.
    Live {
        owner: SessionKey,
        expires_at: Timestamp,
        /// The current token, good once.
        token: RenewalToken,
        /// The token that the registration came with, which its owner may show again.
        first_token: RenewalToken,
    },
    /// Not routable; its subscriptions are kept until then.
    Detached { until: Timestamp },
    /// Another node of the cluster has it.
    Elsewhere,
}

impl RegistrationState {
    pub fn owner(&self) -> Option<SessionKey> {
        match self {
            RegistrationState::Live { owner, .. } => Some(*owner),
            RegistrationState::Detached { .. } | RegistrationState::Elsewhere => None,
        }
    }

    pub fn is_elsewhere(&self) -> bool {
        matches!(self, RegistrationState::Elsewhere)
    }

    pub fn is_detached(&self) -> bool {
        matches!(self, RegistrationState::Detached { .. })
    }

    pub(super) fn before(self, duration: Duration) -> Self {
        match self {
            RegistrationState::Live { owner, expires_at, token, first_token } => {
                let expires_at = expires_at.before(duration);
                RegistrationState::Live { owner, expires_at, token, first_token }
            }
            RegistrationState::Detached { until } => {
                RegistrationState::Detached { until: until.before(duration) }
            }
            RegistrationState::Elsewhere => self,
        }
    }
}
