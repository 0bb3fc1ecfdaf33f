//! All that a client waits for, each wait with its owner; an owner waits for one moment at most.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::CommandId;
use crate::protocol::{ActorAddress, MessageId};
use crate::time::Timestamp;

/// Who waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The phase: an attempt, a pause, a close.
    Phase,
    Heartbeat,
    Silence,
    Ask(MessageId),
    Waiting(CommandId),
    /// The next registration or renewal of an address.
    Registration(ActorAddress),
    /// The next try to restore an address's subscriptions.
    Topics(ActorAddress),
}

impl Owner {
    /// Whether the wait ends with the connection.
    fn is_of_connection(&self) -> bool {
        match self {
            Owner::Phase
            | Owner::Heartbeat
            | Owner::Silence
            | Owner::Ask(_)
            | Owner::Registration(_)
            | Owner::Topics(_) => true,
            Owner::Waiting(_) => false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_owner: BTreeMap<Owner, Timestamp>,
    by_time: BTreeSet<(Timestamp, Owner)>,
}

impl Deadlines {
    /// Makes `owner` wait for `at`, and for nothing else.
    pub(super) fn set(&mut self, owner: Owner, at: Timestamp) {
        self.clear(&owner);
        self.by_owner.insert(owner.clone(), at);
        self.by_time.insert((at, owner));
    }

    pub(super) fn clear(&mut self, owner: &Owner) {
        if let Some((owner, at)) = self.by_owner.remove_entry(owner) {
            self.by_time.remove(&(at, owner));
        }
    }

    /// Forgets every wait that ends with the connection.
    pub(super) fn clear_connection(&mut self) {
        self.by_owner.retain(|owner, _| !owner.is_of_connection());
        self.by_time.retain(|(_, owner)| !owner.is_of_connection());
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest owner whose time has come.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Owner> {
        if self.next()? > now {
            return None;
        }
        let (_, owner) = self.by_time.pop_first()?;
        self.by_owner.remove(&owner);
        Some(owner)
    }
}
