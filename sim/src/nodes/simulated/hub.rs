//! A hub's process: the server that users run, and its link to the engine.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};

use dst::executor::{Current, CurrentNode, Executor, Node};
use dst::runtime::SimRuntime;
use signal_hub::cluster::ClusterConfig;
use signal_hub::cluster::engine::{Event, Request};
use signal_hub::hub::{Hub, Input, Output, SessionKey};
use signal_hub::protocol::{ClientFrame, Verb};
use signal_hub::server::{EngineLink, Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::link::Link;
use super::paced::Paced;
use super::shared::Shared;
use crate::nodes::scenario::hub_of;
use crate::nodes::talk;
use crate::runtime::Adapter;

/// Where a hub listens on its host.
pub const PORT: u16 = 80;
/// Requests and events that wait in a process.
const WAITING_MAX: usize = 256;

/// A hub's host.
pub fn host(node: usize) -> String {
    hub_of(node)
}

/// Starts a hub's process.
pub fn start(shared: &Shared, node: usize) -> CurrentNode {
    let process = Current::current().node(&host(node));
    let runtime = SimRuntime::on(shared.net.host(&host(node)), process.clone());
    let (config, cluster, pace) = shared.with(|state| {
        let (setting, name) = (state.world.setting(), state.world.name_of(node));
        let cluster = ClusterConfig { node: name, ..setting.cluster.clone() };
        (setting.config.clone(), cluster, state.world.pace_of(node))
    });
    let ((asks, asked), (told, events)) = (mpsc::channel(WAITING_MAX), mpsc::channel(WAITING_MAX));
    let place = (shared.clone(), runtime.clone(), node);
    process.spawn(Box::pin(Link::new(place, (asked, told), cluster.answer_timeout).run()));
    let tap = Tap { shared: shared.clone(), node, keys: BTreeMap::new(), is_lost: false };
    let (stop, stopped) = oneshot::channel::<()>();
    let ending = shared.clone();
    shared.with(|state| state.stops.insert(node, stop));
    process.spawn(Box::pin(async move {
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
        assert_eq!(served, Ok(()), "a hub ended by itself");
        ending.with(|state| state.ended(node));
    }));
    process
}

/// Shows the judge what the hub is given, hears, asks and says.
struct Tap {
    shared: Shared,
    node: usize,
    /// The server's keys of sessions, and the world's.
    keys: BTreeMap<SessionKey, SessionKey>,
    /// It has heard that the engine is lost. What it asks right then it asks as if it had not.
    is_lost: bool,
}

impl Tap {
    fn settle(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            self.shared.with(|state| state.hears(self.node, &Event::Lost));
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
    fn before(&mut self, _now: Timestamp, input: &Input, _hub: &Hub) {
        self.settle();
        let Input::Frame(key, Ok(ClientFrame::Request(request))) = input else { return };
        let said = |state: &mut super::shared::State| {
            state.said.get(&talk::number_of(&request.id)).copied()
        };
        let Some((world_key, actor)) = self.shared.with(said) else { return };
        self.keys.entry(*key).or_insert(world_key);
        if let Ok(Verb::Unregister(_) | Verb::Disconnect(_)) = request.verb {
            self.shared.with(|state| state.world.gives_back(world_key, actor));
        }
    }

    fn hears(&mut self, _now: Timestamp, event: &Event, _hub: &Hub) {
        self.settle();
        if *event == Event::Lost {
            self.is_lost = true;
        } else {
            self.shared.with(|state| state.hears(self.node, event));
        }
    }

    fn asks(&mut self, _now: Timestamp, requests: &[Request], hub: &Hub) {
        self.shared.with(|state| {
            let verdict = state.world.hub_asks(self.node, hub, requests);
            state.judge(verdict);
        });
    }

    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let outputs = outputs.iter().filter_map(|output| self.known(output)).collect();
        let place = hub.life().map(|life| life.place());
        self.shared.with(|state| {
            state.places.insert(self.node, place);
            state.does(self.node, hub, now, outputs);
        });
    }
}
