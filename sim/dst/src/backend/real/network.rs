//! The network of a run, as its processes get onto it: each host has a proxy of its own in front of the
//! hub, and what goes through it meets the faults of the scenario.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::bridge::bridge;
use super::clock::RealClock;
use super::sockets::{ANYWHERE, connect, listen, reset};
use crate::net::{Host, LinkConfig, Net, SimListener, SimStream, Sink};
use crate::runtime::{Runtime, Tokio};
use crate::scenario::{HUB_HOST, HUB_PORT};

/// A handle to the network and the proxies of one run.
#[derive(Clone)]
pub struct Network {
    pub net: Net,
    /// What the system's clock showed then, since the Unix epoch.
    pub began: Duration,
    proxies: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
    hub: Arc<Mutex<Option<Hub>>>,
}

/// The hub as long as it listens.
struct Hub {
    address: SocketAddr,
    /// The proxy's, in place of the hub's own.
    listener: Arc<SimListener>,
}

impl Network {
    /// Begins the time of the run.
    pub fn new(seed: u64, default_link: LinkConfig, sink: Sink) -> Self {
        let (clock, began) = (Box::new(RealClock::begin()), Tokio.wall_clock());
        let (net, driver) = Net::driven(seed, default_link, sink, clock);
        Tokio.spawn(driver);
        Self { net, began, proxies: Arc::default(), hub: Arc::default() }
    }

    /// Where the host finds the hub; starts the proxy of the host first.
    ///
    /// # Errors
    /// If the system lets nobody listen any more.
    pub fn proxy_address(&self, host: &str) -> io::Result<SocketAddr> {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = proxies.get(host) {
            return Ok(*address);
        }
        let listener = listen(ANYWHERE)?;
        let address = listener.local_addr()?;
        proxies.insert(host.to_owned(), address);
        Tokio.spawn(keep_proxy(self.net.host(host), listener));
        Ok(address)
    }

    /// The hub listens here from now on. Of one before it, nobody may have noticed yet that it is gone.
    pub fn hub_listens(&self, address: SocketAddr) {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = hub.take() {
            gone.listener.close();
        }
        let place = SocketAddr::from((Ipv4Addr::UNSPECIFIED, HUB_PORT));
        let listener = self.net.host(HUB_HOST).listen(place).expect("no other hub listens");
        let listener = Arc::new(listener);
        Tokio.spawn(keep_hub(Arc::clone(&listener), address));
        *hub = Some(Hub { address, listener });
    }

    /// The hub does not listen here any more.
    pub fn hub_left(&self, address: SocketAddr) {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = hub.take_if(|hub| hub.address == address) {
            gone.listener.close();
        }
    }
}

async fn keep_proxy(host: Host, listener: TcpListener) {
    loop {
        // What went wrong is that connection's, not the listener's.
        if let Ok((socket, _)) = listener.accept().await {
            Tokio.spawn(enter(host.clone(), socket));
        }
    }
}

async fn enter(host: Host, socket: TcpStream) {
    match host.connect(&format!("{HUB_HOST}:{HUB_PORT}")).await {
        Ok(stream) => bridge(socket, stream).await,
        Err(_) => reset(socket),
    }
}

async fn keep_hub(listener: Arc<SimListener>, address: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        Tokio.spawn(leave(stream, address));
    }
}

async fn leave(stream: SimStream, address: SocketAddr) {
    match connect(address).await {
        Ok(socket) => bridge(socket, stream).await,
        Err(_) => stream.abort(),
    }
}
