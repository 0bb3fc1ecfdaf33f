//! What the shells need from the world: tasks, a clock, randomness, byte streams. [`Tokio`] is the
//! real world; the simulator brings its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::time::Timestamp;

mod steady;
mod tokio_runtime;

pub use steady::SteadyClock;
pub use tokio_runtime::{Tokio, TokioListener};

/// The world that a server or a client lives in. Cloning gives another handle to the same world.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// Ends once a duration has passed.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Runs `task` on its own, until it ends or the world does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends no earlier than `duration` from now.
    fn sleep(&self, duration: Duration) -> Self::Sleep;

    /// The wall clock. It may jump: deadlines are measured with a [`SteadyClock`].
    fn now(&self) -> Timestamp;

    /// How long the world has been running: never goes back, and measures what `now` is too coarse
    /// or too free for.
    fn monotonic(&self) -> Duration;

    /// A fresh seed for a random generator; unpredictable in the real world.
    fn random_seed(&self) -> [u8; 32];

    /// Starts to listen; port 0 lets the world choose one.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Connects to `authority`, `host:port`.
    fn connect(&self, authority: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Accepts byte streams.
pub trait Listener: Send + 'static {
    /// What is accepted.
    type Stream;

    /// The next stream and where it comes from.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Where this listens, the chosen port included.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
