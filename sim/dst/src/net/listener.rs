//! A port on which a host waits for connections.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use super::Net;
use super::host::Host;
use super::ids::{End, ListenerId};
use super::stream::SimStream;

/// Accepts connections. Dropping it resets those that nobody has accepted.
pub struct SimListener {
    net: Net,
    id: ListenerId,
}

impl SimListener {
    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// `ConnectionAborted` if the host has crashed since this began to listen.
    pub async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// The host's address and the port, also where the network chose it.
    pub fn local_address(&self) -> SocketAddr {
        self.id.place.address()
    }

    /// Listens no more, as if it were dropped.
    pub fn close(&self) {
        self.net.with(|shell, now| shell.world.unlisten(now, self.id));
    }

    pub(super) fn bind(host: &Host, address: SocketAddr) -> io::Result<Self> {
        let ip = address.ip();
        if !(ip.is_unspecified() || ip.is_loopback() || ip == host.id.address()) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let port = address.port();
        let id = host.net.with(|shell, now| shell.world.listen(now, host.id, port))?;
        Ok(Self { net: host.net.clone(), id })
    }

    fn poll_accept(&self, context: &Context<'_>) -> Poll<io::Result<(SimStream, SocketAddr)>> {
        self.net.with(|shell, _| {
            let id = ready!(shell.poll_accept(context, self.id))?;
            let stream = SimStream::new(&self.net, &shell.world, id, End::Server)?;
            let peer = stream.peer_address();
            Poll::Ready(Ok((stream, peer)))
        })
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        // Whoever drops it does not wait for it any more.
        self.net.with(|shell, _| shell.forget_acceptor(self.id));
        self.close();
    }
}

impl fmt::Debug for SimListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimListener({})", self.local_address())
    }
}
