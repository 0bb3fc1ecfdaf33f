//! The simulated network. A `World` is told the time and carries any `Payload` between hosts; every
//! [`Fault`] strikes what travels. A [`Net`] is a world of bytes with a clock and tasks: its [`Host`]s
//! listen and connect, and what they get are [`SimStream`]s.
//!
//! ```
//! use std::time::Duration;
//!
//! use dst::net::{Fault, LinkConfig, Net};
//! use dst::runtime::{Listener, Runtime, SimRuntime, simulate};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let seed = 1;
//! let came_after = simulate(seed, async move || {
//!     let net = Net::new(seed, LinkConfig::default(), Box::new(|_event| {}));
//!     let [hub, alice] = ["hub", "alice"].map(|host| SimRuntime::new(net.host(host)));
//!     let mut listener = hub.listen(([0, 0, 0, 0], 9000).into()).await.unwrap();
//!     let mut to_hub = alice.connect("hub:9000").await.unwrap();
//!     let (mut from_alice, _) = listener.accept().await.unwrap();
//!     let lasts = Duration::from_secs(2);
//!     net.inject(Fault::Stall { from: "alice".to_owned(), to: "hub".to_owned(), lasts }).unwrap();
//!     to_hub.write_all(b"hello").await.unwrap();
//!     from_alice.read_exact(&mut [0; 5]).await.unwrap();
//!     let came_after = hub.monotonic();
//!     net.stop();
//!     came_after
//! });
//! assert!(came_after > Duration::from_secs(2), "it waits for as long as the link does");
//! ```
//!
//! Nothing here draws from the executor's randomness or reads another clock than it is given, so the events of
//! a run depend on nothing but its seed, the time and what the hosts do.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

mod agenda;
mod arrival;
mod by_id;
mod clock;
mod connection;
mod event;
mod fault;
mod host;
mod ids;
mod inject;
mod link;
mod link_config;
mod listener;
mod payload;
mod random;
mod shell;
mod stream;
mod traffic;
mod wakers;
mod world;

pub mod suite;
#[cfg(test)]
mod tests;

pub use by_id::ById;
pub use clock::{Alarm, Clock};
pub use connection::{ConnectionInfo, ConnectionState};
pub use event::{NetEvent, NetEventKind, Sink};
pub use fault::{Choice, CutDetection, Fault, FaultError, FaultRecord, Peers, SeenAs, Ways};
pub use host::Host;
pub use ids::{ConnectionId, End, FaultId};
pub use ids::{HostId, ListenerId, Place};
pub use link_config::{ConnectMode, LinkConfig, Seen};
pub use listener::SimListener;
pub use payload::Payload;
pub use stream::SimStream;
pub use traffic::{Dial, Read};
pub use world::{Awake, Effects, Plan, Waits, World};

pub(crate) use random::Dice;

use crate::executor::{Current, Executor};
use clock::VirtualClock;
use shell::Shell;

/// The network of one run. Cloning gives another handle to the same network.
#[derive(Clone)]
pub struct Net {
    shared: Arc<Shared>,
}

struct Shared {
    shell: Mutex<Shell>,
    sink: Mutex<Sink>,
}

impl Net {
    /// A network whose links all carry bytes as `default_link` says. It has to be created in a
    /// simulation, by a task that outlives the network: the run's main task.
    pub fn new(seed: u64, default_link: LinkConfig, sink: Sink) -> Self {
        let clock = Box::new(VirtualClock::current());
        let (net, driver) = Self::driven(seed, default_link, sink, clock);
        Current::current().spawn(Box::pin(driver));
        net
    }

    /// A network that goes by `clock`, and what has to run for as long as it is used.
    pub fn driven(
        seed: u64,
        default_link: LinkConfig,
        sink: Sink,
        clock: Box<dyn Clock>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let shell = Mutex::new(Shell::new(World::new(seed, default_link), clock));
        let shared = Arc::new(Shared { shell, sink: Mutex::new(sink) });
        let driven = Arc::downgrade(&shared);
        (Self { shared }, poll_fn(move |context| drive(&driven, context)))
    }

    /// The host of this name, a new one if there is none yet. Addresses are 10.0.0.1 and so on, in the
    /// order of naming.
    pub fn host(&self, name: &str) -> Host {
        self.with(|shell, _| {
            let id = shell.world.host(name);
            Host::new(self.clone(), id, shell.world.hosts[id.index()].name.clone())
        })
    }

    /// Does something to the network; the number tells its record in [`Net::faults`] and its events.
    ///
    /// # Errors
    /// If the fault names a host that does not exist; nothing happens then.
    pub fn inject(&self, fault: Fault) -> Result<FaultId, FaultError> {
        self.with(|shell, now| shell.world.inject(now, fault))
    }

    /// Injects [`Fault::Heal`].
    pub fn heal(&self) {
        self.with(|shell, now| shell.world.inject(now, Fault::Heal))
            .expect("a fault that names no host names no unknown host");
    }

    /// Injects [`Fault::Crash`]; to be called right before the host's tasks are killed, so that their
    /// destructors tell the peers nothing.
    ///
    /// # Errors
    /// If the host does not exist.
    pub fn crash(&self, host: &str, peers: Peers) -> Result<FaultId, FaultError> {
        self.inject(Fault::Crash { host: host.to_owned(), peers })
    }

    /// All faults so far and whether they made a difference; the first is number 1.
    pub fn faults(&self) -> Vec<FaultRecord> {
        self.with(|shell, _| shell.world.faults.clone())
    }

    /// Returns whether this fault has made a difference so far.
    pub fn took_effect(&self, fault: FaultId) -> bool {
        self.with(|shell, _| {
            shell.world.record(fault).is_some_and(|record| record.took_effect.is_some())
        })
    }

    /// The connections that have at least one end left, in the order of connecting.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.with(|shell, _| {
            let world = &shell.world;
            let name = |id: ids::HostId| world.hosts[id.index()].name.clone();
            let infos = world.connections.iter().map(|(id, connection)| ConnectionInfo {
                id,
                client: name(connection.ends[End::Client].place.host),
                server: name(connection.ends[End::Server].place.host),
                state: connection.state(),
            });
            infos.collect()
        })
    }

    /// Virtual time since the run began, as events have it.
    pub fn elapsed(&self) -> Duration {
        self.with(|_, now| now)
    }

    /// Ends the network: nothing moves and nothing is told any more, whoever waits waits for ever, and
    /// no waker is kept. A run calls it last, beside killing its nodes: an executor may never free a task that
    /// has neither ended nor been killed.
    pub fn stop(&self) {
        let (driver, wakers) = self.lock().stop();
        if let Some(driver) = driver {
            driver.wake();
        }
        drop(wakers);
    }

    /// Changes the network, carries out what comes of it, then tells the sink what happened.
    fn with<T>(&self, change: impl FnOnce(&mut Shell, Duration) -> T) -> T {
        self.shared.with(change)
    }

    fn lock(&self) -> MutexGuard<'_, Shell> {
        self.shared.lock()
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Shell, Duration) -> T) -> T {
        let mut shell = self.lock();
        let now = shell.alarms.now();
        let result = change(&mut shell, now);
        shell.settle(now);
        if !shell.outbox.is_empty() && !shell.emitting {
            self.empty_outbox(shell);
        }
        result
    }

    /// Hands all events to the sink. What the sink itself causes comes after what is handed out.
    fn empty_outbox<'a>(&'a self, mut shell: MutexGuard<'a, Shell>) {
        shell.emitting = true;
        let mut batch = std::mem::take(&mut shell.outbox);
        while !batch.is_empty() {
            drop(shell);
            let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
            batch.drain(..).for_each(&mut **sink);
            drop(sink);
            shell = self.lock();
            std::mem::swap(&mut batch, &mut shell.outbox);
        }
        shell.outbox = batch;
        shell.emitting = false;
    }

    fn lock(&self) -> MutexGuard<'_, Shell> {
        // A sink may panic to end the run; streams are dropped all the same.
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver: a task that is woken when something is due. It does not keep the network alive.
fn drive(shared: &Weak<Shared>, context: &Context<'_>) -> Poll<()> {
    let Some(shared) = shared.upgrade() else { return Poll::Ready(()) };
    shared.with(|shell, now| {
        if shell.stopped {
            return Poll::Ready(());
        }
        shell.alarms.know_driver(context.waker());
        shell.drive(now);
        Poll::Pending
    })
}
