//! Loopback TCP, with a proxy of its own between each host and the hub.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use signal_hub::client::HubUrl;
use signal_hub::runtime::{Runtime, Tokio};

use super::network::Network;
use super::process::RealProcess;
use super::sockets::ANYWHERE;
use crate::backend::full::Wire;
use crate::net::Fault;
use crate::run::Recorder;

/// How late a message can be beyond what its link says: the machine may have other things to do.
const SCHEDULING_MAX: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct RealWire {
    pub network: Network,
    pub recorder: Recorder,
    pub link_latency_max: Duration,
}

impl Wire for RealWire {
    type Process = RealProcess;

    fn elapsed(&self) -> Duration {
        self.network.elapsed()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        Tokio.sleep(duration)
    }

    fn process(&self, host: &str, _name: &str) -> RealProcess {
        RealProcess::new(host, self.network.clone(), self.recorder.clone())
    }

    fn hub_binds(&self) -> SocketAddr {
        ANYWHERE
    }

    fn hub_listens(&self, address: SocketAddr) {
        self.network.hub_listens(address);
    }

    fn hub_url(&self, host: &str) -> HubUrl {
        let door = self.network.door(host).expect("the system lets a proxy listen");
        format!("ws://{door}/ws").parse().expect("an address of ours makes a URL")
    }

    fn inject(&self, fault: Fault) {
        self.network.inject(fault);
    }

    fn latency_max(&self) -> Duration {
        self.link_latency_max + SCHEDULING_MAX
    }
}
