//! A client's deadlines, at most one for each owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::CommandId;
use crate::protocol::{ActorAddress, MessageId};
use crate::time::Timestamp;

/// The owner of a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The phase: an attempt, a pause or a close.
    Phase,
    Heartbeat,
    Silence,
    /// The next request for a token, or the answer to the last one.
    Token,
    Ask(MessageId),
    Waiting(CommandId),
    /// The next registration or renewal of an address.
    Registration(ActorAddress),
    /// The next try to restore an address's subscriptions.
    Topics(ActorAddress),
}

impl Owner {
    /// Returns whether the deadline ends with the connection.
    fn is_of_connection(&self) -> bool {
        match self {
            Owner::Phase
            | Owner::Heartbeat
            | Owner::Silence
            | Owner::Token
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
    /// Makes `at` the owner's only deadline.
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

    /// Forgets the deadlines that end with the connection.
    pub(super) fn clear_connection(&mut self) {
        self.by_owner.retain(|owner, _| !owner.is_of_connection());
        self.by_time.retain(|(_, owner)| !owner.is_of_connection());
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes the earliest deadline if it is due, and returns its owner.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Owner> {
        if self.next()? > now {
            return None;
        }
        let (_, owner) = self.by_time.pop_first()?;
        self.by_owner.remove(&owner);
        Some(owner)
    }
}
