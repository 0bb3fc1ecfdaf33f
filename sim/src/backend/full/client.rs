//! The real clients.

use std::sync::{Arc, Mutex, PoisonError};

use dst::backend::testbed::{self, Doing};
use dst::backend::{Wire, WireProcess, spawn};
use signal_hub::client::{self, Events, Observer, TransportChange};
use signal_hub::protocol::ClientFrame;
use signal_hub::protocol::codec::HubFrame;
use signal_hub::runtime::Runtime;
use signal_hub::time::Timestamp;

use crate::SignalHub;
use crate::backend::FullStack;
use crate::backend::belief::{Belief, Connections};
use crate::history::{ClientEvent, ClientName, What};
use crate::lower::{self, Commands, Wishes};
use crate::net::Net;
use crate::run::Recorder;
use crate::runtime::Adapter;

/// A client, where it runs, and what its user makes of its events.
pub struct Client<W: Wire> {
    client: client::Client,
    process: W::Process,
    belief: Arc<Mutex<Belief>>,
}

impl<W: Wire> Client<W> {
    pub fn start(stack: &FullStack<W>, name: ClientName, wishes: &Wishes) -> (W::Process, Self) {
        let (host, full_name) = (Arc::clone(&name.actor), name.to_string());
        let (net, recorder) = (stack.wire.net().clone(), stack.recorder.clone());
        let tap = Tap { net, recorder, client: name, connections: Connections::default() };
        tap.record(ClientEvent::Started { address: wishes.own().clone() });
        let process = stack.wire.process(&host, &full_name);
        let belief = Arc::<Mutex<Belief>>::default();
        let runtime = Adapter(process.runtime());
        let net = stack.wire.net().clone();
        let hub = lower::hub_url(&stack.wire.hub_authority(&host));
        let config = wishes.config(hub, move || net.elapsed());
        let (client, events) =
            client::Client::connect_observed(runtime.clone(), config, tap.clone());
        runtime.spawn(follow(events, Arc::clone(&belief), tap));
        (process.clone(), Self { client, process, belief })
    }
}

impl<W: Wire> testbed::Client<SignalHub> for Client<W> {
    fn obey(&self, commands: Commands) -> Doing {
        let (client, belief) = (self.client.clone(), Arc::clone(&self.belief));
        spawn(&self.process, async move {
            for command in commands {
                belief.lock().unwrap_or_else(PoisonError::into_inner).is_told(&command);
                // Storms make calls fail; the history tells what became of each.
                let _ = client.command(command).await;
            }
        })
    }

    fn leave(&self) -> Doing {
        let client = self.client.clone();
        Box::pin(async move {
            // Whatever comes of it, the client has ended.
            let _ = client.disconnect(None).await;
        })
    }

    fn belief<T>(&self, look: impl FnOnce(&Belief) -> T) -> T {
        look(&self.belief.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Follows a client's events, as its user would.
async fn follow(mut events: Events, belief: Arc<Mutex<Belief>>, tap: Tap) {
    while let Some(event) = events.next().await {
        let said = belief.lock().unwrap_or_else(PoisonError::into_inner).follow(event);
        said.into_iter().for_each(|said| tap.record(said));
    }
}

/// Records what a client says and hears.
#[derive(Clone)]
struct Tap {
    net: Net,
    recorder: Recorder,
    client: ClientName,
    connections: Connections,
}

impl Tap {
    fn record(&self, event: ClientEvent) {
        let what = What::Client { client: self.client.clone(), event };
        self.recorder.record(self.net.elapsed(), what);
    }
}

impl Observer for Tap {
    fn sent(&mut self, _now: Timestamp, frame: &ClientFrame) {
        self.record(ClientEvent::Sent(frame.clone()));
    }

    fn received(&mut self, _now: Timestamp, frame: &HubFrame) {
        self.record(ClientEvent::Received(frame.clone()));
    }

    fn transport(&mut self, _now: Timestamp, change: &TransportChange) {
        let seen = self.connections.follow(change);
        seen.into_iter().for_each(|seen| self.record(seen));
    }
}
