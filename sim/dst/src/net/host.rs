//! Hosts: a name, an address, a clock, and a way onto the network.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Net;
use super::ids::HostId;
use super::listener::SimListener;
use super::stream::SimStream;

/// A machine on the network. Cloning gives another handle to the same machine.
#[derive(Clone)]
pub struct Host {
    pub(super) net: Net,
    pub(super) id: HostId,
    name: Arc<str>,
}

impl Host {
    pub(super) fn new(net: Net, id: HostId, name: Arc<str>) -> Self {
        Self { net, id, name }
    }

    /// What it is called, in scenarios and in events.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its address, by the order of naming: 10.0.0.1 is the first.
    pub fn address(&self) -> IpAddr {
        self.id.address()
    }

    /// How far this host's wall clock is ahead, in milliseconds.
    pub fn clock_skew(&self) -> i64 {
        self.net.lock().world.clock_skew(self.id)
    }

    /// A fresh seed from this host's own split of the run's seed.
    pub fn random_seed(&self) -> [u8; 32] {
        self.net.with(|shell, _| shell.world.random_seed(self.id))
    }

    /// Starts to listen; port 0 chooses one. The address is any, the loopback or the host's own.
    ///
    /// # Errors
    /// `AddrNotAvailable` for another host's address, `AddrInUse` for a port that is taken.
    pub fn listen(&self, address: SocketAddr) -> io::Result<SimListener> {
        SimListener::bind(self, address)
    }

    /// Connects to `host:port`, the host by its name or its address.
    ///
    /// # Errors
    /// `InvalidInput` for anything else, `NotFound` for an unknown host, and what the network says.
    pub async fn connect(&self, authority: &str) -> io::Result<SimStream> {
        SimStream::connect(self, authority).await
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} {})", self.name, self.address())
    }
}
