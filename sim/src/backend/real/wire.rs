//! Loopback TCP, with a proxy of its own between each host and the hub.

use std::net::SocketAddr;
use std::time::Duration;

use signal_hub::client::HubUrl;

use super::network::Network;
use super::process::RealProcess;
use super::sockets::ANYWHERE;
use crate::backend::full::Wire;
use crate::net::Net;
use crate::run::Recorder;

#[derive(Clone)]
pub struct RealWire {
    pub network: Network,
    pub recorder: Recorder,
}

impl Wire for RealWire {
    type Process = RealProcess;

    /// The machine may have other things to do.
    const LATE_MAX: Duration = Duration::from_secs(2);

    fn net(&self) -> &Net {
        &self.network.net
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
}
