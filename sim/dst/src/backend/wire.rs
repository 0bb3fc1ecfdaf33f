//! What a full stack of server and clients needs of the world that carries its bytes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::backend::testbed::Process;
use crate::net::Net;
use crate::runtime::{EPOCH, Runtime};

/// Hosts, processes on them, and a network with faults. Cloning gives another handle.
pub trait Wire: Clone + Send + Sync + 'static {
    /// A process on a host.
    type Process: WireProcess;

    /// How late bytes can be beyond what their link says.
    const LATE_MAX: Duration;

    /// What a wall clock that is right showed when the run began, since the Unix epoch.
    fn began(&self) -> Duration {
        EPOCH
    }

    /// The network between the hosts.
    fn net(&self) -> &Net;

    /// A new process on a host.
    fn process(&self, host: &str, name: &str) -> Self::Process;

    /// Where the hub binds.
    fn hub_binds(&self) -> SocketAddr;

    /// The hub has bound, to this address.
    fn hub_listens(&self, address: SocketAddr);

    /// The hub is gone from this address, if nothing else tells.
    fn hub_left(&self, address: SocketAddr) {
        let _ = address;
    }

    /// Where a client on this host finds the hub: `host:port`.
    fn hub_authority(&self, host: &str) -> String;
}

/// A process that runs tasks, which end with it.
pub trait WireProcess: Process {
    /// The world of its tasks.
    type Runtime: Runtime;

    /// The world as the process has it.
    fn runtime(&self) -> Self::Runtime;

    /// There is a program of the system in it, which lives and stands still with it.
    fn carry(&self, program: Box<dyn Program>) {
        drop(program);
    }
}

/// A program of the system. Whoever drops it has it killed.
pub trait Program: Send + Sync {
    /// Has it do nothing until it is resumed.
    fn pause(&self);

    /// Has it go on.
    fn resume(&self);
}
