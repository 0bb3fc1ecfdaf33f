//! I29 where the hub is full: a detached address gives way, the oldest of the holder that has most, and
//! none gives way sooner.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use signal_hub::auth::Principal;
use signal_hub::hub::{Config, Entry, ForgetReason, Input, Record, SessionKey};
use signal_hub::protocol::ActorAddress;
use signal_hub::time::Timestamp;

use super::super::{HubObserver, Invariant, Transition, Verdict, broken};
use crate::history::HubEvent;

/// I29.
pub struct Room {
    registrations_max: usize,
    peers: BTreeMap<SessionKey, IpAddr>,
    /// Whose the address was, and since when it is detached.
    detached: BTreeMap<ActorAddress, (Holder, Timestamp)>,
}

/// Whom a detached address counts for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Principal(Principal),
    Peer(IpAddr),
}

impl Room {
    pub fn new(config: &Config) -> Self {
        let registrations_max = config.registrations_max;
        Self { registrations_max, peers: BTreeMap::new(), detached: BTreeMap::new() }
    }
}

impl HubObserver for Room {
    fn observe(&mut self, transition: &Transition<'_>) -> Verdict {
        if let Input::Opened(key, peer) = &transition.hub.input {
            self.peers.insert(*key, peer.address.ip());
        }
        let mut known = transition.before.address_count();
        for record in transition.records() {
            match record {
                Record::ActorDetached { actor_address, session, .. } => {
                    let principals = transition.before.principals();
                    let principal = principals.and_then(|known| known.holder(actor_address));
                    let holder = match principal {
                        Some(principal) => Some(Holder::Principal(principal.clone())),
                        None => self.peers.get(session).copied().map(Holder::Peer),
                    };
                    if let Some(holder) = holder {
                        self.detached.insert(actor_address.clone(), (holder, transition.now));
                    }
                }
                // It goes last of its holder's.
                Record::ActorDormant { actor_address } => {
                    if let Some((_, since)) = self.detached.get_mut(actor_address) {
                        *since = Timestamp::NEVER;
                    }
                }
                Record::ActorForgotten { actor_address, why } => {
                    if *why == ForgetReason::Room {
                        self.is_full(actor_address, known)?;
                        self.goes_first(actor_address)?;
                    }
                    self.detached.remove(actor_address);
                    known = known.saturating_sub(1);
                }
                Record::ActorRegistered { actor_address, .. } => {
                    self.detached.remove(actor_address);
                }
                _ => {}
            }
        }
        if let Input::Closed(key, _) = &transition.hub.input {
            self.peers.remove(key);
        }
        Ok(())
    }

    fn hub_restarted(&mut self) {
        self.peers.clear();
        self.detached.clear();
    }

    fn hub_restored(&mut self, hub: &HubEvent) -> Verdict {
        let Input::Restored(entries) = &hub.input else { return Ok(()) };
        for entry in entries {
            let Entry::Address(address, Some(stored)) = entry else { continue };
            let peer = Holder::Peer(stored.peer);
            let holder = stored.principal.clone().map_or(peer, Holder::Principal);
            let since = if stored.dormant { Timestamp::NEVER } else { hub.now };
            self.detached.insert(address.clone(), (holder, since));
        }
        Ok(())
    }

    fn needs_the_past(&self) -> bool {
        true
    }
}

impl Room {
    fn is_full(&self, address: &ActorAddress, known: usize) -> Verdict {
        if known >= self.registrations_max {
            return Ok(());
        }
        let evidence = format!("{address} gives way, and the hub knows {known} addresses");
        broken(Invariant::I29, evidence)
    }

    fn goes_first(&self, address: &ActorAddress) -> Verdict {
        match self.first_to_go() {
            Some(first) if first == address => Ok(()),
            first => broken(
                Invariant::I29,
                format!("{address} gives way, and the one to go first is {first:?}"),
            ),
        }
    }

    fn first_to_go(&self) -> Option<&ActorAddress> {
        let mut counts: BTreeMap<&Holder, usize> = BTreeMap::new();
        for (holder, _) in self.detached.values() {
            *counts.entry(holder).or_default() += 1;
        }
        let rank = |(address, (holder, since)): &(&ActorAddress, &(Holder, Timestamp))| {
            (Reverse(counts[holder]), *since, (*address).clone())
        };
        self.detached.iter().min_by_key(rank).map(|(address, _)| address)
    }
}
