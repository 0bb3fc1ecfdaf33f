//! The proxies of a run: each host has a door of its own in front of the hub, and everything that
//! goes through a door meets the faults of the scenario.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hub::runtime::{Runtime, Tokio};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::carrier::carry;
use super::process::listen;
use super::world::World;
use crate::net::{Fault, LinkConfig, NetEventKind, Sink};

/// Where everything listens that the system may place.
pub const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A handle to the proxies of one run.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    began: Duration,
    world: Mutex<World>,
    /// Counts what carriers have to look at anew.
    changes: watch::Sender<u64>,
}

impl Network {
    /// Begins the time of the run.
    pub fn new(seed: u64, default_link: LinkConfig, sink: Sink) -> Self {
        let world = Mutex::new(World::new(seed, default_link, sink));
        let changes = watch::Sender::new(0);
        Self(Arc::new(Shared { began: Tokio.monotonic(), world, changes }))
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        Tokio.monotonic().saturating_sub(self.0.began)
    }

    /// Ends at this time of the run; without one, never.
    pub async fn sleep_until(&self, at: Option<Duration>) {
        match at {
            Some(at) => Tokio.sleep(at.saturating_sub(self.elapsed())).await,
            None => std::future::pending().await,
        }
    }

    /// Where the host finds the hub; opens the host's door first.
    ///
    /// # Errors
    /// If the system lets nobody listen any more.
    pub fn door(&self, host: &str) -> io::Result<SocketAddr> {
        if let Some(door) = self.lock().host(host).door {
            return Ok(door);
        }
        let listener = listen(ANYWHERE)?;
        let door = listener.local_addr()?;
        self.lock().host(host).door = Some(door);
        Tokio.spawn(self.clone().keep_door(host.into(), listener));
        Ok(door)
    }

    async fn keep_door(self, host: Arc<str>, listener: TcpListener) {
        loop {
            // What went wrong is that connection's, not the listener's.
            if let Ok((client, _)) = listener.accept().await {
                Tokio.spawn(carry(self.clone(), Arc::clone(&host), client));
            }
        }
    }

    /// The hub listens here from now on.
    pub fn hub_listens(&self, address: SocketAddr) {
        self.change(|world, _| world.hub_listens(address));
    }

    /// The hub does not listen here any more.
    pub fn hub_left(&self, address: SocketAddr) {
        self.change(|world, _| world.hub_left(address));
    }

    /// Does something to the network.
    pub fn inject(&self, fault: Fault) {
        self.change(|world, now| world.inject(now, fault));
    }

    /// How far the host's clock is ahead, in milliseconds.
    pub fn clock_skew(&self, host: &str) -> i64 {
        self.lock().host(host).clock_skew
    }

    /// Looks at the world, or changes what only the caller's own connection has to do with.
    pub fn with<T>(&self, look: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.elapsed();
        look(&mut self.lock(), now)
    }

    /// Changes the world and has all carriers look at it.
    pub fn change<T>(&self, change: impl FnOnce(&mut World, Duration) -> T) -> T {
        let result = self.with(change);
        self.0.changes.send_modify(|count| *count += 1);
        result
    }

    /// Tells when something has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub fn emit(&self, kind: NetEventKind) {
        self.with(|world, now| world.emit(now, kind));
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
