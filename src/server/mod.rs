//! The shell that serves a hub to WebSocket clients, the same on tokio and in the simulator: it
//! asks its [`Runtime`] for tasks, time and sockets, and nobody else.
//!
//! One task owns the hub ([`Observer`] taps it), one task serves each connection. They meet in two
//! queues: a bounded one towards the owner, which pushes back on readers, and one a session from
//! the owner, which never waits.

mod accept;
mod admin;
mod audit;
mod connection;
mod http;
mod limits;
mod metrics;
mod observer;
mod owner;
mod session;
mod socket;
mod tally;
mod tls;

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use limits::Limits;
pub use observer::Observer;
pub use tls::{Tls, TlsError};

use self::owner::{Event, Owner};
use self::tally::Tally;
use crate::auth::Access;
use crate::hub::{Config, Hub, Ids, Input, SessionKey};
use crate::runtime::{Listener, Runtime, SteadyClock};

/// How many audit lines their writer has lost.
pub type AuditLinesLost = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The hub's owner ended before the server did: a defect of ours, the process is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub's owner ended unexpectedly")]
pub struct OwnerLost;

/// A hub that listens.
pub struct Server<R: Runtime, O> {
    runtime: R,
    listener: R::Listener,
    config: Config,
    access: Access,
    observer: O,
    limits: Limits,
    tls: Option<Tls>,
    admin: Option<R::Listener>,
    audit_lines_lost: Option<AuditLinesLost>,
}

impl<R: Runtime, O: Observer> Server<R, O> {
    /// Listens at `address`; port 0 lets the world choose one. Connections wait until
    /// [`Server::run`].
    pub async fn bind(
        runtime: R,
        address: SocketAddr,
        config: Config,
        observer: O,
    ) -> io::Result<Self> {
        let listener = runtime.listen(address).await?;
        Ok(Self {
            runtime,
            listener,
            config,
            access: Access::Open,
            observer,
            limits: Limits::default(),
            tls: None,
            admin: None,
            audit_lines_lost: None,
        })
    }

    /// The same server, for those whom `access` lets in; without this it is open to everybody.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Gives the shell other bounds than the default ones.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Serves TLS and nothing else on the port.
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Tells operators in `/metrics` what was lost of the audit.
    pub fn with_audit_lines_lost(self, lost: AuditLinesLost) -> Self {
        Self { audit_lines_lost: Some(lost), ..self }
    }

    /// Serves `/metrics`, `/debug` and `/health` to this machine; any address but a loopback one
    /// is an error.
    pub async fn with_admin(self, address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let why = "the admin listener must have a loopback address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let admin = Some(self.runtime.listen(address).await?);
        Ok(Self { admin, ..self })
    }

    /// Where the admin listener listens, if there is one.
    pub fn admin_address(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Listener::local_address).transpose()
    }

    /// Where this listens, the chosen port included.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Serves until `shutdown` ends. Then accepts nobody, tells the hub, gives it
    /// `shutdown_timeout` to close its sessions, closes those that are left, and returns when the
    /// last connection is gone: after `shutdown_timeout` and `close_timeout` at the latest.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), OwnerLost> {
        let (events, inbox) = mpsc::channel(self.limits.events_max);
        let ids = Ids::new(self.runtime.random_seed());
        let hub = Hub::with_access(self.config.clone(), ids, self.access);
        let shell = Arc::new(Shell {
            limits: self.limits,
            tls: self.tls,
            audit_lines_lost: self.audit_lines_lost,
            ..Shell::new(self.runtime.clone(), self.config, events)
        });
        let owner = Owner::new(self.runtime.clone(), shell.clock.clone(), hub, self.observer);
        let (ended, end) = oneshot::channel();
        self.runtime.spawn(async move {
            owner.run(inbox).await;
            // Nobody waits for a server whose `run` was dropped.
            let _ = ended.send(());
        });

        let admin = async {
            match self.admin {
                Some(listener) => admin::accept_all(&shell, listener).await,
                None => pending().await,
            }
        };
        select! {
            biased;
            () = shutdown => {}
            () = shell.events.closed() => {}
            never = accept::accept_all(&shell, self.listener) => match never {},
            never = admin => match never {},
        }
        shell.shut_down().await;
        drop(shell);
        end.await.map_err(|_| OwnerLost)
    }
}

/// What all connections of a server share.
struct Shell<R> {
    runtime: R,
    /// The hub's time.
    clock: SteadyClock<R>,
    config: Config,
    limits: Limits,
    tls: Option<Tls>,
    audit_lines_lost: Option<AuditLinesLost>,
    /// When the server began, by the monotonic clock.
    began: Duration,
    tally: Tally,
    events: mpsc::Sender<Event>,
    sessions_opened: AtomicU64,
    /// Cancelled by a shutdown: nobody new gets as far as a session.
    stopping: CancellationToken,
    connections: TaskTracker,
}

impl<R: Runtime> Shell<R> {
    fn new(runtime: R, config: Config, events: mpsc::Sender<Event>) -> Self {
        Self {
            began: runtime.monotonic(),
            clock: SteadyClock::new(runtime.clone()),
            runtime,
            config,
            limits: Limits::default(),
            tls: None,
            audit_lines_lost: None,
            tally: Tally::default(),
            events,
            sessions_opened: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    fn next_key(&self) -> SessionKey {
        SessionKey(self.sessions_opened.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends once every connection is gone. That the owner may be lost changes nothing: sessions
    /// whose owner is lost close of their own accord.
    async fn shut_down(&self) {
        self.stopping.cancel();
        self.connections.close();
        let _ = self.events.send(Event::Input(Input::Shutdown)).await;
        select! {
            biased;
            () = self.connections.wait() => {}
            () = self.runtime.sleep(self.config.shutdown_timeout) => {}
        }
        let _ = self.events.send(Event::CloseAll).await;
        self.connections.wait().await;
    }
}
