//! Application data for addresses of other nodes: one message to each node, and its answer. A copy that finds its
//! address gone is tried once more where the address is then, and nothing overtakes it.

mod arrival;
mod reply;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use reply::complete;

use super::Cluster;
use crate::cluster::engine::{NodeName, Revision};
use crate::cluster::{Fate, Format, Incarnation, Message, MessageBody, NodeEpoch, Relayed};
use crate::hub::state::DedupeKey;
use crate::hub::{Hub, SessionKey};
use crate::protocol::{ActorAddress, Delivery, Reply, Request};
use crate::time::Timestamp;

/// What is on its way to other nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Relays {
    numbered: u64,
    open: BTreeMap<u64, Relay>,
    /// By ask.
    asks: BTreeMap<DedupeKey, u64>,
    lanes: BTreeMap<ActorAddress, Lane>,
    /// What the request at hand has for other nodes.
    gathered: Vec<ActorAddress>,
    /// What that is, and whether it may be kept for who is away.
    delivery: Option<(Arc<Delivery>, bool)>,
    /// The number of the latest message to each node.
    sent: BTreeMap<NodeName, u64>,
    /// The process and the life of each node that was heard of last, and the number of its latest message.
    heard: BTreeMap<NodeName, (Incarnation, NodeEpoch, u64)>,
}

/// A request whose copies are on their way.
#[derive(Debug, Clone)]
struct Relay {
    key: SessionKey,
    request: Arc<Request>,
    ask: Option<DedupeKey>,
    /// As if no copy of other nodes arrived.
    reply: Reply,
    delivery: Arc<Delivery>,
    queue: bool,
    due: Timestamp,
    open: BTreeMap<ActorAddress, Copy>,
    fates: Vec<Fate>,
    /// Copies of which nobody knows.
    unknown: usize,
    /// Copies that were not handed out, though their address is somewhere: the rows did not say in time where.
    misplaced: usize,
    /// The same ask, again.
    again: Vec<(SessionKey, Arc<Request>)>,
}

#[derive(Debug, Clone, Default)]
struct Copy {
    sent: bool,
    retried: bool,
}

/// The copies for one address, in their order.
#[derive(Debug, Clone)]
struct Lane {
    /// Where those under way went.
    version: Revision,
    under_way: BTreeSet<u64>,
    /// To be tried again.
    stale: BTreeSet<u64>,
    held: VecDeque<u64>,
}

/// Recipients of one message.
const RECIPIENTS_MAX: usize = 256;

impl Relays {
    pub fn next(&self) -> Option<Timestamp> {
        // All wait equally long, so the first is due first.
        self.open.values().next().map(|relay| relay.due)
    }

    /// Requests, and addresses, with copies under way.
    pub fn sizes(&self) -> (usize, usize) {
        (self.open.len(), self.lanes.len())
    }

    /// Returns whether copies for the address are under way, so that a later one has to wait or to follow.
    pub fn holds(&self, address: &ActorAddress) -> bool {
        self.lanes.contains_key(address)
    }

    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// A copy goes to where its address has this version.
    fn send(&mut self, id: u64, to: &ActorAddress, version: Revision) {
        let lane = self.lanes.entry(to.clone()).or_insert_with(|| Lane {
            version,
            under_way: BTreeSet::new(),
            stale: BTreeSet::new(),
            held: VecDeque::new(),
        });
        lane.version = version;
        lane.under_way.insert(id);
        let copy = self.open.get_mut(&id).and_then(|relay| relay.open.get_mut(to));
        copy.into_iter().for_each(|copy| copy.sent = true);
    }
}

/// Messages of one input, by node: what goes to one node goes together.
type Bundles = BTreeMap<(u64, NodeName), Vec<(ActorAddress, Revision)>>;

impl Hub {
    /// Returns whether a copy has to go by another node; then it is gathered for that.
    #[cold]
    pub(in crate::hub) fn gathers(
        &mut self,
        to: &ActorAddress,
        queue: bool,
        delivery: &Arc<Delivery>,
    ) -> bool {
        let is_elsewhere = self.node_for(to, queue).is_some();
        let Some(cluster) = &mut self.cluster else { return false };
        let relayed = is_elsewhere || cluster.relays.holds(to);
        if relayed {
            cluster.relays.gathered.push(to.clone());
            cluster.relays.delivery = Some((Arc::clone(delivery), queue));
        }
        relayed
    }

    /// The other node that has the address, or keeps what may wait for it, and the version there.
    fn node_for(&self, to: &ActorAddress, queue: bool) -> Option<(NodeName, Revision)> {
        let (known, cluster) = (self.registry.get(to)?, self.cluster.as_ref()?);
        let row = cluster.rows.get(to)?;
        let is_other = row.owner.node != cluster.config.node && cluster.life.lives(&row.owner);
        let is_kept = queue && known.recovers && is_other;
        let is_elsewhere = known.state.is_elsewhere() || known.state.is_detached() && is_kept;
        is_elsewhere.then(|| (row.owner.node.clone(), row.version))
    }

    /// The same ask is under way already: it gets the same outcome.
    pub(in crate::hub) fn joins_relay(
        &mut self,
        key: SessionKey,
        request: &Arc<Request>,
        ask: Option<&DedupeKey>,
    ) -> bool {
        let (Some(cluster), Some(ask)) = (&mut self.cluster, ask) else { return false };
        let Relays { open, asks, .. } = &mut cluster.relays;
        let Some(same) = asks.get(ask).and_then(|id| open.get_mut(id)) else { return false };
        same.again.push((key, Arc::clone(request)));
        cluster.begins_to_wait(key, request);
        true
    }

    /// Sends what the request gathered for other nodes, if it did. Its reply waits for theirs.
    pub(in crate::hub) fn begin_relay(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
        ask: &Option<DedupeKey>,
        reply: &Reply,
    ) -> bool {
        let Some(cluster) = &mut self.cluster else { return false };
        let relays = &mut cluster.relays;
        let gathered = std::mem::take(&mut relays.gathered);
        let Some((delivery, queue)) = relays.delivery.take() else { return false };
        let id = relays.number();
        let open = gathered.iter().map(|to| (to.clone(), Copy::default())).collect();
        let relay = Relay {
            key,
            request: Arc::clone(request),
            ask: ask.clone(),
            reply: reply.clone(),
            delivery,
            queue,
            due: now + cluster.config.answer_timeout,
            open,
            fates: Vec::new(),
            unknown: 0,
            misplaced: 0,
            again: Vec::new(),
        };
        relays.asks.extend(ask.clone().map(|ask| (ask, id)));
        relays.open.insert(id, relay);
        cluster.begins_to_wait(key, request);
        let mut bundles = Bundles::new();
        for to in &gathered {
            self.enter_lane(now, id, to, &mut bundles);
        }
        self.send_bundles(bundles);
        self.end_if_answered(now, id);
        true
    }

    /// A copy follows those before it, or waits until it is known where they went.
    fn enter_lane(&mut self, now: Timestamp, id: u64, to: &ActorAddress, bundles: &mut Bundles) {
        let Some(cluster) = &mut self.cluster else { return };
        let version = cluster.rows.get(to).map(|known| known.version);
        if let Some(lane) = cluster.relays.lanes.get_mut(to)
            && (Some(lane.version) != version || !lane.stale.is_empty() || !lane.held.is_empty())
        {
            lane.held.push_back(id);
            return;
        }
        self.dispatch(now, id, to, bundles);
    }

    /// Sends a copy to where its recipient is now.
    fn dispatch(&mut self, now: Timestamp, id: u64, to: &ActorAddress, bundles: &mut Bundles) {
        let Some(cluster) = &self.cluster else { return };
        let Some(relay) = cluster.relays.open.get(&id) else { return };
        let (delivery, queue) = (Arc::clone(&relay.delivery), relay.queue);
        let here = cluster.rows.get(to).map(|known| known.version);
        match (self.node_for(to, queue), here) {
            (Some((node, version)), _) => {
                bundles.entry((id, node)).or_default().push((to.clone(), version));
                self.cluster.iter_mut().for_each(|cluster| cluster.relays.send(id, to, version));
            }
            (None, Some(version)) => {
                let fate = self.receive(now, (to, version), &delivery, queue);
                self.met(id, to, fate);
            }
            (None, None) => self.met(id, to, Fate::Stale),
        }
    }

    fn send_bundles(&mut self, bundles: Bundles) {
        for ((relay, node), recipients) in bundles {
            let Some(cluster) = &self.cluster else { return };
            let Some(open) = cluster.relays.open.get(&relay) else { continue };
            let (delivery, queue) = (Relayed::from(&*open.delivery), open.queue);
            for to in recipients.chunks(RECIPIENTS_MAX) {
                let (to, delivery) = (to.to_vec(), Box::new(delivery.clone()));
                self.tell(&node, MessageBody::Deliver { relay, to, delivery, queue });
            }
        }
    }

    pub(super) fn tell(&mut self, node: &NodeName, body: MessageBody) {
        let Some(cluster) = &mut self.cluster else { return };
        let number = cluster.relays.sent.entry(node.clone()).or_default();
        *number += 1;
        let (from, incarnation) = (cluster.life.place(), cluster.life.incarnation());
        let message = Message { format: Format, from, incarnation, number: *number, body };
        cluster.requests.send(node.clone(), message.encode());
    }

    /// Another node says what became of a copy.
    fn told_fate(&mut self, now: Timestamp, relay: u64, to: &ActorAddress, fate: Fate) {
        let Some(cluster) = &mut self.cluster else { return };
        let relays = &mut cluster.relays;
        let Some(lane) = relays.lanes.get_mut(to) else { return };
        if !lane.under_way.remove(&relay) {
            return;
        }
        let copy = relays.open.get_mut(&relay).and_then(|relay| relay.open.get_mut(to));
        match copy {
            Some(copy) if fate == Fate::Stale && !copy.retried => {
                lane.stale.insert(relay);
            }
            _ => self.met(relay, to, fate),
        }
        self.moved(now, to);
    }

    /// What became of a copy is known.
    fn met(&mut self, relay: u64, to: &ActorAddress, fate: Fate) {
        let Some(cluster) = &mut self.cluster else { return };
        if let Some(relay) = cluster.relays.open.get_mut(&relay)
            && relay.open.remove(to).is_some()
        {
            relay.fates.push(fate);
        }
    }

    /// The row of an address changed, or a copy for it was answered: what waited goes on, in order.
    pub(super) fn moved(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        let version = cluster.rows.get(address).map(|known| known.version);
        if !cluster.relays.holds(address) {
            return;
        }
        let is_there =
            self.registry.owner(address).is_some() || self.node_for(address, true).is_some();
        let Some(cluster) = &mut self.cluster else { return };
        let Some(lane) = cluster.relays.lanes.get_mut(address) else { return };
        // A stale copy waits for news of its address.
        let waits = is_there && version == Some(lane.version) && !lane.stale.is_empty();
        if !lane.under_way.is_empty() || waits {
            return;
        }
        let stale = std::mem::take(&mut lane.stale);
        let held = std::mem::take(&mut lane.held);
        cluster.relays.lanes.remove(address);
        let mut bundles = Bundles::new();
        for relay in &stale {
            let open = self.cluster.as_mut().and_then(|known| known.relays.open.get_mut(relay));
            let copy = open.and_then(|open| open.open.get_mut(address));
            copy.into_iter().for_each(|copy| copy.retried = true);
        }
        let relays: Vec<u64> = stale.into_iter().chain(held).collect();
        for relay in &relays {
            self.dispatch(now, *relay, address, &mut bundles);
        }
        self.send_bundles(bundles);
        for relay in relays {
            self.end_if_answered(now, relay);
        }
    }

    fn end_if_answered(&mut self, now: Timestamp, id: u64) {
        let Some(cluster) = &mut self.cluster else { return };
        if cluster.relays.open.get(&id).is_some_and(|relay| relay.open.is_empty())
            && let Some(relay) = cluster.relays.open.remove(&id)
        {
            self.end_relay(now, relay);
        }
    }

    /// Ends what waited too long for other nodes.
    pub(super) fn end_relays(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let open = cluster.relays.open.iter().take_while(|(_, relay)| relay.due <= now);
        let late: Vec<u64> = open.map(|(id, _)| *id).collect();
        for id in late {
            let Some(cluster) = &mut self.cluster else { return };
            let Some(mut relay) = cluster.relays.open.remove(&id) else { continue };
            let open = std::mem::take(&mut relay.open);
            for (address, copy) in open {
                let Some(cluster) = &mut self.cluster else { return };
                let retried = cluster.leave_lane(&address, id);
                if copy.sent && !retried {
                    relay.unknown += 1;
                } else {
                    relay.misplaced += 1;
                }
                self.moved(now, &address);
            }
            self.end_relay(now, relay);
        }
    }

    fn end_relay(&mut self, now: Timestamp, relay: Relay) {
        let Relay { key, request, ask, reply, fates, unknown, misplaced, again, .. } = relay;
        let reply = complete(reply, &fates, (unknown, misplaced), &request);
        if let (Some(cluster), Some(ask)) = (&mut self.cluster, &ask) {
            cluster.relays.asks.remove(ask);
        }
        if let (Some(ask), Ok(reply)) = (ask, &reply) {
            self.remember_outcome(now, key, ask, reply);
        }
        self.answer_waiting(now, key, &request, reply.clone());
        for (key, request) in again {
            self.answer_waiting(now, key, &request, reply.clone());
        }
    }
}

impl Cluster {
    /// A copy is not waited for any longer. Returns whether it was still to be tried again.
    fn leave_lane(&mut self, address: &ActorAddress, relay: u64) -> bool {
        let Some(lane) = self.relays.lanes.get_mut(address) else { return false };
        lane.under_way.remove(&relay);
        let was_held = lane.held.len();
        lane.held.retain(|held| *held != relay);
        lane.stale.remove(&relay) || was_held > lane.held.len()
    }
}
