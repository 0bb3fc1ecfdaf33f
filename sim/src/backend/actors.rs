//! The actors: each has a host and, one after the other, real clients on it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle};
use signal_hub::client::{
    ActorConfig, Client, ClientConfig, Event, Events, Loss, Observer, TransportChange,
};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{ActorAddress, ClientFrame, SessionId, Topic};
use signal_hub::time::Timestamp;

use crate::history::{ClientEvent, ClientName, Recorder, What};
use crate::invariants::Agreement;
use crate::net::{Host, Net};
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_HOST, HUB_PORT, Scenario};

/// The application type of what actors say to each other at the end.
pub const PROBE: &str = "probe";

/// One actor.
pub struct Actor {
    pub name: Arc<str>,
    pub address: ActorAddress,
    net: Net,
    host: Host,
    recorder: Recorder,
    scenario: Arc<Scenario>,
    clients: Vec<Running>,
    started: u32,
    topics: BTreeSet<Topic>,
}

struct Running {
    client: Client,
    node: NodeHandle,
    belief: Arc<Mutex<Belief>>,
}

/// What a client knows of itself, by its events.
#[derive(Debug, Default)]
struct Belief {
    session: Option<SessionId>,
    registered: bool,
    ended: bool,
    /// The payloads of the probes that arrived.
    probes: BTreeSet<String>,
}

impl Actor {
    pub fn new(name: &str, net: &Net, recorder: &Recorder, scenario: &Arc<Scenario>) -> Self {
        Self {
            name: name.into(),
            address: ActorAddress::from_path(name).expect("an actor's name is a path"),
            net: net.clone(),
            host: net.host(name),
            recorder: recorder.clone(),
            scenario: Arc::clone(scenario),
            clients: Vec::new(),
            started: 0,
            topics: BTreeSet::new(),
        }
    }

    /// Starts one more client; it wants the topics that the actor wants now.
    pub fn start(&mut self) {
        self.started += 1;
        let name = ClientName { actor: Arc::clone(&self.name), number: self.started };
        let tap = Tap {
            net: self.net.clone(),
            recorder: self.recorder.clone(),
            client: name,
            connection: 0,
            up: false,
        };
        tap.record(ClientEvent::Started { address: self.address.clone() });
        let node = Handle::current().create_node().name(tap.client.to_string()).build();
        let belief = Arc::<Mutex<Belief>>::default();
        let runtime = SimRuntime::on(self.host.clone(), node.clone());
        let (client, events) = Client::connect_observed(runtime, self.config(), tap.clone());
        node.spawn(follow(events, Arc::clone(&belief), tap));
        self.clients.push(Running { client, node, belief });
    }

    fn config(&self) -> ClientConfig {
        let hub = format!("ws://{HUB_HOST}:{HUB_PORT}/ws").parse().expect("the hub has a URL");
        let ttl = Duration::from_secs(self.scenario.registration_ttl_seconds);
        let topics = self.topics.iter().cloned().collect();
        let actor = ActorConfig { ttl, topics, ..ActorConfig::new(self.address.clone()) };
        ClientConfig {
            backoff_max: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            ..ClientConfig::new(hub, vec![actor])
        }
    }

    /// The youngest client that has not ended, and where it runs.
    pub fn client(&self) -> Option<(Client, NodeHandle)> {
        let alive = self.clients.iter().rev().find(|running| !running.belief().ended);
        alive.map(|running| (running.client.clone(), running.node.clone()))
    }

    /// Remembers what the actor wants, for its clients to come.
    pub fn want(&mut self, topic: &Topic) {
        self.topics.insert(topic.clone());
    }

    pub fn want_no_more(&mut self, topic: &Topic) {
        self.topics.remove(topic);
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<Agreement> {
        let alive = self.clients.iter().map(Running::belief).filter(|belief| !belief.ended);
        alive
            .map(|belief| Agreement {
                address: self.address.clone(),
                session: belief.session.clone().filter(|_| belief.registered),
            })
            .collect()
    }

    pub fn has_probe(&self, payload: &str) -> bool {
        self.clients.iter().any(|running| running.belief().probes.contains(payload))
    }

    /// Ends all clients in the middle of whatever they do; the network is told before.
    pub fn kill(&mut self) {
        for running in self.clients.drain(..) {
            Handle::current().kill(running.node.id());
        }
    }
}

impl Running {
    fn belief(&self) -> MutexGuard<'_, Belief> {
        lock(&self.belief)
    }
}

fn lock(belief: &Mutex<Belief>) -> MutexGuard<'_, Belief> {
    belief.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows a client's events, as its user would.
async fn follow(mut events: Events, belief: Arc<Mutex<Belief>>, tap: Tap) {
    while let Some(event) = events.next().await {
        let mut belief = lock(&belief);
        match event {
            Event::Connected { session, .. } => {
                belief.session = Some(session);
                belief.registered = false;
            }
            Event::Registered { .. } => belief.registered = true,
            Event::TakenOver { .. } | Event::RegistrationRefused { .. } => {
                belief.registered = false;
            }
            Event::Disconnected { why, .. } => {
                belief.session = None;
                belief.registered = false;
                tap.record(ClientEvent::Said(format!("lost its session: {why}")));
            }
            Event::Delivered(message) if message.kind == PROBE => {
                belief.probes.insert(message.payload.to_string());
            }
            Event::Ended { .. } => {
                belief.ended = true;
                tap.record(ClientEvent::Ended);
            }
            Event::Invalid { why } => tap.record(ClientEvent::Said(format!("cannot read: {why}"))),
            Event::Delivered(_)
            | Event::Renewed { .. }
            | Event::SubscriptionRefused { .. }
            | Event::Paused { .. }
            | Event::Resumed
            | Event::HubError { .. }
            | Event::CloseAnnounced { .. }
            | Event::Unknown { .. }
            | Event::ConnectFailed { .. } => {}
        }
    }
}

/// Records what a client says and hears.
#[derive(Clone)]
struct Tap {
    net: Net,
    recorder: Recorder,
    client: ClientName,
    connection: u32,
    up: bool,
}

impl Tap {
    fn record(&self, event: ClientEvent) {
        let what = What::Client { client: self.client.clone(), event };
        self.recorder.record(self.net.elapsed(), what);
    }
}

impl Observer for Tap {
    fn sent(&mut self, _now: Timestamp, frame: &ClientFrame) {
        self.record(ClientEvent::Sent(Box::new(frame.clone())));
    }

    fn received(&mut self, _now: Timestamp, frame: &HubFrame) {
        self.record(ClientEvent::Received(Box::new(frame.clone())));
    }

    fn transport(&mut self, _now: Timestamp, change: &TransportChange) {
        match change {
            TransportChange::Dialling => {}
            TransportChange::Up => {
                self.connection += 1;
                self.up = true;
                self.record(ClientEvent::Opened { connection: self.connection });
            }
            TransportChange::Lost(Loss::ConnectFailed(why)) => {
                self.record(ClientEvent::Said(format!("cannot connect: {why}")));
            }
            TransportChange::Lost(_) | TransportChange::Abandoned => {
                if !std::mem::replace(&mut self.up, false) {
                    return self.record(ClientEvent::Said("gives up connecting".to_owned()));
                }
                self.record(ClientEvent::Lost { connection: self.connection });
            }
        }
    }
}
