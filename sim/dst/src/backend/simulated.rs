//! The simulated backend: the full stack on madsim and our own network.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::deploy::Deploy;
use super::stack;
use super::testbed::Process;
use super::wire::{Wire, WireProcess};
use crate::net::{Host, Net};
use crate::run::Recorder;
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_HOST, HUB_PORT, Scenario};
use madsim::runtime::{Handle, NodeHandle};

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
        let node = Handle::current().create_node().name(name).build();
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

/// A node of madsim on a host of ours.
#[derive(Clone)]
struct SimProcess {
    host: Host,
    node: NodeHandle,
}

impl WireProcess for SimProcess {
    type Runtime = SimRuntime;

    fn runtime(&self) -> SimRuntime {
        SimRuntime::on(self.host.clone(), self.node.clone())
    }
}

impl Process for SimProcess {
    fn kill(&self) {
        Handle::current().kill(self.node.id());
    }

    fn pause(&self) {
        Handle::current().pause(self.node.id());
    }

    fn resume(&self) {
        Handle::current().resume(self.node.id());
    }
}
