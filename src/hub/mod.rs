//! The core: a function from (state, now, input) to (state, outputs). It opens no socket, reads no
//! clock and cannot fail; all that can surprise it is an input.
//!
//! ```
//! use signal_hub::hub::{Config, Hub, Ids, Input, Output, Peer, SessionKey};
//! use signal_hub::protocol::CloseReason;
//! use signal_hub::time::Timestamp;
//!
//! // A seed that nobody knows, in earnest: renewal tokens come from it.
//! let mut hub = Hub::new(Config::default(), Ids::new([7; 32]));
//! hub.change_audit(false);
//! let (start, session) = (Timestamp::from_millis(1_000), SessionKey(0));
//! let peer = Peer { address: ([127, 0, 0, 1], 40_000).into() };
//! assert_eq!(hub.handle(start, Input::Opened(session, peer)).count(), 0);
//!
//! // Nobody says `hub:connect`. Time is an input as well.
//! let deadline = hub.next_deadline().ok_or("nothing is due")?;
//! assert_eq!(deadline, start + hub.config().connect_timeout);
//! let outputs: Vec<Output> = hub.handle(deadline, Input::Tick).collect();
//! assert_eq!(outputs, [Output::Close(session, CloseReason::ConnectTimeout)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod weights;

mod audit;
mod backpressure;
mod cluster;
mod config;
mod counters;
mod ids;
mod io;
mod journal;
mod requests;
mod rows;
mod sending;
mod state;
mod storing;
mod totals;
mod view;
mod work;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::time::Duration;

pub use audit::{DropReason, EndReason, ForgetReason, NodeChange, Record};
pub use cluster::{NodeFigures, NodeSizes};
pub use config::{Config, InvalidConfig};
pub use counters::{Counters, Drops, Refusals};
pub use ids::Ids;
pub use io::{CloseCause, Expired, Input, LATE_MIN, Output, Peer, SessionKey, Written};
pub use journal::{Entry, Storage, StoredAddress, StoredLog, StoredMessage, StoredSubscription};
pub use rows::Rows;
pub(crate) use state::Table;
pub use state::{Deadline, Phase, SessionDeadlines};
pub use totals::Totals;
pub use view::{AddressRow, LogRow, OwnerRow, Queued, SessionRow, Sizes, TopicRow, View};
pub use work::Work;

use cluster::Cluster;
use counters::Minute;
use state::{Deadlines, DedupeCache, Logs, Registry, Sessions, Topics};
use work::Visits;

use crate::auth::Access;
use crate::protocol::{ActorAddress, CloseReason};
use crate::time::Timestamp;

/// The hub. See [`Hub::handle`].
#[derive(Debug, Clone)]
pub struct Hub {
    config: Config,
    access: Access,
    ids: Ids,
    /// The key for digests of asks.
    digest_key: [u64; 4],
    sessions: Sessions,
    registry: Registry,
    topics: Topics,
    logs: Logs,
    dedupe: DedupeCache,
    deadlines: Deadlines,
    counters: Counters,
    minute: Minute,
    stopping: bool,
    audited: bool,
    work: Work,
    outputs: Vec<Output>,
    storage: Storage,
    journal: Vec<Entry>,
    /// None: the hub is alone.
    cluster: Option<Box<Cluster>>,
    /// What the input kept.
    kept: Vec<(ActorAddress, NonZeroU64)>,
    /// Room for a text that is put together; empty between messages.
    text: String,
    /// The same for what a digest is made of.
    digested: Vec<u8>,
}

impl Hub {
    /// An empty hub that everybody may connect to.
    pub fn new(config: Config, ids: Ids) -> Self {
        Self::with_access(config, ids, Access::Open)
    }

    /// An empty hub; `access` decides who may connect.
    pub fn with_access(config: Config, ids: Ids, access: Access) -> Self {
        let hash_key = ids.hash_key();
        Self {
            config,
            access,
            digest_key: ids.digest_key(),
            ids,
            sessions: Sessions::new(hash_key),
            registry: Registry::new(hash_key),
            topics: Topics::new(hash_key),
            logs: Logs::new(hash_key),
            dedupe: DedupeCache::new(hash_key),
            deadlines: Deadlines::new(hash_key),
            counters: Counters::default(),
            minute: Minute::default(),
            stopping: false,
            audited: true,
            work: Work::default(),
            outputs: Vec::new(),
            storage: Storage::Off,
            journal: Vec::new(),
            cluster: None,
            kept: Vec::new(),
            text: String::new(),
            digested: Vec::new(),
        }
    }

    /// From now on `access` decides who may connect. Open sessions keep what their tokens granted.
    pub fn change_access(&mut self, access: Access) {
        self.access = access;
    }

    /// From now on [`Output::Audit`] is among the outputs, as at the beginning, or not. Records are
    /// most of the work of a delivery, so a hub whose records nobody reads makes none.
    pub fn change_audit(&mut self, audited: bool) {
        self.audited = audited;
    }

    /// The hub's bounds and timeouts.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The totals since the hub began.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Expires what is due at `now`, then applies `input`. The outputs borrow the hub, so take all
    /// of them before the next input.
    #[must_use = "the outputs are what the hub does"]
    pub fn handle(&mut self, now: Timestamp, input: Input) -> impl Iterator<Item = Output> + '_ {
        self.begin(now);
        if let Input::Late(by) = input {
            self.stood_still(by);
        }
        self.expire(now);
        match input {
            Input::Restored(entries) => self.restore(now, entries),
            Input::Opened(key, peer) => self.opened(now, key, peer),
            Input::Frame(key, frame) => self.frame(now, key, frame),
            Input::Alive(key) => self.alive(now, key),
            Input::Drained(key, written) => self.drained(now, key, written),
            Input::Closed(key, cause) => self.closed(now, key, cause),
            Input::Tick | Input::Late(_) => {}
            Input::Shutdown => self.shutdown(now),
        }
        self.conclude(now);
        self.outputs.drain(..)
    }

    /// Before what is due, and the input.
    #[inline(always)]
    fn begin(&mut self, now: Timestamp) {
        self.forget_touched();
        self.work = Work::default();
        self.visits();
        self.minute.turn(now, &self.counters);
        if self.cluster.is_some() {
            self.expire_cluster(now);
        }
    }

    /// After the input: what it changed is written down.
    #[inline(always)]
    fn conclude(&mut self, now: Timestamp) {
        self.work.rows = self.visits();
        if self.storage != Storage::Off {
            self.write_journal();
        }
        if self.cluster.is_some() {
            self.settle_rows(now);
        }
    }

    /// The work that the last input made.
    pub fn work(&self) -> Work {
        self.work
    }

    /// When the hub must be called again at the latest, if need be with [`Input::Tick`].
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let own = self.deadlines.next();
        if self.cluster.is_none() {
            own
        } else {
            own.into_iter().chain(self.next_of_cluster()).min()
        }
    }

    /// A number that two hubs share if they are in the same state. Future ids and counters are not
    /// part of it.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.sessions.hash(&mut hasher);
        self.registry.hash(&mut hasher);
        self.topics.hash(&mut hasher);
        self.logs.hash(&mut hasher);
        self.dedupe.hash(&mut hasher);
        self.deadlines.hash(&mut hasher);
        (self.stopping, self.storage).hash(&mut hasher);
        hasher.finish()
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((at, deadline)) = self.deadlines.pop_due(now) {
            match deadline {
                Deadline::Connect(key) => self.close(now, key, CloseReason::ConnectTimeout),
                Deadline::Idle(key) => self.idle(now, at, key),
                Deadline::SlowConsumer(key) => self.close(now, key, CloseReason::SlowConsumer),
                Deadline::Token(key) => self.close(now, key, CloseReason::TokenExpired),
                Deadline::Address(address) => self.address_due(now, &address),
                Deadline::Log(address) => self.log_due(now, &address),
                Deadline::Dedupe => self.dedupe_due(now),
            }
        }
    }

    /// Rows visited in all tables since the last call.
    fn visits(&mut self) -> usize {
        self.sessions.visits.take() + self.registry.visits.take() + self.topics.visits.take()
    }

    /// Postpones deadlines: time in which nobody could be heard counts for nobody.
    fn stood_still(&mut self, by: Duration) {
        if by > LATE_MIN {
            let by = Duration::from_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
            self.deadlines.put_off(by);
            self.registry.put_off(by);
        }
    }

    fn forget_touched(&mut self) {
        self.sessions.touched.clear();
        self.registry.touched.clear();
        self.topics.touched.clear();
        self.logs.touched.clear();
        self.deadlines.touched.clear();
    }
}
