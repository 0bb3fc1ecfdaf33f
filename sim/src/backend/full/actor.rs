//! The actors: each has a host and, one after the other, real clients on it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hub::client::{
    Client, ClientConfig, DisconnectReason, Events, Observer, TransportChange,
};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{ActorAddress, ClientFrame, Topic};
use signal_hub::runtime::Runtime;
use signal_hub::time::Timestamp;

use super::wire::{Process, Wire};
use crate::backend::belief::Belief;
use crate::history::{ClientEvent, ClientKind, ClientName, What};
use crate::invariants::Agreement;
use crate::lower;
use crate::run::Recorder;
use crate::scenario::{self, Action, ActorKind, Scenario};

/// One actor.
pub struct Actor<W: Wire> {
    pub name: Arc<str>,
    pub kind: ActorKind,
    /// The first is its own.
    addresses: Vec<ActorAddress>,
    wire: W,
    recorder: Recorder,
    scenario: Arc<Scenario>,
    clients: Vec<Running<W>>,
    started: u32,
    topics: BTreeSet<Topic>,
}

struct Running<W: Wire> {
    client: Client,
    process: W::Process,
    belief: Arc<Mutex<Belief>>,
}

impl<W: Wire> Actor<W> {
    pub fn new(
        actor: &scenario::Actor,
        wire: &W,
        recorder: &Recorder,
        scenario: &Arc<Scenario>,
    ) -> Self {
        Self {
            name: actor.name.as_str().into(),
            kind: actor.kind,
            addresses: lower::addresses(actor),
            wire: wire.clone(),
            recorder: recorder.clone(),
            scenario: Arc::clone(scenario),
            clients: Vec::new(),
            started: 0,
            topics: BTreeSet::new(),
        }
    }

    /// Its own address.
    pub fn address(&self) -> &ActorAddress {
        &self.addresses[0]
    }

    /// Starts one more client; it wants the topics that the actor wants now.
    pub fn start(&mut self) {
        self.started += 1;
        let (actor, number) = (Arc::clone(&self.name), self.started);
        let tap = Tap {
            wire: self.wire.clone(),
            recorder: self.recorder.clone(),
            client: ClientName { actor, kind: ClientKind::Client, number },
            connection: 0,
            up: false,
        };
        tap.record(ClientEvent::Started { address: self.address().clone() });
        let process = self.wire.process(&self.name, &tap.client.to_string());
        let belief = Arc::<Mutex<Belief>>::default();
        let runtime = process.runtime();
        let (client, events) =
            Client::connect_observed(runtime.clone(), self.config(), tap.clone());
        runtime.spawn(follow(events, Arc::clone(&belief), tap));
        self.clients.push(Running { client, process, belief });
    }

    fn config(&self) -> ClientConfig {
        let hub = self.wire.hub_url(&self.name);
        lower::client_config(&self.scenario, hub, &self.addresses, &self.topics)
    }

    /// The youngest client that wants the actor's own address or, without one, that has not ended;
    /// and where it runs.
    pub fn client(&self) -> Option<(Client, W::Process)> {
        let wanting = |running: &&Running<W>| running.belief().wants(self.address());
        let alive =
            self.clients.iter().rev().find(wanting).or_else(|| {
                self.clients.iter().rev().find(|running| !running.belief().has_ended())
            });
        alive.map(|running| (running.client.clone(), running.process.clone()))
    }

    /// Whether nobody tries to be at its own address.
    pub fn is_absent(&self) -> bool {
        !self.clients.iter().any(|running| running.belief().wants(self.address()))
    }

    /// Where its clients run.
    pub fn processes(&self) -> Vec<W::Process> {
        self.clients.iter().map(|running| running.process.clone()).collect()
    }

    /// Remembers what the actor wants, for its clients to come.
    pub fn note_wish(&mut self, action: &Action) {
        lower::note_wish(&mut self.topics, action);
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<Agreement> {
        let beliefs = self.clients.iter().map(Running::belief);
        beliefs.filter_map(|belief| belief.agreement(self.address())).collect()
    }

    /// Ends all clients in the middle of whatever they do. In a crash, the network is told before.
    pub fn kill(&mut self) {
        for running in self.clients.drain(..) {
            running.process.kill();
        }
    }
}

impl<W: Wire> Running<W> {
    fn belief(&self) -> MutexGuard<'_, Belief> {
        lock(&self.belief)
    }
}

fn lock(belief: &Mutex<Belief>) -> MutexGuard<'_, Belief> {
    belief.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows a client's events, as its user would.
async fn follow<W: Wire>(mut events: Events, belief: Arc<Mutex<Belief>>, tap: Tap<W>) {
    while let Some(event) = events.next().await {
        let said = lock(&belief).follow(event);
        said.into_iter().for_each(|said| tap.record(said));
    }
}

/// Records what a client says and hears.
#[derive(Clone)]
struct Tap<W> {
    wire: W,
    recorder: Recorder,
    client: ClientName,
    connection: u32,
    up: bool,
}

impl<W: Wire> Tap<W> {
    fn record(&self, event: ClientEvent) {
        let what = What::Client { client: self.client.clone(), event };
        self.recorder.record(self.wire.elapsed(), what);
    }
}

impl<W: Wire> Observer for Tap<W> {
    fn sent(&mut self, _now: Timestamp, frame: &ClientFrame) {
        self.record(ClientEvent::Sent(Box::new(frame.clone())));
    }

    fn received(&mut self, _now: Timestamp, frame: &HubFrame) {
        self.record(ClientEvent::Received(Box::new(frame.clone())));
    }

    fn transport(&mut self, _now: Timestamp, change: &TransportChange) {
        let why = match change {
            TransportChange::Dialling => return,
            TransportChange::Up => {
                self.connection += 1;
                self.up = true;
                return self.record(ClientEvent::Opened { connection: self.connection });
            }
            TransportChange::Lost(DisconnectReason::ConnectFailed(why)) => {
                return self.record(ClientEvent::Said(format!("cannot connect: {why}")));
            }
            TransportChange::Lost(why) => why.clone(),
            TransportChange::Abandoned => DisconnectReason::Dropped,
        };
        if !std::mem::replace(&mut self.up, false) {
            return self.record(ClientEvent::Said("gives up connecting".to_owned()));
        }
        self.record(ClientEvent::Lost { connection: self.connection, why });
    }
}
