//! The hub as a node of a cluster. The engine has one row for each address, and the registry and the topics of every
//! node are its copy of all rows. What a session of this node has, changes here first and in its row behind that; but
//! an address that it does not have is claimed first, and is its own when that write is done.

mod claims;
mod copy;
mod figures;
mod relay;
mod timers;
mod withheld;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::{Hub, Output, SessionKey};
use crate::cluster::engine::{Event, NodeName, Request, RequestId, Revision, WriteOutcome};
use crate::cluster::{
    AddressRow, Change, ClaimId, ClusterConfig, Incarnation, Life, NodeRow, Place, Requests, RowKey,
};
use crate::protocol::{ActorAddress, Refusal, Request as Ask, Verb};
use crate::time::Timestamp;

pub use figures::NodeFigures;

use claims::Parked;
use figures::readable;
use relay::Relays;
use timers::Timer;
use withheld::Withheld;
use writes::Writing;

/// What the hub knows as a node.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    config: ClusterConfig,
    life: Life,
    requests: Requests,
    /// Whether the engine can be reached.
    reached: bool,
    /// Whether a watch has shown all rows since the engine could be reached again. Until then it may have lost rows, and
    /// its revisions mean others.
    verified: bool,
    watch: Option<Watch>,
    /// How often the engine lost what it had.
    generation: u64,
    /// The last revision that is known.
    last: Revision,
    /// The last revision that a watch has shown: a row that is older and unknown was replaced.
    shown: Revision,
    rows: BTreeMap<ActorAddress, Known>,
    /// The addresses at each place.
    at: BTreeMap<Place, BTreeSet<ActorAddress>>,
    writes: BTreeMap<ActorAddress, Writing>,
    /// Whose reads and writes are under way.
    asked: BTreeMap<RequestId, ActorAddress>,
    /// Addresses whose rows have to be looked at again.
    unsettled: BTreeSet<ActorAddress>,
    /// Replies that wait for a row to be written.
    withheld: BTreeMap<ActorAddress, Vec<Withheld>>,
    /// Sessions that wait for an address, in the order in which they asked.
    claimants: BTreeMap<ActorAddress, VecDeque<SessionKey>>,
    parked: BTreeMap<SessionKey, Parked>,
    relays: Relays,
    /// What is looked at again, and when. It may be over by then.
    timers: BTreeSet<(Timestamp, Timer)>,
    /// How many requests of each session wait for other nodes, or for a row to be written.
    waiting: BTreeMap<SessionKey, usize>,
    /// What it counted.
    figures: NodeFigures,
    /// Whether it acted for its addresses when that was last looked at.
    acted: bool,
}

/// A watch, and what it has shown until it is caught up.
#[derive(Debug, Clone)]
struct Watch {
    id: RequestId,
    since: Timestamp,
    /// The last revision that was known when it began: it shows no row that is older than it was then.
    mark: Revision,
    nodes: BTreeSet<NodeName>,
    addresses: BTreeSet<ActorAddress>,
    caught_up: bool,
}

/// The row of an address in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    revision: Revision,
    version: Revision,
    owner: Place,
    claim: ClaimId,
    detached: bool,
    /// What this node wrote; none if another one did.
    written: Option<Box<AddressRow>>,
}

impl Known {
    /// What a row says that has this revision.
    fn of(row: &AddressRow, revision: Revision) -> Self {
        Self {
            revision,
            version: row.version(revision),
            owner: row.owner.clone(),
            claim: row.claim,
            detached: row.detached,
            written: None,
        }
    }
}

impl Cluster {
    fn new(config: ClusterConfig, incarnation: Incarnation) -> Self {
        Self {
            life: Life::new(config.clone(), incarnation),
            config,
            requests: Requests::default(),
            reached: false,
            verified: false,
            watch: None,
            generation: 0,
            last: Revision(0),
            shown: Revision(0),
            rows: BTreeMap::new(),
            at: BTreeMap::new(),
            writes: BTreeMap::new(),
            asked: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            withheld: BTreeMap::new(),
            claimants: BTreeMap::new(),
            parked: BTreeMap::new(),
            relays: Relays::default(),
            timers: BTreeSet::new(),
            waiting: BTreeMap::new(),
            figures: NodeFigures::default(),
            acted: false,
        }
    }

    /// Returns whether this node may act for its addresses now.
    fn acts(&self, now: Timestamp) -> bool {
        !self.life.is_fenced(now)
    }

    /// Returns whether it may write rows of addresses now.
    fn writes_now(&self, now: Timestamp) -> bool {
        self.reached && self.verified && self.acts(now)
    }

    /// Returns whether the row of the address is of this node's present life.
    fn has(&self, address: &ActorAddress) -> bool {
        self.rows.get(address).is_some_and(|known| known.owner == self.life.place())
    }
}

impl Hub {
    /// From now on the hub is a node of a cluster, and knows nothing yet. It should be new.
    pub fn join(&mut self, config: ClusterConfig) {
        let incarnation = Incarnation(self.ids.fresh().as_u64_pair().0 >> 1);
        self.cluster = Some(Box::new(Cluster::new(config, incarnation)));
    }

    /// Hears of the engine of its cluster. As [`Hub::handle`], this expires what is due at `now` first.
    #[must_use = "the outputs are what the hub does"]
    pub fn hear(&mut self, now: Timestamp, event: Event) -> impl Iterator<Item = Output> + '_ {
        self.begin(now);
        self.heard(now, event);
        self.conclude(now);
        self.outputs.drain(..)
    }

    /// What the hub asks of the engine after the latest input, in order.
    pub fn requests(&mut self) -> impl Iterator<Item = Request> + '_ {
        self.cluster.iter_mut().flat_map(|cluster| cluster.requests.take())
    }

    /// Returns whether this node fenced itself, or does not live yet: it does nothing for its addresses.
    pub fn is_fenced(&self, now: Timestamp) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| !cluster.acts(now))
    }

    /// The rows of addresses as this node knows them, in the order of addresses: revision, version, owner.
    pub fn copied_rows(&self) -> impl Iterator<Item = (&ActorAddress, Revision, u64, &Place)> + '_ {
        let cluster = self.cluster.iter();
        cluster.flat_map(|cluster| {
            cluster.rows.iter().map(|(address, known)| {
                (address, known.revision, cluster.version_of(address), &known.owner)
            })
        })
    }

    /// All that decides what this node does next for its addresses, for whoever compares two moments of it.
    pub fn as_node(&self) -> impl fmt::Debug + '_ {
        (&self.cluster, self.registry.iter().collect::<BTreeMap<_, _>>())
    }

    /// The life of this node, if the hub is one.
    pub fn life(&self) -> Option<&Life> {
        self.cluster.as_ref().map(|cluster| &cluster.life)
    }

    /// How many topics an address may have, if the cluster bounds that.
    pub(super) fn topics_max(&self) -> Option<usize> {
        self.cluster.as_ref().map(|cluster| cluster.config.topics_per_address_max)
    }

    pub(super) fn next_of_cluster(&self) -> Option<Timestamp> {
        self.cluster.as_ref().and_then(|cluster| cluster.next())
    }

    /// What is due for the node itself, before an input.
    pub(super) fn expire_cluster(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.note_fencing(now);
        cluster.act(now);
        let (late, since) =
            (cluster.life.misses_echo(now), now.before(cluster.config.staleness_max));
        if cluster.reached
            && cluster
                .watch
                .as_ref()
                .is_none_or(|watch| watch.since <= since && (late || !watch.caught_up))
        {
            cluster.watch_anew(now);
        }
        if let Some(watch) = &mut cluster.watch
            && watch.since <= since
        {
            watch.since = now;
        }
        while let Some(timer) = self.cluster.as_mut().and_then(|cluster| cluster.pop_due(now)) {
            match timer {
                Timer::Retry(address) => self.retry_write(now, &address),
                Timer::Claim(key) => self.end_late_claim(now, key),
                Timer::Withheld(address) => self.end_withheld(now, &address),
            }
        }
        self.end_relays(now);
    }

    /// After an input: the rows that it touched are written, if they are this node's.
    pub(super) fn settle_rows(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        let touched = self.registry.touched.iter();
        cluster.unsettled.extend(touched.cloned());
        cluster.unsettled.extend(self.topics.touched.iter().map(|(address, _)| address.clone()));
        cluster.note_fencing(now);
        if !cluster.writes_now(now) {
            return;
        }
        while let Some(address) =
            self.cluster.as_mut().and_then(|cluster| cluster.unsettled.pop_first())
        {
            self.go_on_with(now, &address);
        }
    }

    /// Refuses what a node cannot do that others may take for dead, or that does not know the cluster's rows.
    pub(super) fn check_cluster(
        &self,
        now: Timestamp,
        key: SessionKey,
        request: &Ask,
    ) -> Result<(), Refusal> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let Ok(verb) = &request.verb else { return Ok(()) };
        let can = match verb {
            Verb::Connect(_)
            | Verb::Heartbeat(_)
            | Verb::Disconnect(_)
            | Verb::QueueStats
            | Verb::Metrics
            | Verb::RefreshToken(_) => true,
            Verb::Discover(_) | Verb::ListActors(_) => cluster.life.is_fresh(now),
            Verb::Register(_)
            | Verb::Unregister(_)
            | Verb::Renew(_)
            | Verb::Recover(_)
            | Verb::Send(_)
            | Verb::Broadcast(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::Publish(_) => cluster.acts(now),
        };
        let limit = cluster.config.waiting_requests_max;
        if !can {
            Err(Refusal::unavailable(cluster.config.renew_interval))
        } else if cluster.waiting.get(&key).is_some_and(|waiting| *waiting >= limit) {
            Err(Refusal::too_many_wait(limit))
        } else {
            Ok(())
        }
    }

    fn heard(&mut self, now: Timestamp, event: Event) {
        let Some(cluster) = &mut self.cluster else { return };
        match event {
            Event::Back => {
                cluster.reached = true;
                cluster.watch_anew(now);
            }
            Event::Lost => {
                (cluster.reached, cluster.verified, cluster.watch) = (false, false, None);
            }
            Event::Row { watch, key, revision, value } => {
                if cluster.watch.as_ref().is_some_and(|known| known.id == watch) {
                    let key = RowKey::decode(&key);
                    let text = value.as_deref().unwrap_or_default();
                    if cluster.shows_the_past(key.as_ref(), revision, text) {
                        return self.went_back(now);
                    }
                    self.shown(now, key, revision, value.as_deref());
                }
            }
            Event::CaughtUp { watch, revision } => self.caught_up(now, watch, revision),
            Event::Written { id, outcome } => self.written(now, id, outcome),
            Event::Read { id, row } => {
                let decoded = row.as_ref().map_err(|why| *why).map(|row| {
                    let row = row.as_ref();
                    row.and_then(|(at, text)| Some((*at, NodeRow::decode(text).ok()?)))
                });
                match cluster.life.read(now, id, decoded) {
                    Some(changes) => self.changed(now, changes),
                    None => self.row_read(now, id, row),
                }
            }
            Event::Arrived { message } => self.arrived(now, &message),
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.act(now);
        }
    }

    fn written(&mut self, now: Timestamp, id: RequestId, outcome: WriteOutcome) {
        let Some(cluster) = &mut self.cluster else { return };
        if let WriteOutcome::Done(revision) = outcome {
            cluster.last = cluster.last.max(revision);
        }
        cluster.figures.writes_unknown += u64::from(outcome == WriteOutcome::Unknown);
        match cluster.life.written(now, id, outcome) {
            Some(changes) => self.changed(now, changes),
            None => self.row_written(now, id, outcome),
        }
    }

    /// Lives of nodes began or ended.
    fn changed(&mut self, now: Timestamp, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Begun(_) => {
                    self.cluster.iter_mut().for_each(|cluster| cluster.figures.lives += 1);
                    self.claim_all_again();
                }
                Change::Appeared(place) | Change::Died(place) => self.look_again_at(now, &place),
                Change::Superseded => self.shutdown(now),
            }
        }
    }

    /// What sessions of this node have has no row of its present life.
    pub(super) fn claim_all_again(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.drop_writes();
        let live = self.registry.iter().filter(|(_, known)| known.state.owner().is_some());
        cluster.unsettled.extend(live.map(|(address, _)| address.clone()));
    }
}

impl Cluster {
    fn watch_anew(&mut self, now: Timestamp) {
        self.figures.watches += 1;
        let (id, mark) = (self.requests.watch(), self.last);
        let (nodes, addresses) = (BTreeSet::new(), BTreeSet::new());
        self.watch = Some(Watch { id, since: now, mark, nodes, addresses, caught_up: false });
    }

    /// Returns whether the watch shows a row as it was before this node knew it, or another one in its place: the engine
    /// lost what it had.
    fn shows_the_past(&self, key: Option<&RowKey>, revision: Revision, value: &[u8]) -> bool {
        let (known, is_other) = match key {
            Some(RowKey::Node(node)) => {
                let Some((known, row)) = self.life.row_of(node) else { return false };
                (known, NodeRow::decode(value).is_ok_and(|shown| shown != *row))
            }
            Some(RowKey::Address(address)) => {
                let Some(known) = self.rows.get(address) else { return false };
                let is_other = |row: AddressRow| row.claim != known.claim;
                (known.revision, AddressRow::decode(value).is_ok_and(is_other))
            }
            None => return false,
        };
        let mark = self.watch.as_ref().filter(|watch| !watch.caught_up).map(|watch| watch.mark);
        known > revision && Some(known) <= mark || known == revision && is_other
    }

    fn act(&mut self, now: Timestamp) {
        let Cluster { life, requests, .. } = self;
        if self.reached {
            life.act(now, self.verified, requests);
        }
    }

    /// Leaves by one write: what sessions of this node had is detached.
    pub(super) fn leave(&mut self) {
        let Cluster { life, requests, .. } = self;
        life.leave(requests);
    }
}
