//! What one input begins for more addresses than it has time for: each turn looks at some, and the next one is due at
//! once.

use std::collections::VecDeque;
use std::ops::Bound;

use super::Cluster;
use crate::cluster::Place;
use crate::cluster::engine::Revision;
use crate::hub::Hub;
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// What is left to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Chores {
    /// Addresses that a watch did not show, with the revisions of their rows if they had any.
    pub gone: VecDeque<(ActorAddress, Option<Revision>)>,
    /// Places where lives began or ended, with the address up to which those there were looked at.
    pub places: VecDeque<(Place, Option<ActorAddress>)>,
    /// When something was left.
    pub left_at: Option<Timestamp>,
}

impl Hub {
    /// A turn of what earlier inputs began, or this one.
    pub(super) fn do_chores(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let turn = cluster.config.turn_addresses_max;
        let gone = cluster.chores.gone.len().min(turn);
        let gone: Vec<_> = cluster.chores.gone.drain(..gone).collect();
        let looked_at = cluster.take_places(turn - gone.len());
        for (address, revision) in gone {
            self.clear_unshown(now, &address, revision);
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
        let Chores { gone, places, .. } = &cluster.chores;
        let settles = !cluster.unsettled.is_empty() && cluster.may_settle(now);
        let is_left = settles || !gone.is_empty() || !places.is_empty();
        cluster.chores.left_at = is_left.then_some(now);
    }
}

impl Cluster {
    /// Rows that are not there any longer come first: no write expects them.
    fn may_settle(&self, now: Timestamp) -> bool {
        let has_room = self.writes.len() < self.config.writes_under_way_max;
        has_room && self.leaving.is_none() && self.chores.gone.is_empty() && self.writes_now(now)
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
