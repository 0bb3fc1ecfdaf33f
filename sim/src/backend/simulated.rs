//! The simulated backend: the full stack on madsim and our own network.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::{Handle, NodeHandle};
use signal_hub::client::HubUrl;

use super::full::{self, Wire, WireProcess};
use super::testbed::Process;
use crate::history::What;
use crate::lower;
use crate::net::{Fault, Host, Net};
use crate::run::Recorder;
use crate::runtime::SimRuntime;
use crate::scenario::{HUB_PORT, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play(scenario: Arc<Scenario>, recorder: Recorder) -> Duration {
    let network_recorder = recorder.clone();
    let net = Net::new(
        scenario.seed,
        scenario.network.clone(),
        Box::new(move |event| network_recorder.record(event.at, What::Net(event.kind))),
    );
    let wire = SimWire { net: net.clone() };
    for host in scenario.hosts() {
        wire.net.host(&host);
    }
    let took = full::play(&scenario, &wire, &recorder).await;
    net.stop();
    took
}

/// The simulated network and its hosts.
#[derive(Clone)]
struct SimWire {
    net: Net,
}

impl Wire for SimWire {
    type Process = SimProcess;

    fn elapsed(&self) -> Duration {
        self.net.elapsed()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        madsim::time::sleep(duration)
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

    fn inject(&self, fault: Fault) {
        self.net.inject(fault).expect("a fault names hosts of its scenario");
    }

    fn latency_max(&self) -> Duration {
        self.net.latency_max()
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
