//! One end of a connection as an application has it.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Net;
use super::host::Host;
use super::ids::{ConnectionId, End, HostId, Place};
use super::world::World;

/// A byte stream to another host. Dropping it ends both directions: the peer sees the end of the
/// stream, and a reset if it goes on writing.
pub struct SimStream {
    net: Net,
    id: ConnectionId,
    end: End,
    local: SocketAddr,
    peer: SocketAddr,
}

impl SimStream {
    /// Its connection's number, as events have it.
    pub fn connection(&self) -> ConnectionId {
        self.id
    }

    /// Address and port of this end.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Address and port of the other end.
    pub fn peer_address(&self) -> SocketAddr {
        self.peer
    }

    /// Ends both directions at once: the peer sees a reset.
    pub fn abort(self) {
        self.net.with(|shell, now| shell.world.abort(now, self.id, self.end));
    }

    pub(super) fn new(
        net: &Net,
        world: &World<Bytes>,
        id: ConnectionId,
        end: End,
    ) -> io::Result<Self> {
        let place = |end| world.place(id, end).ok_or(ErrorKind::ConnectionAborted);
        let (local, peer) = (place(end)?.address(), place(end.other())?.address());
        Ok(Self { net: net.clone(), id, end, local, peer })
    }

    pub(super) async fn connect(host: &Host, authority: &str) -> io::Result<Self> {
        let (name, port) = authority.rsplit_once(':').ok_or(ErrorKind::InvalidInput)?;
        let port = port.parse().map_err(|_| ErrorKind::InvalidInput)?;
        let stream = host.net.with(|shell, now| {
            let server = find(&shell.world, host.id, name).ok_or(ErrorKind::NotFound)?;
            let id = shell.world.open(now, host.id, Place { host: server, port });
            Self::new(&host.net, &shell.world, id, End::Client)
        })?;
        poll_fn(|context| stream.net.with(|shell, _| shell.poll_established(context, stream.id)))
            .await?;
        Ok(stream)
    }
}

/// The host that `from` calls by `name`, or by its address.
fn find(world: &World<Bytes>, from: HostId, name: &str) -> Option<HostId> {
    if let Some(host) = world.names.get(name) {
        return Some(*host);
    }
    if name == "localhost" {
        return Some(from);
    }
    let address: IpAddr = name.parse().ok()?;
    if address.is_loopback() {
        return Some(from);
    }
    (0..world.hosts.len()).map(HostId::nth).find(|host| host.address() == address)
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let which = (self.id, self.end);
        self.net.with(|shell, now| shell.poll_read(now, context, which, buffer))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let which = (self.id, self.end);
        self.net.with(|shell, now| shell.poll_write(now, context, which, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.with(|shell, now| shell.world.shut_down(now, self.id, self.end));
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.net.with(|shell, now| shell.world.release(now, self.id, self.end));
    }
}

impl fmt::Debug for SimStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimStream({} {} {} -> {})", self.id, self.end, self.local, self.peer)
    }
}
