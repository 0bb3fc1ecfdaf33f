//! Everything there is in a run on the message backend, and what happens next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dst::disk::Disk;
use signal_hub::hub::{Config, Input, Sizes};
use signal_hub::runtime::Reading;
use signal_hub::server::Limits;
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::{Agenda, Event};
use super::client::Client;
use super::client_end::{ClientEnd, Holder};
use super::network::{self, HUB, HostId, Network};
use super::raw::Raw;
use super::server::Server;
use crate::history::What;
use crate::invariants;
use crate::lower;
use crate::net::{Awake, ById, End, Fault, ListenerId, Plan};
use crate::run::Recorder;
use crate::runtime::wall_clock;
use crate::scenario::Scenario;

pub struct World {
    pub scenario: Arc<Scenario>,
    pub recorder: Recorder,
    /// Time since the run began.
    pub now: Duration,
    /// The same in nanoseconds, for whoever is asked by the world and cannot ask it.
    shown_now: Arc<AtomicU64>,
    pub(super) agenda: Agenda,
    pub network: Network,
    pub(super) listener: Option<ListenerId>,
    pub(super) server: Option<Server>,
    pub(super) hub_paused: bool,
    hub_deferred: Vec<Event>,
    /// Whoever waits for the hub to run again.
    hub_awaited: Vec<oneshot::Sender<()>>,
    /// Of the hub's shell.
    pub(super) config: Arc<Config>,
    pub(super) limits: Arc<Limits>,
    lives: u32,
    /// What was left in the latest hub that ended.
    left: Option<Sizes>,
    pub(super) clients: Vec<Option<Client>>,
    pub(super) raws: Vec<Option<Raw>>,
    pub(super) client_ends: ById<ClientEnd>,
    /// Who stands still, and what has become due for them meanwhile.
    pub(super) still: BTreeMap<Holder, Vec<Event>>,
}

impl World {
    pub fn new(scenario: Arc<Scenario>, recorder: Recorder) -> Self {
        Self {
            network: network::new(&scenario),
            config: Arc::new(scenario.hub.clone()),
            listener: None,
            scenario,
            recorder,
            now: Duration::ZERO,
            shown_now: Arc::default(),
            agenda: Agenda::default(),
            server: None,
            hub_paused: false,
            hub_deferred: Vec::new(),
            hub_awaited: Vec::new(),
            limits: Arc::default(),
            lives: 0,
            left: None,
            clients: Vec::new(),
            raws: Vec::new(),
            client_ends: ById::default(),
            still: BTreeMap::new(),
        }
    }

    /// A host's wall clock.
    pub fn wall(&self, host: HostId) -> Timestamp {
        wall_clock(self.now, self.network.clock_skew(host))
    }

    /// Tells the time since the run began.
    pub fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let shown = Arc::clone(&self.shown_now);
        move || Duration::from_nanos(shown.load(Ordering::Relaxed))
    }

    pub fn plan(&mut self, pause: Duration, event: Event) {
        self.agenda.plan(self.now.saturating_add(pause), event);
    }

    /// Lets the next thing happen, and all that follows from it at once; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some((at, event)) = self.agenda.pop() else { return false };
        self.now = self.now.max(at);
        let nanos = u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX);
        self.shown_now.store(nanos, Ordering::Relaxed);
        if let Some(event) = self.not_paused(event) {
            self.happen(event);
        }
        self.settle();
        true
    }

    /// What arrives at one moment is there before anybody looks.
    fn carry_out(&mut self, plan: Plan) {
        let mut next = Some(plan);
        while let Some(plan) = next {
            self.network.carry_out(self.now, plan);
            self.take_plans();
            next = self.agenda.pop_network(self.now);
        }
    }

    fn take_plans(&mut self) {
        for (at, plan) in self.network.effects.plans.drain(..) {
            self.agenda.plan(at, Event::Network(plan));
        }
    }

    /// Carries out what came of the network, until nobody has anything more to read or to write.
    pub fn settle(&mut self) {
        loop {
            for event in self.network.effects.events.drain(..) {
                self.recorder.record(self.now, What::Net(event));
            }
            self.take_plans();
            match self.network.effects.awake.pop_front() {
                Some(Awake::End(id, End::Client, _)) => self.poll_client(id),
                Some(Awake::End(id, End::Server, _)) => self.poll_server(id),
                Some(Awake::Listener(_)) => {}
                None if self.take_turn() => {}
                None => return,
            }
        }
    }

    fn not_paused(&mut self, event: Event) -> Option<Event> {
        let holder = match &event {
            Event::Network(_) | Event::Wake(_) => return Some(event),
            Event::HubAlarm(_) | Event::HandshakeTimeout(_) | Event::SessionAlarm(_) => {
                if self.hub_paused {
                    self.hub_deferred.push(event);
                    return None;
                }
                return Some(event);
            }
            Event::ClientAlarm(client) | Event::ClientToken(client) => {
                Some(Holder::Client(*client))
            }
            Event::ClientCloseTimeout(id) => self.client_ends.get(*id).map(|end| end.holder),
            Event::RawCloseTimeout(raw, _) => Some(Holder::Raw(*raw)),
        };
        match self.still.get_mut(&holder?) {
            Some(deferred) => {
                deferred.push(event);
                None
            }
            None => Some(event),
        }
    }

    pub(super) fn pause(&mut self, holder: Holder) {
        self.still.entry(holder).or_default();
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Network(plan) => self.carry_out(plan),
            // Whoever slept may have been given up.
            Event::Wake(sleeper) => drop(sleeper.send(())),
            Event::HubAlarm(life) => self.hub_alarm(life),
            Event::HandshakeTimeout(id) => self.handshake_timeout(id),
            Event::SessionAlarm(id) => self.session_alarm(id),
            Event::ClientAlarm(client) => self.client_alarm(client),
            Event::ClientToken(client) => self.client_gets_token(client),
            Event::ClientCloseTimeout(id) => {
                if self.client_ends.contains(id) {
                    self.drop_client_end(id);
                }
            }
            Event::RawCloseTimeout(raw, id) => self.raw_closed(raw, id),
        }
    }

    /// Starts a hub that knows what its disk holds; tells which life that is.
    pub fn start_hub(&mut self, disk: &Disk) -> u32 {
        self.lives += 1;
        let listener = self.network.listen(self.now, HUB.host, HUB.port);
        self.listener = Some(listener.expect("no other hub runs"));
        let seed = self.network.random_seed(HostId::FIRST);
        let clock = Reading::new(self.now, self.wall(HostId::FIRST));
        self.hub_paused = false;
        let set = (self.scenario.hub.clone(), lower::access(&self.scenario));
        let kept = lower::store::keep(&self.scenario, disk).unwrap_or_else(|error| {
            self.recorder.accuse(invariants::cannot_start(&error));
            None
        });
        let (keeper, entries) = kept.unzip();
        self.server = Some(Server::new(self.lives, set, keeper, seed, clock, self.now));
        if let Some(entries) = entries {
            self.hand_to_hub(Input::Restored(entries));
            self.settle_hub();
        }
        self.lives
    }

    /// The hub's process ends, whatever it is doing.
    pub fn end_hub(&mut self) {
        self.left = self.left();
        self.server = None;
        self.hub_paused = false;
        self.hub_deferred.clear();
    }

    /// The life of the hub that runs, if one does.
    fn hub_life(&self) -> Option<u32> {
        self.server.as_ref().map(Server::life)
    }

    pub fn hub_has_failed(&self, life: u32) -> bool {
        self.server.as_ref().is_some_and(|server| server.life() == life && server.has_failed())
    }

    pub fn pause_hub(&mut self, life: u32) {
        if self.hub_life() == Some(life) && !self.hub_paused {
            self.hub_paused = true;
        }
    }

    pub fn resume_hub(&mut self, life: u32) {
        if self.hub_life() != Some(life) || !std::mem::take(&mut self.hub_paused) {
            return;
        }
        for event in std::mem::take(&mut self.hub_deferred) {
            self.agenda.plan(self.now, event);
        }
        self.hub_awaited.clear();
        self.network.wake_readers(HostId::FIRST);
        self.settle();
    }

    /// Ends when the hub is not paused.
    pub fn hub_running(&mut self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        if self.hub_paused {
            self.hub_awaited.push(end);
        }
        ended
    }

    /// What is left in the hub.
    pub fn left(&self) -> Option<Sizes> {
        self.server.as_ref().map(Server::left).or(self.left)
    }

    /// Does something to the network, before anybody sees what came of it.
    pub fn inject(&mut self, fault: Fault) {
        self.network.inject(self.now, fault).expect("a fault names hosts of its scenario");
    }
}
