//! Hosts: a name, an address, a clock, and a way onto the network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Net;
use super::link::Blamed;
use super::listener::SimListener;
use super::random::Dice;
use super::stream::SimStream;

/// A machine on the network. Cloning gives another handle to the same machine.
#[derive(Clone)]
pub struct Host {
    pub(super) net: Net,
    pub(super) id: HostId,
    name: Arc<str>,
    clock_skew: Arc<AtomicI64>,
}

impl Host {
    pub(super) fn new(net: Net, id: HostId, state: &HostState) -> Self {
        let (name, clock_skew) = (state.name.clone(), state.clock_skew.clone());
        Self { net, id, name, clock_skew }
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn address(&self) -> IpAddr {
        self.id.address()
    }

    pub fn net(&self) -> &Net {
        &self.net
    }

    /// How far this host's wall clock is ahead, in milliseconds.
    pub fn clock_skew(&self) -> i64 {
        self.clock_skew.load(Ordering::Relaxed)
    }

    /// A fresh seed from this host's own split of the run's seed.
    pub fn random_seed(&self) -> [u8; 32] {
        self.net.with(|world, _| world.hosts[self.id.index()].dice.seed())
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

/// A host, in the order of naming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostId(u16);

impl HostId {
    pub(super) fn nth(index: usize) -> Self {
        Self(u16::try_from(index).expect("a run has fewer hosts than addresses"))
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn address(self) -> IpAddr {
        let [high, low] = (self.0 + 1).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    }
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) name: Arc<str>,
    pub(super) clock_skew: Arc<AtomicI64>,
    /// Since when nothing here answers, and because of which fault.
    pub(super) dark: Option<Blamed<Duration>>,
    pub(super) pause: Option<Blamed<Duration>>,
    /// Until when none of its tasks runs.
    pub(super) halt: Option<Blamed<Duration>>,
    pub(super) dice: Dice,
    ports_given: u16,
}

impl HostState {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        Self {
            name: name.into(),
            clock_skew: Arc::default(),
            dark: None,
            pause: None,
            halt: None,
            dice: Dice::split(seed, &format!("host {name}")),
            ports_given: 0,
        }
    }

    /// The next port of those that nobody asks for by number.
    pub(super) fn give_port(&mut self) -> u16 {
        let port = FIRST_GIVEN_PORT + self.ports_given % (u16::MAX - FIRST_GIVEN_PORT);
        self.ports_given = self.ports_given.wrapping_add(1);
        port
    }
}

const FIRST_GIVEN_PORT: u16 = 49152;
