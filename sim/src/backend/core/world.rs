//! Everything there is in a run on the message backend, and what happens next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::client::state::Output;
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::{Agenda, Event};
use super::client::Client;
use super::client_end::{ClientEnd, Holder};
use super::network::{self, HUB, HostId, Network};
use super::raw::Raw;
use super::server::Server;
use crate::backend::stage::Left;
use crate::history::{Recorder, What};
use crate::net::{Awake, ConnectionId, End, Fault, ListenerId};
use crate::scenario::Scenario;

/// What all wall clocks show when the run begins, in milliseconds.
const EPOCH: u64 = 1_700_000_000_000;

pub struct World {
    pub scenario: Arc<Scenario>,
    pub recorder: Recorder,
    /// Time since the run began.
    pub now: Duration,
    pub(super) agenda: Agenda,
    pub network: Network,
    pub(super) listener: Option<ListenerId>,
    pub(super) server: Option<Server>,
    pub(super) hub_paused: bool,
    hub_paused_at: Duration,
    hub_deferred: Vec<Event>,
    /// Whoever waits for the hub to run again.
    hub_awaited: Vec<oneshot::Sender<()>>,
    lives: u32,
    /// What was left in the latest hub that ended.
    left: Option<Left>,
    pub(super) clients: Vec<Option<Client>>,
    pub(super) raws: Vec<Option<Raw>>,
    pub(super) client_ends: BTreeMap<ConnectionId, ClientEnd>,
    /// Empty; kept for its room.
    pub(super) client_outputs: Vec<Output>,
}

impl World {
    pub fn new(scenario: Arc<Scenario>, recorder: Recorder) -> Self {
        Self {
            network: network::new(&scenario),
            listener: None,
            scenario,
            recorder,
            now: Duration::ZERO,
            agenda: Agenda::default(),
            server: None,
            hub_paused: false,
            hub_paused_at: Duration::ZERO,
            hub_deferred: Vec::new(),
            hub_awaited: Vec::new(),
            lives: 0,
            left: None,
            clients: Vec::new(),
            raws: Vec::new(),
            client_ends: BTreeMap::new(),
            client_outputs: Vec::new(),
        }
    }

    /// A host's wall clock.
    pub fn wall(&self, host: HostId) -> Timestamp {
        let elapsed = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        let skew = self.network.clock_skew(host);
        Timestamp::from_millis(EPOCH.saturating_add(elapsed).saturating_add_signed(skew))
    }

    pub fn plan(&mut self, pause: Duration, event: Event) {
        self.agenda.plan(self.now.saturating_add(pause), event);
    }

    /// Lets the next thing happen, and all that follows from it at once; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some((at, event)) = self.agenda.pop() else { return false };
        self.now = self.now.max(at);
        if let Some(event) = self.not_paused(event) {
            self.happen(event);
        }
        self.settle();
        true
    }

    /// Carries out what came of the network, until nobody has anything more to read or to write.
    pub fn settle(&mut self) {
        loop {
            for event in self.network.effects.events.drain(..) {
                self.recorder.record(self.now, What::Net(event));
            }
            for (at, plan) in self.network.effects.plans.drain(..) {
                self.agenda.plan(at, Event::Network(plan));
            }
            match self.network.effects.awake.pop_front() {
                Some(Awake::End(id, End::Client, _)) => self.poll_client(id),
                Some(Awake::End(id, End::Server, _)) => self.poll_server(id),
                Some(Awake::Listener(_)) => {}
                None => return,
            }
        }
    }

    fn not_paused(&mut self, event: Event) -> Option<Event> {
        let holder = match &event {
            Event::Network(_) | Event::Wake(_) => return Some(event),
            Event::HubAlarm { .. }
            | Event::HandshakeTimeout(_)
            | Event::PingDue(_)
            | Event::HubCloseTimeout(_)
            | Event::LingerTimeout(_) => {
                if self.hub_paused {
                    self.hub_deferred.push(event);
                    return None;
                }
                return Some(event);
            }
            Event::ClientAlarm { client, .. } => Some(Holder::Client(*client)),
            Event::ClientCloseTimeout(id) => self.client_ends.get(id).map(|end| end.holder),
            Event::RawCloseTimeout(raw, _) => Some(Holder::Raw(*raw)),
        };
        match holder {
            Some(holder) => self.defer(holder, event),
            None => None,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Network(plan) => self.network.carry_out(self.now, plan),
            // Whoever slept may have been given up.
            Event::Wake(sleeper) => drop(sleeper.send(())),
            Event::HubAlarm { life, number } => self.hub_alarm(life, number),
            Event::HandshakeTimeout(id) => self.handshake_timeout(id),
            Event::PingDue(id) => self.ping_due(id),
            Event::HubCloseTimeout(id) => self.hub_close_timeout(id),
            Event::LingerTimeout(id) => self.linger_timeout(id),
            Event::ClientAlarm { client, number } => self.client_alarm(client, number),
            Event::ClientCloseTimeout(id) => {
                if self.client_ends.contains_key(&id) {
                    self.drop_client_end(id);
                }
            }
            Event::RawCloseTimeout(raw, id) => self.raw_closed(raw, id),
        }
    }

    /// Starts a hub with empty tables.
    pub fn start_hub(&mut self) {
        self.recorder.record(self.now, What::HubStarted { restarts: self.lives });
        self.lives += 1;
        let listener = self.network.listen(self.now, HUB.host, HUB.port);
        self.listener = Some(listener.expect("no other hub runs"));
        let seed = self.network.random_seed(HostId::HUB);
        let now = self.wall(HostId::HUB);
        self.hub_paused = false;
        self.server = Some(Server::new(self.lives, self.scenario.hub.clone(), seed, now));
        self.settle();
    }

    /// The hub's process ends, whatever it is doing.
    pub fn end_hub(&mut self, abruptly: bool) {
        self.left = self.left();
        self.server = None;
        self.hub_paused = false;
        self.hub_deferred.clear();
        self.recorder.record(self.now, What::HubStopped { abruptly });
    }

    /// The life of the hub that runs, if one does.
    pub fn hub_life(&self) -> Option<u32> {
        self.server.as_ref().map(Server::life)
    }

    pub fn pause_hub(&mut self, life: u32) {
        if self.hub_life() == Some(life) && !self.hub_paused {
            (self.hub_paused, self.hub_paused_at) = (true, self.now);
        }
    }

    pub fn resume_hub(&mut self, life: u32) {
        if self.hub_life() != Some(life) || !std::mem::take(&mut self.hub_paused) {
            return;
        }
        self.hub_was_late(self.now.saturating_sub(self.hub_paused_at));
        for event in std::mem::take(&mut self.hub_deferred) {
            self.agenda.plan(self.now, event);
        }
        self.hub_awaited.clear();
        self.network.wake_readers(HostId::HUB);
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
    pub fn left(&self) -> Option<Left> {
        self.server.as_ref().map(Server::left).or(self.left)
    }

    pub fn inject(&mut self, fault: Fault) {
        self.network.inject(self.now, fault).expect("a fault names hosts of its scenario");
        self.settle();
    }
}
