//! A port on which a host waits for connections.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::Net;
use super::connection::{Owner, keep_waker};
use super::host::Host;
use super::ids::{End, Place};
use super::stream::SimStream;
use super::world::ListenerState;

/// Accepts connections. Dropping it resets those that nobody has accepted.
pub struct SimListener {
    net: Net,
    place: Place,
    number: u64,
}

impl SimListener {
    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// `ConnectionAborted` if the host has crashed since this began to listen.
    pub async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    pub fn local_address(&self) -> SocketAddr {
        self.place.address()
    }

    pub(super) fn bind(host: &Host, address: SocketAddr) -> io::Result<Self> {
        let ip = address.ip();
        if !(ip.is_unspecified() || ip.is_loopback() || ip == host.id.address()) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        host.net.with(|world, now| {
            let mut port = address.port();
            while address.port() == 0
                && (port == 0 || world.listeners.contains_key(&(host.id, port)))
            {
                port = world.hosts[host.id.index()].give_port();
            }
            if world.listeners.contains_key(&(host.id, port)) {
                return Err(ErrorKind::AddrInUse.into());
            }
            world.wake_host(now, host.id);
            world.listened += 1;
            let number = world.listened;
            let listener = ListenerState { number, backlog: VecDeque::new(), acceptor: None };
            world.listeners.insert((host.id, port), listener);
            Ok(Self { net: host.net.clone(), place: Place { host: host.id, port }, number })
        })
    }

    fn poll_accept(&self, context: &Context<'_>) -> Poll<io::Result<(SimStream, SocketAddr)>> {
        self.net.with(|world, _| {
            if world.stopped {
                return Poll::Pending;
            }
            let listener = world.listeners.get_mut(&(self.place.host, self.place.port));
            let Some(listener) = listener.filter(|listener| listener.number == self.number) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            while let Some(id) = listener.backlog.pop_front() {
                let Some(connection) = world.connections.get_mut(&id) else { continue };
                let peer = connection.ends[End::Client].place;
                connection.ends[End::Server].owner = Owner::Stream;
                let stream = SimStream::new(self.net.clone(), id, End::Server, self.place, peer);
                return Poll::Ready(Ok((stream, peer.address())));
            }
            keep_waker(&mut listener.acceptor, context);
            Poll::Pending
        })
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.net.with(|world, now| {
            let place = (self.place.host, self.place.port);
            if world.listeners.get(&place).is_none_or(|known| known.number != self.number) {
                return;
            }
            let backlog = world.listeners.remove(&place).map(|listener| listener.backlog);
            for id in backlog.into_iter().flatten() {
                world.release(now, id, End::Server);
            }
        });
    }
}

impl fmt::Debug for SimListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimListener({})", self.place.address())
    }
}
