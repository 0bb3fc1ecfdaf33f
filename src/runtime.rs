//! What the shells need from the world: tasks, a clock, randomness, byte streams. [`Tokio`] is the
//! real world; the simulator has its own.
//!
//! ```
//! use std::time::Duration;
//!
//! use signal_hub::runtime::{Listener, Runtime, Tokio};
//!
//! /// Whatever is generic over the world runs in each of them.
//! async fn how_long<R: Runtime>(world: &R, pause: Duration) -> Duration {
//!     let before = world.monotonic();
//!     world.sleep(pause).await;
//!     world.monotonic() - before
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let pause = Duration::from_millis(5);
//! assert!(how_long(&Tokio, pause).await >= pause);
//!
//! let mut listener = Tokio.listen(([127, 0, 0, 1], 0).into()).await?;
//! let dialled = Tokio.connect(&listener.local_address()?.to_string()).await?;
//! let (_accepted, from) = listener.accept().await?;
//! assert_eq!(from, dialled.local_addr()?);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::time::Timestamp;

mod alarm;
mod steady;
mod tokio_runtime;

pub use alarm::Alarm;
pub use steady::{Reading, SteadyClock};
pub use tokio_runtime::{Tokio, TokioListener};

/// The world that a server or a client runs in. A clone is another handle to the same world.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// Ends once a duration has passed.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Runs `task` in the background until it ends or the world does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends no earlier than `duration` from now.
    fn sleep(&self, duration: Duration) -> Self::Sleep;

    /// The wall clock's time. It may jump, so deadlines are measured with a [`SteadyClock`].
    fn now(&self) -> Timestamp;

    /// How long the world has been running. It never goes back, and is finer than [`Self::now`].
    fn monotonic(&self) -> Duration;

    /// A fresh seed for a random generator, unpredictable in the real world.
    fn random_seed(&self) -> [u8; 32];

    /// Starts to listen; port 0 lets the world choose one.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Connects to `authority`, which is `host:port`.
    fn connect(&self, authority: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Accepts byte streams.
pub trait Listener: Send + 'static {
    /// An accepted connection.
    type Stream;

    /// Waits for the next stream; returns it and where it comes from.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// The address that this listens on, with the chosen port.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
