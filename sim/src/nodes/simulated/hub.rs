//! A hub's process: the server that users run, and its link to the engine.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};

use dst::executor::{Current, CurrentNode, Executor, Node};
use dst::runtime::SimRuntime;
use signal_hub::cluster::ClusterConfig;
use signal_hub::cluster::engine::{Event, NodeName, Request};
use signal_hub::hub::{Hub, Input, Output, SessionKey};
use signal_hub::server::{EngineLink, Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::link::Link;
use super::paced::Paced;
use super::shared::Shared;
use crate::nodes::world::Condition;
use crate::runtime::Adapter;

/// Where a hub listens on its host.
pub const PORT: u16 = 80;
/// Requests and events that wait in a process.
const WAITING_MAX: usize = 256;

/// A process's host: each has one of its own.
pub fn host(process: &NodeName) -> String {
    process.to_string()
}

/// Starts a hub's process.
pub fn start(
    shared: &Shared,
    process: &NodeName,
    Condition { node, pace, .. }: &Condition,
) -> CurrentNode {
    let started = Current::current().node(&host(process));
    let runtime = SimRuntime::on(shared.net.host(&host(process)), started.clone());
    let (config, cluster) = shared.with(|state| {
        let setting = state.world.setting();
        let cluster = ClusterConfig { node: node.clone(), ..setting.cluster.clone() };
        (setting.config.clone(), cluster)
    });
    let ((asks, asked), (told, events)) = (mpsc::channel(WAITING_MAX), mpsc::channel(WAITING_MAX));
    let place = (shared.clone(), runtime.clone(), process.clone());
    started.spawn(Box::pin(Link::new(place, (asked, told), cluster.answer_timeout).run()));
    let (keys, is_lost) = Default::default();
    let tap = Tap { shared: shared.clone(), process: process.clone(), keys, is_lost };
    let (stop, stopped) = oneshot::channel::<()>();
    shared.with(|state| state.stops.insert(process.clone(), stop));
    let (ending, process, pace) = (shared.clone(), process.clone(), *pace);
    started.spawn(Box::pin(async move {
        let stopped = async move {
            if stopped.await.is_err() {
                // Nobody tells it to end any more.
                pending::<()>().await;
            }
        };
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let paced = Paced { runtime: Adapter(runtime), pace };
        let bound = Server::bind(paced, address, config, tap).await;
        let server = bound.expect("the hub's host lets it listen");
        let served = server.with_cluster(cluster, EngineLink { asks, events }).run(stopped).await;
        ending.with(|state| state.ended(&process, served));
    }));
    started
}

/// Shows the judge what the hub is given, hears, asks and says.
struct Tap {
    shared: Shared,
    process: NodeName,
    /// The server's keys of sessions, and the world's.
    keys: BTreeMap<SessionKey, SessionKey>,
    /// It has heard that the engine is lost. What it asks right then it asks as if it had not.
    is_lost: bool,
}

impl Tap {
    fn settle(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            self.shared.with(|state| state.hears(&self.process, &Event::Lost));
        }
    }

    fn known(&self, output: &Output) -> Option<Output> {
        let key = |key| self.keys.get(key).copied();
        match output {
            Output::Send(of, message) => Some(Output::Send(key(of)?, message.clone())),
            Output::Close(of, reason) => Some(Output::Close(key(of)?, *reason)),
            Output::Linger(of, reason) => Some(Output::Linger(key(of)?, *reason)),
            Output::Audit(_) => None,
        }
    }
}

impl Observer for Tap {
    fn before(&mut self, _now: Timestamp, input: &Input, hub: &Hub) {
        self.settle();
        if let Input::Opened(key, peer) = input {
            let known = self.shared.with(|state| state.dialled[&peer.address]);
            self.keys.insert(*key, known);
        }
        let key = if let Input::Frame(key, _) = input { self.keys.get(key).copied() } else { None };
        self.shared.with(|state| state.world.hub_takes(&self.process, key, input, hub));
    }

    fn hears(&mut self, _now: Timestamp, event: &Event, _hub: &Hub) {
        self.settle();
        if *event == Event::Lost {
            self.is_lost = true;
        } else {
            self.shared.with(|state| state.hears(&self.process, event));
        }
    }

    fn asks(&mut self, _now: Timestamp, requests: &[Request], hub: &Hub) {
        self.shared.with(|state| {
            let verdict = state.world.hub_asks(&self.process, hub, requests);
            state.judge(verdict);
            if hub.life().is_some_and(|life| life.is_superseded()) {
                state.superseded.insert(self.process.clone());
            }
        });
    }

    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let known = outputs.iter().filter_map(|output| self.known(output)).collect();
        let place = hub.life().map(|life| life.place());
        self.shared.with(|state| {
            state.places.insert(self.process.clone(), place);
            let verdict = state.world.hub_did(&self.process, hub, outputs);
            state.judge(verdict);
            state.does(&self.process, hub, now, known);
        });
    }
}
