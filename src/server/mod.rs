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
mod intake;
mod limits;
mod metrics;
mod observer;
mod origins;
mod owner;
mod pace;
mod session;
mod tally;
mod tls;
mod waiting_room;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use limits::Limits;
pub use observer::Observer;
pub use origins::{AllowedOrigin, InvalidOrigin, Origin};
pub use session::{Farewell, Heard, Manner, Next, Reads, SessionState, Write};
pub use tls::{Tls, TlsError};

use self::origins::{Origins, Unnamed};
use self::owner::{Event, Owner};
use self::tally::Tally;
use self::tls::PresentTls;
use self::waiting_room::WaitingRoom;
use crate::auth::Access;
use crate::hub::{Config, Hub, Ids, Input, SessionKey};
use crate::runtime::{Listener, Runtime, SteadyClock};

/// How the writing of the audit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditState {
    /// The latest line could not be written.
    pub failing: bool,
    /// Lines that found no room among those that wait.
    pub lines_lost: u64,
    /// Lines that could not be written.
    pub write_errors: u64,
}

/// Tells it at any time.
pub type AuditStates = Arc<dyn Fn() -> AuditState + Send + Sync>;

/// What can be changed while a server runs. It counts for whoever comes after it.
#[derive(Debug)]
pub enum Change {
    /// The certificate and its key, of a server that speaks TLS.
    Tls(Tls),
    /// Whose pages may connect.
    Origins(Vec<AllowedOrigin>),
    /// The key that tokens are verified with. Sessions keep what their tokens granted.
    Access(Access),
}

/// Files that a process holds beside the connections of its port and of its admin listener:
/// listeners, the audit, what the runtime waits with.
const FILES_SPARE: usize = 32;

/// Changes a server while it runs.
#[derive(Debug, Clone)]
pub struct Changes(mpsc::Sender<Ordered>);

/// A change, and who waits until it counts.
type Ordered = (Change, oneshot::Sender<()>);

impl Changes {
    /// Ends once the change counts for whoever comes next, or the server is gone.
    pub async fn make(&self, change: Change) {
        let (done, counts) = oneshot::channel();
        if self.0.send((change, done)).await.is_ok() {
            let _ = counts.await;
        }
    }
}

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
    audit: Option<AuditStates>,
    changes: Option<mpsc::Receiver<Ordered>>,
    files_max: Option<u64>,
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
            audit: None,
            changes: None,
            files_max: None,
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

    /// Tells operators in `/metrics` and `/health` how the writing of the audit goes.
    pub fn with_audit(self, states: AuditStates) -> Self {
        Self { audit: Some(states), ..self }
    }

    /// The same server, and what changes it while it runs.
    pub fn with_changes(self) -> (Self, Changes) {
        let (orders, changes) = mpsc::channel(1);
        (Self { changes: Some(changes), ..self }, Changes(orders))
    }

    /// The process may hold so many files open: the port leaves the admin listener its share.
    pub fn with_files_max(self, files_max: u64) -> Self {
        Self { files_max: Some(files_max), ..self }
    }

    /// How many connections the port may have open. Where there are too few files for
    /// `connections_max`, as many as leave the admin listener and the process their share.
    pub fn connections_max(&self) -> usize {
        let wanted = self.limits.connections(self.config.sessions_max);
        let Some(files_max) = self.files_max else { return wanted };
        let kept = self.limits.admin_connections_max.saturating_add(FILES_SPARE);
        let left = usize::try_from(files_max).unwrap_or(usize::MAX).saturating_sub(kept);
        wanted.min(left.max(1))
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
        let connections_max = self.connections_max();
        let (events, inbox) = mpsc::channel(self.limits.events_max);
        let ids = Ids::new(self.runtime.random_seed());
        let unnamed = match self.access {
            Access::Open => Unnamed::Loopback,
            Access::Tokens(_) => Unnamed::All,
        };
        let hub = Hub::with_access(self.config.clone(), ids, self.access);
        let shell = Arc::new(Shell {
            origins: Origins::new(self.limits.allowed_origins.clone(), unnamed),
            limits: self.limits,
            tls: PresentTls::new(self.tls),
            audit: self.audit,
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
            never = shell.take_changes(self.changes) => match never {},
            never = accept::accept_all(&shell, self.listener, connections_max) => match never {},
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
    origins: Origins,
    tls: PresentTls,
    audit: Option<AuditStates>,
    /// When the server began, by the monotonic clock.
    began: Duration,
    tally: Tally,
    waiting_room: WaitingRoom,
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
            origins: Origins::new(Vec::new(), Unnamed::Loopback),
            tls: PresentTls::new(None),
            audit: None,
            tally: Tally::default(),
            waiting_room: WaitingRoom::default(),
            events,
            sessions_opened: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    fn audit_state(&self) -> Option<AuditState> {
        self.audit.as_ref().map(|state| state())
    }

    fn next_key(&self) -> SessionKey {
        SessionKey(self.sessions_opened.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes what there is to change, for as long as it comes; never ends.
    async fn take_changes(&self, changes: Option<mpsc::Receiver<Ordered>>) -> Infallible {
        let Some(mut changes) = changes else { return pending().await };
        while let Some((change, done)) = changes.recv().await {
            match change {
                Change::Tls(tls) => self.tls.replace(tls),
                Change::Origins(named) => self.origins.replace(named),
                Change::Access(access) => {
                    // A lost owner ends the server.
                    let _ = self.events.send(Event::Access(access)).await;
                }
            }
            // Nobody need wait for it.
            let _ = done.send(());
        }
        pending().await
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
