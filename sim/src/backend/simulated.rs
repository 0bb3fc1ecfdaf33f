//! The simulated backend: the full stack on madsim and our own network.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle};
use signal_hub::client::HubUrl;

use super::full::{self, Wire, WireProcess};
use super::testbed::Process;
use crate::lower;
use crate::net::{Host, Net};
use crate::run::Recorder;
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_PORT, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play(scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    let net = Net::new(scenario.seed, scenario.network.clone(), full::sink(&recorder));
    full::play(&scenario, &SimWire { net }, &recorder).await
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

    fn hub_url(&self, _host: &str) -> HubUrl {
        lower::hub_url()
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
