//! The hub as a node of a cluster. The engine has one row for each address, and the registry and the topics of every
//! node are its copy of all rows. What a session of this node has, changes here first and in its row behind that; but
//! an address that it does not have is claimed first, and is its own when that write is done.

mod chores;
mod claims;
mod copy;
mod fetch;
mod figures;
mod handover;
mod leaving;
mod relay;
mod timers;
mod watch;
mod withheld;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use bytes::Bytes;

use super::{Hub, NodeChange, Output, SessionKey};
use crate::cluster::engine::{Event, Request, RequestId, Revision, Unanswered, WriteOutcome};
use crate::cluster::{
    AddressRow, Change, ClaimId, ClusterConfig, Incarnation, Life, NodeRow, Place, Requests,
};
use crate::protocol::{ActorAddress, Refusal, Request as Ask, Verb};
use crate::time::Timestamp;

pub use figures::{NodeFigures, NodeSizes};

use chores::Chores;
use claims::Parked;
use fetch::Fetch;
use figures::readable;
use handover::{Had, Handovers};
use leaving::{Adoptions, Leaving};
use relay::Relays;
use timers::{Timer, Timers, Waiting};
use watch::Watch;
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
    chores: Chores,
    /// Replies that wait for a row to be written.
    withheld: BTreeMap<ActorAddress, Vec<Withheld>>,
    /// Sessions that wait for an address, in the order in which they asked.
    claimants: BTreeMap<ActorAddress, VecDeque<SessionKey>>,
    parked: BTreeMap<SessionKey, Parked>,
    relays: Relays,
    /// Logs on their way to this node, by address and its version here.
    fetches: BTreeMap<Had, Fetch>,
    handovers: Handovers,
    /// What others that leave want this node to adopt.
    adoptions: Adoptions,
    /// None: it stays.
    leaving: Option<Leaving>,
    timers: Timers,
    /// What of each session waits.
    waiting: BTreeMap<SessionKey, Waiting>,
    /// What it counted.
    figures: NodeFigures,
    /// Whether it acted for its addresses when that was last looked at.
    acted: bool,
    /// Whether it told that it cannot read its own row.
    told_unreadable: bool,
}

/// The row of an address in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    revision: Revision,
    version: Revision,
    owner: Place,
    claim: ClaimId,
    detached: bool,
    /// Whether its owner keeps its messages.
    recovers: bool,
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
            recovers: row.recovers,
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
            chores: Chores::default(),
            withheld: BTreeMap::new(),
            claimants: BTreeMap::new(),
            parked: BTreeMap::new(),
            relays: Relays::default(),
            fetches: BTreeMap::new(),
            handovers: Handovers::default(),
            adoptions: Adoptions::new(),
            leaving: None,
            timers: Timers::default(),
            waiting: BTreeMap::new(),
            figures: NodeFigures::default(),
            acted: false,
            told_unreadable: false,
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

    /// The rows of addresses as this node knows them, in the order of addresses: revision, version, owner. Those that are gone
    /// and wait for their turn to be forgotten are none.
    pub fn copied_rows(&self) -> impl Iterator<Item = (&ActorAddress, Revision, u64, &Place)> + '_ {
        let cluster = self.cluster.iter();
        cluster.flat_map(|cluster| {
            let sweep = cluster.chores.sweep.as_ref();
            let rows = cluster.rows.iter();
            let rows = rows.filter(move |(address, known)| {
                sweep.is_none_or(|sweep| !sweep.misses(address, known))
            });
            rows.map(|(address, known)| {
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

    /// After an input: the rows that it touched are written, if they are this node's.
    pub(super) fn settle_rows(&mut self, now: Timestamp) {
        self.do_chores(now);
        self.go_on_leaving(now);
        let acts_again = self.note_fencing(now);
        let Some(cluster) = &mut self.cluster else { return };
        let touched = self.registry.touched.iter();
        cluster.unsettled.extend(touched.cloned());
        cluster.unsettled.extend(self.topics.touched.iter().map(|(address, _)| address.clone()));
        self.settle_some(now);
        if acts_again {
            self.replay_all(now);
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
        if !can {
            return Err(Refusal::unavailable(cluster.config.renew_interval));
        }
        cluster.check_waiting(key, request)
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
                    self.row_shown(now, &key, revision, value.as_deref());
                }
            }
            Event::CaughtUp { watch, revision } => self.caught_up(now, watch, revision),
            Event::Written { id, outcome } => self.written(now, id, outcome),
            Event::Read { id, row } => self.read(now, id, row),
            Event::Arrived { message } => self.arrived(now, &message),
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.act(now);
        }
    }

    fn read(
        &mut self,
        now: Timestamp,
        id: RequestId,
        row: Result<Option<(Revision, Bytes)>, Unanswered>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let read = row.as_ref().ok().and_then(|row| row.as_ref().map(|(at, _)| *at));
        cluster.last = cluster.last.max(read.unwrap_or(cluster.last));
        if !cluster.life.has_asked(id) {
            return self.row_read(now, id, row);
        }
        let unread = cluster.figures.rows_unread;
        // A row that it cannot read is there, and may be another one soon.
        let decoded = |(at, text): (Revision, Bytes)| {
            let row = readable(NodeRow::decode(&text), &mut cluster.figures.rows_unread);
            row.map(|row| (at, row)).ok_or(Unanswered)
        };
        let row = row.and_then(|row| row.map(decoded).transpose());
        let change = cluster.life.read(now, row);
        let is_unreadable = cluster.figures.rows_unread > unread;
        let own = cluster.life.place();
        if is_unreadable && !std::mem::replace(&mut cluster.told_unreadable, is_unreadable) {
            self.tell_of(&own, NodeChange::Unreadable);
        }
        self.changed(now, change);
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
            let Some(cluster) = &mut self.cluster else { return };
            let own = cluster.life.place();
            match change {
                Change::Begun(_) => {
                    cluster.figures.lives += 1;
                    self.tell_of(&own, NodeChange::Began);
                    self.claim_all_again();
                }
                Change::Appeared(place) => {
                    cluster.chores.places.push_back((place.clone(), None));
                    self.tell_of(&place, NodeChange::Appeared);
                }
                Change::Died(place) => {
                    cluster.chores.places.push_back((place.clone(), None));
                    self.tell_of(&place, NodeChange::Died);
                }
                Change::Superseded => {
                    self.tell_of(&own, NodeChange::Superseded);
                    self.shutdown(now);
                }
            }
        }
    }

    /// What sessions of this node have has no row of its present life: what is at earlier ones is looked at in turns.
    fn claim_all_again(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.drop_writes();
        let own = cluster.at.keys().filter(|place| place.node == cluster.config.node);
        cluster.chores.places.extend(own.map(|place| (place.clone(), None)));
    }
}

impl Cluster {
    fn act(&mut self, now: Timestamp) {
        let Cluster { life, requests, .. } = self;
        if self.reached {
            life.act(now, self.verified, requests);
        }
    }
}
