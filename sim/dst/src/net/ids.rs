//! What hosts, connections and faults are called.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Index, IndexMut};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A host, in the order of naming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(u16);

impl HostId {
    /// The host that was named first.
    pub const FIRST: Self = Self(0);

    pub(crate) fn nth(index: usize) -> Self {
        Self(u16::try_from(index).expect("a run has fewer hosts than addresses"))
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its address: 10.0.0.1 is the first.
    pub fn address(self) -> IpAddr {
        let [high, low] = (self.0 + 1).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    }
}

/// A host and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The host.
    pub host: HostId,
    /// The port on it.
    pub port: u16,
}

impl Place {
    pub(crate) fn address(self) -> SocketAddr {
        SocketAddr::new(self.host.address(), self.port)
    }
}

/// Someone who listens: the number tells it from earlier ones at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerId {
    pub(crate) place: Place,
    pub(crate) number: u64,
}

/// A connection, in the order of connecting, from 1 on; never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// One end of a connection.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The end that connected.
    Client,
    /// The end that was connected to.
    Server,
}

impl End {
    /// Both ends, the client's first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The peer's end.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// A value for each end.
#[derive(Debug, Default)]
pub(crate) struct PerEnd<T> {
    pub(crate) client: T,
    pub(crate) server: T,
}

impl<T> PerEnd<T> {
    pub(crate) const fn of(client: T, server: T) -> Self {
        Self { client, server }
    }
}

impl<T> Index<End> for PerEnd<T> {
    type Output = T;

    fn index(&self, end: End) -> &T {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }
}

impl<T> IndexMut<End> for PerEnd<T> {
    fn index_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        }
    }
}

/// A fault in the order of injection, from 1 on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FaultId(pub u64);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}", self.0)
    }
}
