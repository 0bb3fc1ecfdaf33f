//! The shell that serves a hub to WebSocket clients. It is the same on tokio and in the simulator:
//! it takes tasks, time and sockets only from its [`Runtime`].
//!
//! One task owns the hub ([`Observer`] taps it), and one task serves each connection. A bounded queue
//! leads to the owner and pushes back on readers. The owner writes to the sessions' streams by
//! itself, never waits, and leaves what does not go at once to the session's task.
//!
//! ```
//! use signal_hub::hub::Config;
//! use signal_hub::runtime::Tokio;
//! use signal_hub::server::{Limits, Server};
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Port 0: the system chooses one. `with_access` demands tokens, `with_tls` speaks TLS.
//! let server = Server::bind(Tokio, "127.0.0.1:0".parse()?, Config::default(), ()).await?;
//! let server = server.with_limits(Limits { connections_max: 1_000, ..Limits::default() });
//! let address = server.local_address()?;
//! println!("listening on ws://{address}/ws");
//! // It serves until this ends: a signal, or a channel as here.
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let served = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
//!
//! let mut browser = tokio::net::TcpStream::connect(address).await?;
//! browser.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! browser.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
//!
//! drop(stop);
//! served.await??;
//! # Ok(())
//! # }
//! ```

mod accept;
mod admin;
mod audit;
mod connection;
mod handshake;
mod http;
mod intake;
mod keeper;
mod limits;
mod link;
mod metrics;
mod observer;
mod origins;
mod owner;
mod rate_limit;
mod session;
mod shell;
mod stream;
mod tally;
mod tls;
mod waiting_room;

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

pub use keeper::{Keeper, StoreFigures, StoreSync};
pub use limits::Limits;
pub use link::EngineLink;
pub use observer::Observer;
pub use origins::{AllowedOrigin, InvalidOrigin, Origin};
pub use owner::{LOOK_EVERY, OwnerState};
pub use session::{Farewell, Heard, Manner, Next, Reads, SessionState, Write};
pub use tls::{Tls, TlsError};

use self::link::Link;
use self::origins::{Origins, Unnamed};
use self::owner::{NodeEnds, Owner};
use self::shell::Shell;
use self::tls::PresentTls;
use crate::auth::Access;
use crate::cluster::ClusterConfig;
use crate::hub::{Config, Entry, Hub, Ids};
use crate::runtime::{Listener, Runtime};
use crate::store::{Opened, StoreError};

/// The state of the audit's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditState {
    /// Whether the latest line could not be written.
    pub failing: bool,
    /// Lines dropped because too many waited.
    pub lines_lost: u64,
    /// Lines that could not be written.
    pub write_errors: u64,
}

/// Gives the present state of the audit's writer.
pub type AuditStates = Arc<dyn Fn() -> AuditState + Send + Sync>;

/// A change to a running server. It applies to later connections.
#[derive(Debug)]
pub enum Change {
    /// The certificate and its key; the server must speak TLS already.
    Tls(Tls),
    /// The origins whose pages may connect.
    Origins(Vec<AllowedOrigin>),
    /// The key that verifies tokens. Open sessions keep what their tokens granted.
    Access(Access),
}

/// Files that a process holds beside the connections of its port and its admin listener: listeners,
/// the audit, the runtime's own.
const FILES_SPARE: usize = 32;

/// Changes a server while it runs.
#[derive(Debug, Clone)]
pub struct Changes(mpsc::Sender<Ordered>);

/// A change, and the sender for when it applies.
type Ordered = (Change, oneshot::Sender<()>);

impl Changes {
    /// Returns once the change applies to the next connection, or the server is gone.
    pub async fn make(&self, change: Change) {
        let (done, counts) = oneshot::channel();
        if self.0.send((change, done)).await.is_ok() {
            let _ = counts.await;
        }
    }
}

/// A server ended before it was told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerLost {
    /// The hub's owner did: our own defect, after which the process is useless.
    #[error("the hub's owner ended unexpectedly")]
    Owner,
    /// The store failed. A new start finds all that was synced.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine's side of the link did: our own defect. An engine that cannot be reached is none.
    #[error("the link to the engine ended unexpectedly")]
    Engine,
    /// Another process runs under this node's name, and has its addresses.
    #[error("another hub began under this node's name: give each hub a name of its own")]
    Superseded,
}

/// A hub and the port that it listens on.
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
    backing: Backing,
}

/// What holds addresses beyond the hub's memory.
enum Backing {
    None,
    Store(Box<Keeper>, Vec<Entry>),
    Cluster(ClusterConfig, EngineLink),
}

impl<R: Runtime, O: Observer> Server<R, O> {
    /// Listens on `address`; port 0 lets the world choose one. Connections wait until
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
            backing: Backing::None,
        })
    }

    /// The same server, with `access` to decide who may connect; the default is everybody.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same server with other bounds of the shell.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same server, which then speaks only TLS on its port.
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same server, which then shows the audit writer's state in `/metrics` and `/health`.
    pub fn with_audit(self, states: AuditStates) -> Self {
        Self { audit: Some(states), ..self }
    }

    /// The same server, and a handle that changes it while it runs.
    pub fn with_changes(self) -> (Self, Changes) {
        let (orders, changes) = mpsc::channel(1);
        (Self { changes: Some(changes), ..self }, Changes(orders))
    }

    /// The same server with a store, which it found so: it begins with what it holds, and tells
    /// nobody what is not in it. It excludes a cluster: the later one counts.
    pub fn with_store(self, opened: Opened, sync: StoreSync) -> Self {
        let (keeper, entries) = Keeper::new(opened, sync);
        Self { backing: Backing::Store(Box::new(keeper), entries), ..self }
    }

    /// The same server as a node of a cluster, whose engine is at the other ends of `link` (docs/CLUSTER.md). It excludes
    /// a store: the later one counts.
    pub fn with_cluster(self, config: ClusterConfig, link: EngineLink) -> Self {
        Self { backing: Backing::Cluster(config, link), ..self }
    }

    /// The same server in a process that may open `files_max` files: the port leaves the admin
    /// listener its share.
    pub fn with_files_max(self, files_max: u64) -> Self {
        Self { files_max: Some(files_max), ..self }
    }

    /// The connections that the port may have open: `connections_max`, or fewer so that the admin
    /// listener and the process keep their share of the files.
    pub fn connections_max(&self) -> usize {
        let wanted = self.limits.connections(self.config.sessions_max);
        let Some(files_max) = self.files_max else { return wanted };
        let kept = self.limits.admin_connections_max.saturating_add(FILES_SPARE);
        let left = usize::try_from(files_max).unwrap_or(usize::MAX).saturating_sub(kept);
        wanted.min(left.max(1))
    }

    /// The same server with `/metrics`, `/debug` and `/health` on `address`, which must be a
    /// loopback one.
    pub async fn with_admin(self, address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let why = "the admin listener must have a loopback address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let admin = Some(self.runtime.listen(address).await?);
        Ok(Self { admin, ..self })
    }

    /// The address of the admin listener, if there is one.
    pub fn admin_address(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Listener::local_address).transpose()
    }

    /// The address that the server listens on, with the chosen port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Serves until `shutdown` ends. Then it accepts nobody, gives the hub `shutdown_timeout` to
    /// close its sessions and to hand on to other nodes what it keeps, closes the rest, and returns when the last connection is gone: after
    /// `shutdown_timeout` + `close_timeout` at the latest.
    ///
    /// # Errors
    /// If the owner is lost, the store fails, or another process has this node's name; then it ends its sessions by
    /// itself.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerLost> {
        let connections_max = self.connections_max();
        let (events, inbox) = mpsc::channel(self.limits.events_max);
        let ids = Ids::new(self.runtime.random_seed());
        let unnamed = match self.access {
            Access::Open => Unnamed::Loopback,
            Access::Tokens(_) => Unnamed::All,
        };
        let mut hub = Hub::with_access(self.config.clone(), ids, self.access);
        let shell = Arc::new(Shell {
            origins: Origins::new(self.limits.allowed_origins.clone(), unnamed),
            limits: Arc::new(self.limits),
            tls: PresentTls::new(self.tls),
            audit: self.audit,
            ..Shell::new(self.runtime.clone(), self.config, events)
        });
        if let Backing::Cluster(config, _) = &self.backing {
            hub.join(config.clone());
        }
        let owner = Owner::new(self.runtime.clone(), shell.clock.clone(), hub, self.observer);
        let ends = NodeEnds::default();
        if !matches!(self.backing, Backing::Cluster(..)) {
            ends.left.cancel();
        }
        let owner = match self.backing {
            Backing::None => owner,
            Backing::Store(keeper, entries) => owner.with_store(*keeper, entries),
            Backing::Cluster(_, link) => owner.with_cluster(Link::new(link), ends.clone()),
        };
        let (ended, end) = oneshot::channel();
        self.runtime.spawn(async move {
            // If `run` was dropped, nobody waits.
            let _ = ended.send(owner.run(inbox).await);
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
            () = ends.superseded.cancelled() => {}
            never = shell.take_changes(self.changes) => match never {},
            never = accept::accept_all(&shell, self.listener, connections_max) => match never {},
            never = admin => match never {},
        }
        shell.shut_down(&ends.left).await;
        drop(shell);
        end.await.map_err(|_| ServerLost::Owner)?
    }
}
