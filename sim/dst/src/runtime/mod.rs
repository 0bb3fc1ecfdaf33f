//! What processes need from the world: tasks, a clock, randomness, byte streams; and the two worlds there are, the
//! simulated one and the real one.
//!
//! ```
//! use std::io;
//! use std::net::SocketAddr;
//!
//! use dst::net::{LinkConfig, Net};
//! use dst::runtime::{Listener, Runtime, SimRuntime, Tokio, simulate};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! /// One process greets another that connects to it.
//! async fn greet<R: Runtime>(hub: R, at: SocketAddr, alice: R, host: &str) -> io::Result<[u8; 2]> {
//!     let mut listener = hub.listen(at).await?;
//!     let port = listener.local_address()?.port();
//!     let mut to_hub = alice.connect(&format!("{host}:{port}")).await?;
//!     let (mut to_alice, _) = listener.accept().await?;
//!     to_alice.write_all(b"hi").await?;
//!     let mut heard = [0; 2];
//!     to_hub.read_exact(&mut heard).await?;
//!     Ok(heard)
//! }
//!
//! let simulated = simulate(1, async || {
//!     let net = Net::new(1, LinkConfig::default(), Box::new(|_event| {}));
//!     let [hub, alice] = ["hub", "alice"].map(|name| SimRuntime::new(net.host(name)));
//!     let heard = greet(hub, ([0, 0, 0, 0], 9000).into(), alice, "hub").await;
//!     net.stop();
//!     heard
//! })?;
//! let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let here = ([127, 0, 0, 1], 0).into();
//! let real = tokio.block_on(greet(Tokio, here, Tokio, "127.0.0.1"))?;
//! assert_eq!((simulated, real), (*b"hi", *b"hi"));
//! # Ok::<(), io::Error>(())
//! ```

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

mod simulated;
mod tokio_runtime;

pub use simulated::{SimRuntime, SimSleep, simulate};
pub use tokio_runtime::{Tokio, TokioListener};

/// What all wall clocks show when a run begins, since the Unix epoch.
pub const EPOCH: Duration = Duration::from_millis(1_700_000_000_000);

/// The world that a process lives in. A clone is another handle to the same world.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// Ends once a duration has passed.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Runs `task` in the background until it ends or its process does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends no earlier than `duration` from now.
    fn sleep(&self, duration: Duration) -> Self::Sleep;

    /// What the host's wall clock shows, since the Unix epoch. It may jump.
    fn wall_clock(&self) -> Duration;

    /// How long the world has been running. It never goes back.
    fn monotonic(&self) -> Duration;

    /// A fresh seed for a random generator.
    fn random_seed(&self) -> [u8; 32];

    /// Starts to listen; port 0 lets the world choose one.
    ///
    /// # Errors
    /// If the address is not this host's, or the port is taken.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Connects to `authority`, which is `host:port`.
    ///
    /// # Errors
    /// What the world says: nobody of that name, nobody who listens, a connection that broke.
    fn connect(&self, authority: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Accepts byte streams.
pub trait Listener: Send + 'static {
    /// An accepted connection.
    type Stream;

    /// Waits for the next stream; returns it and where it comes from.
    ///
    /// # Errors
    /// If this one stream is lost, or nothing can be accepted here any more.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// The address that this listens on, with the chosen port.
    ///
    /// # Errors
    /// If the world does not tell.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// What a wall clock shows so long after the beginning that is so many milliseconds ahead.
pub fn wall_clock(elapsed: Duration, skew: i64) -> Duration {
    skewed(EPOCH.saturating_add(elapsed), skew)
}

/// The time that is so many milliseconds ahead of the right one.
pub(crate) fn skewed(right: Duration, skew: i64) -> Duration {
    let ahead = Duration::from_millis(skew.unsigned_abs());
    if skew < 0 { right.saturating_sub(ahead) } else { right.saturating_add(ahead) }
}
