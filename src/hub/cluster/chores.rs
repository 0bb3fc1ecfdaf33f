//! What one input begins for more addresses than it has time for: each turn looks at some, and the next one is due at
//! once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::{Cluster, Known};
use crate::cluster::Place;
use crate::cluster::engine::Revision;
use crate::hub::Hub;
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// What is left to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Chores {
    /// A watch that is caught up, whose rows are all that there are.
    pub sweep: Option<Sweep>,
    /// What was known when the engine lost its rows.
    pub lost: VecDeque<Lost>,
    /// Places where lives began or ended, with the address up to which those there were looked at.
    pub places: VecDeque<(Place, Option<ActorAddress>)>,
    /// When something was left.
    pub left_at: Option<Timestamp>,
}

/// What a watch has shown, beside what is known.
#[derive(Debug, Clone)]
pub(super) struct Sweep {
    /// What it showed is all that there was at this revision.
    pub revision: Revision,
    pub shown: BTreeSet<ActorAddress>,
    /// Up to here the known rows were looked at.
    pub after: Option<ActorAddress>,
}

impl Sweep {
    /// Whether the row is there no longer, and that is yet to be found.
    pub fn misses(&self, address: &ActorAddress, known: &Known) -> bool {
        let is_left = self.after.as_ref().is_none_or(|after| after < address);
        is_left && known.revision <= self.revision && !self.shown.contains(address)
    }
}

/// Rows that the engine lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    pub rows: BTreeMap<ActorAddress, Known>,
    pub at: BTreeMap<Place, BTreeSet<ActorAddress>>,
}

impl Lost {
    fn pop(&mut self) -> Option<ActorAddress> {
        let (address, known) = self.rows.pop_first()?;
        if let Some(there) = self.at.get_mut(&known.owner) {
            there.remove(&address);
        }
        Some(address)
    }
}

impl Hub {
    /// A turn of what earlier inputs began, or this one.
    pub(super) fn do_chores(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let mut room = cluster.config.turn_addresses_max;
        let gone = cluster.take_unshown(&mut room);
        let lost = cluster.take_lost(&mut room);
        let looked_at = cluster.take_places(room);
        for (address, revision) in gone {
            self.clear_unshown(now, &address, revision);
        }
        for address in lost {
            self.look_for_lost(&address);
        }
        for address in looked_at {
            self.look_again_at(now, &address);
        }
    }

    /// Writes what is to be written, as far as the turn and the writes under way have room.
    pub(super) fn settle_some(&mut self, now: Timestamp) {
        let Some(cluster) = &self.cluster else { return };
        for _ in 0..cluster.config.turn_addresses_max {
            let cluster = self.cluster.as_mut().filter(|cluster| cluster.may_settle(now));
            let Some(address) = cluster.and_then(|cluster| cluster.unsettled.pop_first()) else {
                break;
            };
            self.go_on_with(now, &address);
        }
        let Some(cluster) = &mut self.cluster else { return };
        let Chores { sweep, lost, places, .. } = &cluster.chores;
        let finds_lost = !lost.is_empty() && cluster.verified;
        let settles = !cluster.unsettled.is_empty() && cluster.may_settle(now);
        let is_left = settles || sweep.is_some() || finds_lost || !places.is_empty();
        cluster.chores.left_at = is_left.then_some(now);
    }
}

impl Cluster {
    /// Rows that are not there any longer come first: no write expects them.
    fn may_settle(&self, now: Timestamp) -> bool {
        let has_room = self.writes.len() < self.config.writes_under_way_max;
        has_room && self.leaving.is_none() && self.chores.sweep.is_none() && self.writes_now(now)
    }

    /// Of so many known rows those that the watch did not show, with their revisions.
    fn take_unshown(&mut self, room: &mut usize) -> Vec<(ActorAddress, Revision)> {
        let Some(sweep) = &mut self.chores.sweep else { return Vec::new() };
        let from = sweep.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = self.rows.range((from, Bound::Unbounded));
        let mut unshown = Vec::new();
        while *room > 0
            && let Some((address, known)) = left.next()
        {
            *room -= 1;
            if sweep.misses(address, known) {
                unshown.push((address.clone(), known.revision));
            }
            sweep.shown.remove(address);
            sweep.after = Some(address.clone());
        }
        if left.next().is_none() {
            self.chores.sweep = None;
        }
        unshown
    }

    /// So many addresses whose rows the engine lost, once it is known which it has.
    fn take_lost(&mut self, room: &mut usize) -> Vec<ActorAddress> {
        let mut taken = Vec::new();
        while *room > 0
            && self.verified
            && let Some(lost) = self.chores.lost.front_mut()
        {
            match lost.pop() {
                Some(address) => {
                    *room -= 1;
                    taken.push(address);
                }
                None => _ = self.chores.lost.pop_front(),
            }
        }
        taken
    }

    /// So many addresses at places that have to be looked at again.
    fn take_places(&mut self, mut room: usize) -> Vec<ActorAddress> {
        let mut taken = Vec::new();
        while room > 0
            && let Some((place, after)) = self.chores.places.pop_front()
        {
            let Some(there) = self.at.get(&place) else { continue };
            let (from, before) = (after.map_or(Bound::Unbounded, Bound::Excluded), taken.len());
            taken.extend(there.range((from, Bound::Unbounded)).take(room).cloned());
            room -= taken.len() - before;
            if room == 0 {
                self.chores.places.push_front((place, taken.last().cloned()));
            }
        }
        taken
    }
}
