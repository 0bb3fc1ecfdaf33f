//! A node that ends in order hands on what it keeps: other nodes adopt its addresses, as if their sessions had just been
//! lost there, and fetch the logs. It leaves when nothing is left, or when its time is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Cluster;
use super::writes::Why;
use crate::cluster::engine::{NodeName, Revision};
use crate::cluster::{AddressRow, MessageBody, Place};
use crate::hub::{Hub, weights};
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// Where each address is that this node is to adopt, and its version there.
pub(super) type Adoptions = BTreeMap<ActorAddress, (Place, Revision)>;

/// What a node has yet to hand on.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    /// Then it leaves, whatever is left.
    due: Timestamp,
    /// Addresses whose turn is yet to come.
    left: VecDeque<ActorAddress>,
    /// Those that others are asked to adopt, and when further ones are asked.
    asked: BTreeMap<ActorAddress, Timestamp>,
    /// Who adopts nothing.
    unwilling: BTreeSet<NodeName>,
    /// How many addresses had their turn.
    turns: usize,
}

/// What the logs may weigh, in bytes, that others are asked to fetch; one alone may weigh more.
const ASKED_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Leaving {
    /// When it has something to do.
    pub fn next(&self) -> Timestamp {
        self.asked.values().copied().chain([self.due]).min().unwrap_or(self.due)
    }

    /// The node adopts nothing.
    pub fn ask_no_more(&mut self, node: NodeName) {
        self.unwilling.insert(node);
    }
}

impl Hub {
    /// Begins to leave, or ends that at once: then what sessions of this node had is detached, and what it keeps is lost.
    pub(in crate::hub) fn leave_cluster(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let hands_on = cluster.acts(now) && cluster.leaving.is_none();
        let (left, asked) = (self.logs.addresses().cloned().collect(), BTreeMap::new());
        let (unwilling, turns) = (BTreeSet::new(), 0);
        let due = if hands_on { now + self.config.shutdown_timeout } else { now };
        cluster.leaving = Some(Leaving { due, left, asked, unwilling, turns });
        if !hands_on {
            cluster.leave();
        }
    }

    /// Asks others to adopt what is left, and leaves if nothing is, or nobody does.
    pub(super) fn go_on_leaving(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(leaving) = &mut cluster.leaving else { return };
        let logs = &self.logs;
        leaving.asked.retain(|address, _| logs.get(address).is_some());
        let late = leaving.asked.extract_if(.., |_, again| *again <= now);
        leaving.left.extend(late.map(|(address, _)| address));
        let others = cluster.life.others().filter(|node| !leaving.unwilling.contains(*node));
        let others: Vec<NodeName> = others.cloned().collect();
        let is_done = leaving.left.is_empty() && leaving.asked.is_empty();
        if leaving.due <= now || others.is_empty() || is_done && !cluster.is_handing_over() {
            return cluster.leave();
        }
        if cluster.writes_now(now) {
            self.ask_to_adopt(now, &others);
        }
    }

    /// As many as may be under way, each of the next one of the others.
    fn ask_to_adopt(&mut self, now: Timestamp, others: &[NodeName]) {
        let Some(cluster) = &mut self.cluster else { return };
        let weight = |address: &_| self.logs.get(address).map(|log| log.bytes() + weights::LOG);
        let mut asked = BTreeMap::<NodeName, Vec<(ActorAddress, Revision)>>::new();
        let Some(leaving) = &mut cluster.leaving else { return };
        let mut bytes: usize = leaving.asked.keys().filter_map(weight).sum();
        for _ in 0..cluster.config.turn_addresses_max {
            let has_room = leaving.asked.len() < cluster.config.writes_under_way_max;
            if !has_room || bytes >= ASKED_BYTES_MAX {
                break;
            }
            let Some(address) = leaving.left.pop_front() else { break };
            let known = cluster.rows.get(&address);
            let known = known.filter(|known| known.owner == cluster.life.place());
            let (Some(known), Some(weight)) = (known, weight(&address)) else { continue };
            let other = others[leaving.turns % others.len()].clone();
            leaving.turns += 1;
            bytes += weight;
            asked.entry(other).or_default().push((address.clone(), known.version));
            leaving.asked.insert(address, now + cluster.config.answer_timeout);
        }
        for (node, addresses) in asked {
            self.tell(&node, MessageBody::Adopt { addresses });
        }
    }

    /// A log came here while this node leaves.
    pub(super) fn leaves_behind(&mut self, address: &ActorAddress) {
        let leaving = self.cluster.as_mut().and_then(|cluster| cluster.leaving.as_mut());
        leaving.into_iter().for_each(|leaving| leaving.left.push_back(address.clone()));
    }

    /// Another node leaves, and wants this one to have its addresses.
    pub(super) fn asked_to_adopt(
        &mut self,
        from: &Place,
        addresses: Vec<(ActorAddress, Revision)>,
    ) {
        if self.stopping {
            return self.tell(&from.node, MessageBody::AdoptsNothing);
        }
        let Some(cluster) = &mut self.cluster else { return };
        for (address, version) in addresses {
            if cluster.adoptions.len() < self.config.registrations_max {
                cluster.unsettled.insert(address.clone());
                cluster.adoptions.insert(address, (from.clone(), version));
            }
        }
    }

    /// Claims an address of a node that leaves, if it is still there and nobody here claims it.
    pub(super) fn begin_adoption(&mut self, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some((from, version)) = cluster.adoptions.remove(address) else { return };
        let known = cluster.rows.get(address);
        let is_there = known.is_some_and(|known| (&known.owner, known.version) == (&from, version));
        let registration = self.registry.get(address).filter(|known| known.recovers);
        let is_claimed = cluster.writes.contains_key(address);
        if let Some(registration) = registration.filter(|_| is_there && !is_claimed) {
            let registered_at = registration.registered_at;
            let row = AddressRow { registered_at, ..self.row_of(address, registration, true) };
            self.write_row(address, Some(row), Why::Adopted);
        }
    }
}

impl Cluster {
    /// Leaves by one write: what sessions of this node had is detached.
    fn leave(&mut self) {
        let Cluster { life, requests, leaving, .. } = self;
        life.leave(requests);
        *leaving = None;
    }

    /// Whether a log is on its way from here, or to here.
    fn is_handing_over(&self) -> bool {
        !self.handovers.is_empty() || !self.fetches.is_empty()
    }
}
