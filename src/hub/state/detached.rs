//! Which detached address gives way when the hub is full: the oldest of the holder with the most.
//! An index, so that this costs no walk over the addresses.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::auth::Principal;
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// The holder of an address when room is short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    Principal(Principal),
    /// The holder with auth off.
    Peer(IpAddr),
}

/// The end of its resume window, and the address; the one detached first is the least.
type Kept = (Timestamp, ActorAddress);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Detached {
    of: BTreeMap<Holder, BTreeSet<Kept>>,
    /// Each holder's number of addresses, and the oldest one. The greatest gives way first.
    ranks: BTreeSet<(usize, Reverse<Kept>)>,
}

impl Detached {
    pub fn insert(&mut self, holder: &Holder, until: Timestamp, address: &ActorAddress) {
        self.change(holder, |kept| kept.insert((until, address.clone())));
    }

    pub fn remove(&mut self, holder: &Holder, until: Timestamp, address: &ActorAddress) {
        self.change(holder, |kept| kept.remove(&(until, address.clone())));
    }

    pub fn first_to_go(&self) -> Option<&ActorAddress> {
        self.ranks.last().map(|(_, Reverse((_, address)))| address)
    }

    /// How many stay until this moment or longer.
    pub fn until(&self, moment: Timestamp) -> usize {
        let stays = |(until, _): &&Kept| *until >= moment;
        self.of.values().map(|kept| kept.iter().rev().take_while(stays).count()).sum()
    }

    fn change(&mut self, holder: &Holder, change: impl FnOnce(&mut BTreeSet<Kept>) -> bool) {
        let mut kept = self.of.remove(holder).unwrap_or_default();
        if let Some(rank) = rank(&kept) {
            self.ranks.remove(&rank);
        }
        change(&mut kept);
        if let Some(rank) = rank(&kept) {
            self.ranks.insert(rank);
            self.of.insert(holder.clone(), kept);
        }
    }
}

fn rank(kept: &BTreeSet<Kept>) -> Option<(usize, Reverse<Kept>)> {
    kept.first().map(|oldest| (kept.len(), Reverse(oldest.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str) -> ActorAddress {
        ActorAddress::from_path(path).expect("a path")
    }

    #[test]
    fn the_oldest_of_whoever_has_most_goes_first() {
        let mut detached = Detached::default();
        let [one, two] = [1, 2].map(|last| Holder::Peer([10, 0, 0, last].into()));
        let at = Timestamp::from_millis;
        let kept = [(&two, 1, "e"), (&one, 5, "d"), (&one, 4, "c"), (&one, 4, "b"), (&two, 9, "a")];
        for (holder, until, path) in kept {
            detached.insert(holder, at(until), &address(path));
        }
        let mut order = Vec::new();
        while let Some(next) = detached.first_to_go().cloned() {
            let row = kept.iter().find(|(_, _, path)| next == address(path)).expect("it is one");
            detached.remove(row.0, at(row.1), &next);
            order.push(row.2);
        }
        assert_eq!(order, ["b", "e", "c", "d", "a"]);
        assert_eq!(detached, Detached::default());
    }
}
