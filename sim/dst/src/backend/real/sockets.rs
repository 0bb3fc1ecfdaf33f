//! TCP sockets with small buffers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Where everything listens that the system may place.
pub const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What is asked of the system as the size of a socket's buffers: small, so that whoever does not
/// read soon pushes back. Linux takes twice as much.
const SOCKET_BYTES: u32 = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket with small buffers.
fn socket() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    Ok(socket)
}

/// Listens with small buffers; port 0 lets the system choose one.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket()?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connects with small buffers.
pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = socket()?.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Has the other side see a reset.
pub fn reset(stream: TcpStream) {
    // Without this the kernel would say goodbye: a reset that is an orderly end is no reset.
    stream.set_zero_linger().expect("a TCP socket can be closed with a reset");
}
