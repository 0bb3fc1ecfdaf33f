//! The simulated backend: the full stack on an executor of virtual time and our own network.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::deploy::Deploy;
use super::stack;
use super::testbed::Process;
use super::wire::{Wire, WireProcess};
use crate::executor::{Current, CurrentNode, Executor, Node};
use crate::net::{Host, Net};
use crate::run::Recorder;
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_HOST, HUB_PORT, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play<S: Deploy>(scenario: Arc<Scenario<S>>, recorder: Recorder<S>) -> Duration {
    let net = Net::new(scenario.seed, scenario.network.clone(), stack::sink(&recorder));
    stack::play(&scenario, &SimWire { net }, &recorder).await
}

/// The simulated network and its hosts.
#[derive(Clone)]
struct SimWire {
    net: Net,
}

impl Wire for SimWire {
    type Process = SimProcess;

    const LATE_MAX: Duration = Duration::ZERO;

    fn net(&self) -> &Net {
        &self.net
    }

    fn process(&self, host: &str, name: &str) -> SimProcess {
        let node = Current::current().node(name);
        SimProcess { host: self.net.host(host), node }
    }

    fn hub_binds(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, HUB_PORT))
    }

    fn hub_listens(&self, _address: SocketAddr) {}

    fn hub_authority(&self, _host: &str) -> String {
        format!("{HUB_HOST}:{HUB_PORT}")
    }
}

/// A node of the executor on a host of ours.
#[derive(Clone)]
struct SimProcess {
    host: Host,
    node: CurrentNode,
}

impl WireProcess for SimProcess {
    type Runtime = SimRuntime;

    fn runtime(&self) -> SimRuntime {
        SimRuntime::on(self.host.clone(), self.node.clone())
    }
}

impl Process for SimProcess {
    fn kill(&self) {
        self.node.kill();
    }

    fn pause(&self) {
        self.node.pause();
    }

    fn resume(&self) {
        self.node.resume();
    }
}
