//! What a client knows of itself.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::against::dialect::{Notice, Report};

/// What a client knows of itself.
#[derive(Debug, Default)]
pub struct Belief {
    /// Its own address.
    pub(super) own: String,
    pub(super) owned: BTreeSet<String>,
    /// Addresses that it has lost for good.
    pub(super) given_up: BTreeSet<String>,
    pub(super) ended: bool,
    /// Whether anybody has asked what it believes.
    pub(super) asked: AtomicBool,
    /// Whether the hub has been heard of since then: a connection can be dead and look alive.
    pub(super) proved: bool,
    /// Whether it waits for an answer that is not late yet.
    pub(super) waits: bool,
}

/// What a client believes, for whoever asks whether everybody is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The actor's own address.
    pub address: String,
    /// Whether the client tries to be there.
    pub wants: bool,
    /// Whether it believes to be there.
    pub owns: bool,
    /// Whether it waits for an answer that is not late yet.
    pub waits: bool,
}

impl Belief {
    /// Returns whether it has ended.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns whether it tries to be at the address.
    pub fn wants(&self, address: &str) -> bool {
        !self.ended && !self.given_up.contains(address)
    }

    /// Returns whether it wants a sign of life of the hub: whoever is asked whether it is back has to
    /// know.
    pub(super) fn wants_proof(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && !self.proved
    }

    /// What the hub says of the addresses that it wants; tells which it has to take anew.
    pub(super) fn note(&mut self, report: &Report, all: &[String]) -> Option<String> {
        match report {
            Report::Owned { address, .. } => {
                self.owned.insert(address.clone());
            }
            Report::Told { what: Notice::Superseded, address } => {
                let lost = address.as_ref().map_or(all, std::slice::from_ref);
                self.owned.retain(|owned| !lost.contains(owned));
                self.given_up.extend(lost.iter().cloned());
            }
            Report::Told { what: Notice::Expired, address: Some(address) } => {
                self.owned.remove(address);
                return Some(address.clone());
            }
            _ => {}
        }
        None
    }

    /// What a client that has not ended believes.
    pub fn agreement(&self) -> Option<Agreement> {
        self.asked.store(true, Ordering::Relaxed);
        let (address, owns) = (self.own.clone(), self.proved && self.owned.contains(&self.own));
        let (wants, waits) = (self.wants(&address), self.waits);
        (!self.ended).then_some(Agreement { address, wants, owns, waits })
    }
}
