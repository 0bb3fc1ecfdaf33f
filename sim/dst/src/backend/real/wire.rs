//! Loopback TCP, with a proxy of its own between each host and the hub.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::network::Network;
use super::process::{PanicSink, RealProcess};
use super::sockets::ANYWHERE;
use crate::backend::wire::Wire;
use crate::net::Net;

#[derive(Clone)]
pub struct RealWire {
    pub network: Network,
    pub panicked: PanicSink,
}

impl Wire for RealWire {
    type Process = RealProcess;

    /// The machine may have other things to do.
    const LATE_MAX: Duration = Duration::from_secs(2);

    fn began(&self) -> Duration {
        self.network.began
    }

    fn net(&self) -> &Net {
        &self.network.net
    }

    fn process(&self, host: &str, _name: &str) -> RealProcess {
        RealProcess::new(host, self.network.clone(), Arc::clone(&self.panicked))
    }

    fn hub_binds(&self) -> SocketAddr {
        ANYWHERE
    }

    fn hub_listens(&self, address: SocketAddr) {
        self.network.hub_listens(address);
    }

    fn hub_left(&self, address: SocketAddr) {
        self.network.hub_left(address);
    }

    fn hub_authority(&self, host: &str) -> String {
        self.network.proxy_address(host).expect("the system lets a proxy listen").to_string()
    }
}
