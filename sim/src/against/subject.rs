//! Which hub a scenario is played against: what a file says of its settings, the hub, and, while it is played,
//! the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signal_hub::hub::Config;

use super::dialect::{Connection, Heard, Operation, Promises, Report, Speaker, Verb};
use super::process::Output;
use super::program::Program;
use super::target::{Place, Target};
use crate::history::ClientName;

/// The hub under test. Files have its settings only, and only these are compared.
#[derive(Clone, Default)]
pub struct Subject {
    /// As a scenario file sets this project's hub.
    pub config: Config,
    target: Option<Arc<Target>>,
    run: Option<Arc<Run>>,
}

impl Subject {
    /// The same of this hub.
    #[must_use]
    pub fn at(&self, target: &Arc<Target>) -> Self {
        Self { config: self.config.clone(), target: Some(Arc::clone(target)), run: None }
    }

    /// The same while it is played.
    #[must_use]
    pub fn under(&self, run: Run) -> Self {
        Self { run: Some(Arc::new(run)), ..self.clone() }
    }

    /// The hub, if one was named.
    pub const fn target(&self) -> Option<&Arc<Target>> {
        self.target.as_ref()
    }

    /// The run.
    ///
    /// # Panics
    /// If it is not being played.
    pub fn run(&self) -> &Arc<Run> {
        self.run.as_ref().expect("a hub is tested in a run")
    }

    /// What it promises: nothing, while nobody plays.
    pub fn promises(&self) -> Promises {
        self.run.as_ref().map_or_else(Promises::default, |run| run.promises.clone())
    }
}

/// One run against a hub.
pub struct Run {
    /// What is promised in it.
    pub promises: Promises,
    /// Which hub.
    pub target: Arc<Target>,
    /// What the hub says beside its connections, if this starts it.
    pub output: Output,
    speaker: Mutex<Speaker>,
    /// What the names of the run begin with, where others use the hub, too.
    mark: Option<String>,
    connections: AtomicU32,
    /// The number of the latest client of each actor.
    latest: Mutex<BTreeMap<Arc<str>, u32>>,
    /// Why the run says nothing of the hub.
    given_up: Mutex<Option<String>>,
    /// When the next operation may be said, by the clock of the run.
    free_at: Mutex<Duration>,
    config: Option<ConfigFile>,
    ready: Mutex<Option<Program>>,
}

/// A file of settings that goes with its run.
struct ConfigFile(PathBuf);

impl Drop for ConfigFile {
    fn drop(&mut self) {
        // A folder for what is temporary is cleared anyhow.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Run {
    /// A run in which this is promised, and in which all clients speak so.
    pub fn new(target: Arc<Target>, promises: Promises, speaker: Speaker) -> Self {
        let is_shared = matches!(target.place, Place::Running { .. });
        #[expect(clippy::disallowed_methods, reason = "no two runs may have the same names")]
        let mark = is_shared.then(|| format!("run{:08x}", rand::random::<u32>()));
        Self {
            promises,
            target,
            output: Output::default(),
            speaker: Mutex::new(speaker),
            mark,
            connections: AtomicU32::new(0),
            latest: Mutex::default(),
            given_up: Mutex::default(),
            free_at: Mutex::default(),
            config: None,
            ready: Mutex::default(),
        }
    }

    /// With the settings that the hub is started with.
    pub fn set_config(&mut self, file: Option<PathBuf>) {
        self.config = file.map(ConfigFile);
    }

    /// Starts the hub.
    ///
    /// # Errors
    /// If the system does not.
    pub fn start(&self) -> std::io::Result<Program> {
        let Place::Command { arguments, .. } = &self.target.place else {
            return Err(std::io::Error::other("it runs elsewhere"));
        };
        let config = self.config.as_ref().map(|file| file.0.display().to_string());
        Program::start(arguments, config.as_deref().unwrap_or_default(), &self.output)
    }

    /// The hub listens before anything begins.
    pub fn keep_ready(&self, program: Program) {
        *lock(&self.ready) = Some(program);
    }

    /// The hub that was ready, once.
    pub fn take_ready(&self) -> Option<Program> {
        lock(&self.ready).take()
    }

    /// Who speaks, one at a time.
    pub fn speaker(&self) -> MutexGuard<'_, Speaker> {
        lock(&self.speaker)
    }

    /// A connection that no other is called like.
    pub fn next_connection(&self) -> Connection {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A client of an actor begins.
    pub fn note_latest(&self, name: &ClientName) {
        lock(&self.latest).insert(Arc::clone(&name.actor), name.number);
    }

    /// Returns whether no later client of its actor has begun.
    pub fn is_latest(&self, name: &ClientName) -> bool {
        lock(&self.latest).get(&name.actor).is_none_or(|latest| *latest <= name.number)
    }

    /// The run says nothing of the hub.
    pub fn give_up(&self, why: &str) {
        lock(&self.given_up).get_or_insert_with(|| why.to_owned());
    }

    /// Why it says nothing, if so.
    pub fn given_up(&self) -> Option<String> {
        lock(&self.given_up).clone()
    }

    /// What broadcasts are for alone, where others use the hub, too.
    pub fn capability(&self) -> Option<String> {
        self.mark.clone()
    }

    /// How long an operation has to wait that is to be said now.
    pub fn pace(&self, now: Duration) -> Duration {
        let mut free_at = lock(&self.free_at);
        let at = now.max(*free_at);
        *free_at = at + Duration::from_secs(1) / self.target.rate.max(1);
        at - now
    }

    /// The operation as the hub gets it.
    pub fn outgoing(&self, operation: &Operation) -> Operation {
        let Some(mark) = &self.mark else { return operation.clone() };
        let marked = |name: &String| format!("{mark}-{name}");
        let mut out = operation.clone();
        out.speaker = marked(&out.speaker);
        out.id = marked(&out.id);
        match &mut out.verb {
            Verb::Register { address: name, .. }
            | Verb::Unregister { address: name }
            | Verb::Renew { address: name, .. }
            | Verb::Subscribe { topic: name }
            | Verb::Unsubscribe { topic: name, .. }
            | Verb::Tell { to: name, .. }
            | Verb::Ask { to: name, .. }
            | Verb::Publish { topic: name, .. }
            | Verb::Discover { pattern: name } => *name = marked(name),
            Verb::Connect { .. }
            | Verb::Broadcast { .. }
            | Verb::Query { .. }
            | Verb::Heartbeat
            | Verb::Ping
            | Verb::Disconnect => {}
        }
        out
    }

    /// What was heard as the run has it; nothing, if it is for or from others.
    pub fn incoming(&self, mut heard: Heard) -> Option<Heard> {
        let Some(mark) = &self.mark else { return Some(heard) };
        let own = |name: &str| name.strip_prefix(mark)?.strip_prefix('-').map(str::to_owned);
        let owned = |names: &BTreeSet<String>| names.iter().filter_map(|name| own(name)).collect();
        let all = |name: &mut Option<String>| match name {
            Some(text) => own(text).map(|text| *name = Some(text)).is_some(),
            None => true,
        };
        let is_ours = match &mut heard.report {
            Report::Connected { operation } => own(operation).map(|id| *operation = id).is_some(),
            Report::Owned { operation, address, topics, .. } => {
                *topics = topics.as_ref().map(owned);
                let ours = own(operation).zip(own(address));
                ours.map(|ours| (*operation, *address) = ours).is_some()
            }
            Report::Done { operation, addresses, .. } => {
                *addresses = addresses.as_ref().map(owned);
                own(operation).map(|id| *operation = id).is_some()
            }
            Report::Refused { operation, .. } => all(operation),
            Report::Delivered { from, to, topic, .. } => all(from) && all(to) && all(topic),
            Report::Told { address, .. } => all(address),
            Report::Ended { .. } | Report::Unreadable { .. } | Report::Other => true,
        };
        if let Some(sender) = &heard.sender {
            heard.sender = own(sender).or(Some(sender.clone()));
        }
        is_ours.then_some(heard)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<&Config> for Subject {
    fn from(config: &Config) -> Self {
        Self { config: config.clone(), ..Self::default() }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Eq for Subject {}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.config.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&Config::deserialize(deserializer)?))
    }
}
