//! Carries one connection between a socket of a process and its end on the network.

use std::io::ErrorKind;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sockets::reset;
use crate::net::SimStream;

/// What is taken from one side before the other side has taken it, at most.
const CHUNK_BYTES: usize = 4 * 1024;

/// Why a connection is over before both directions have ended.
enum Over {
    /// The process's end is gone.
    Socket,
    Network(ErrorKind),
}

/// Carries the connection until nothing of it is left.
pub async fn bridge(mut socket: TcpStream, mut stream: SimStream) {
    let (from_process, to_process) = socket.split();
    let (from_network, to_network) = tokio::io::split(&mut stream);
    let up = send(from_process, to_network);
    let down = receive(from_network, to_process);
    match tokio::try_join!(up, down) {
        Err(Over::Socket) => stream.abort(),
        Err(Over::Network(ErrorKind::ConnectionReset)) => reset(socket),
        // The process dies, or both sides have ended in order.
        Err(Over::Network(_)) | Ok(_) => {}
    }
}

/// Sends what the process says.
async fn send(
    mut process: impl AsyncRead + Unpin,
    mut network: impl AsyncWrite + Unpin,
) -> Result<(), Over> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = process.read(&mut buffer).await.map_err(|_| Over::Socket)?;
        if length == 0 {
            return network.shutdown().await.map_err(|error| Over::Network(error.kind()));
        }
        match network.write_all(&buffer[..length]).await {
            Ok(()) => {}
            // It was told of a cut as of an orderly end, and speaks into the void.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(Over::Network(error.kind())),
        }
    }
}

/// Tells the process what it receives.
async fn receive(
    mut network: impl AsyncRead + Unpin,
    mut process: impl AsyncWrite + Unpin,
) -> Result<(), Over> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let received = network.read(&mut buffer).await;
        match received.map_err(|error| Over::Network(error.kind()))? {
            0 => return process.shutdown().await.map_err(|_| Over::Socket),
            length => {
                process.write_all(&buffer[..length]).await.map_err(|_| Over::Socket)?;
            }
        }
    }
}
