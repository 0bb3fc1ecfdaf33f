//! What a full stack of server and clients needs of the world that carries its bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use signal_hub::client::HubUrl;
use signal_hub::runtime::Runtime;

use crate::net::{Fault, Peers};

/// Hosts, processes on them, and a network with faults. Cloning gives another handle.
pub trait Wire: Clone + Send + Sync + 'static {
    type Process: Process;

    /// Time since the run began, as events have it.
    fn elapsed(&self) -> Duration;

    /// Ends so long from now.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// A new process on a host.
    fn process(&self, host: &str, name: &str) -> Self::Process;

    /// Where the hub binds.
    fn hub_binds(&self) -> SocketAddr;

    /// The hub has bound, to this address.
    fn hub_listens(&self, address: SocketAddr);

    /// Where a client on this host finds the hub.
    fn hub_url(&self, host: &str) -> HubUrl;

    /// Does something to the network.
    fn inject(&self, fault: Fault);

    /// The network's half of the death of all processes of a host; they are killed next.
    fn crash(&self, host: &str, peers: Peers);

    /// Ends all faults.
    fn heal(&self);

    /// How late bytes can be on a healthy link, one way.
    fn latency_max(&self) -> Duration;
}

/// A process: its tasks end with it. Cloning gives another handle.
pub trait Process: Clone + Send + Sync + 'static {
    type Runtime: Runtime;

    /// The world as the process has it.
    fn runtime(&self) -> Self::Runtime;

    /// Ends all its tasks in the middle of whatever they do.
    fn kill(&self);

    /// Lets none of its tasks run until it is resumed.
    fn pause(&self);

    fn resume(&self);
}
