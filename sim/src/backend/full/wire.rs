//! What a full stack of server and clients needs of the world that carries its bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use signal_hub::client::HubUrl;
use signal_hub::runtime::Runtime;

use crate::backend::testbed::Process;
use crate::net::Fault;

/// Hosts, processes on them, and a network with faults. Cloning gives another handle.
pub trait Wire: Clone + Send + Sync + 'static {
    type Process: WireProcess;

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

    /// How late bytes can be on a healthy link, one way.
    fn latency_max(&self) -> Duration;
}

/// A process that runs tasks, which end with it.
pub trait WireProcess: Process {
    type Runtime: Runtime;

    /// The world as the process has it.
    fn runtime(&self) -> Self::Runtime;
}
