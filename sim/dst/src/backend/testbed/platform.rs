//! What a testbed stands on: hosts, processes on them, a network with faults, and time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::Deploy;
use crate::disk::Disk;
use crate::history::ClientName;
use crate::net::Fault;
use crate::runtime::EPOCH;

/// Ends when a step is done: a tell is written, an ask has its answer, a fault has struck.
pub type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handle to everything there is in a run; cloning gives another one. What is done to the network and
/// to processes shows with the next `settle`, what clients and connections are told at once.
pub trait Platform<S: Deploy>: Clone + Send + Sync + 'static {
    /// What hub, clients and raw connections run in.
    type Process: Process;
    /// The hub, as long as it runs.
    type Hub: Hub;
    /// A client of an actor.
    type Client: Client<S>;
    /// A raw connection.
    type Raw: Raw<S>;

    /// How late a message can be beyond what its link says.
    const LATE_MAX: Duration;

    /// What a wall clock that is right showed when the run began, since the Unix epoch.
    fn began(&self) -> Duration {
        EPOCH
    }

    /// Time since the run began, as events have it.
    fn elapsed(&self) -> Duration;

    /// Ends so long from now.
    fn sleep(&self, duration: Duration) -> Doing;

    /// Runs a task where nothing happens to it: what `begin` does, at once or when the task's turn
    /// comes, and then what it returns.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Doing;

    /// Does something to the network.
    fn inject(&self, fault: Fault);

    /// Lets everybody see what has been done.
    fn settle(&self) {}

    /// The disk of the hub's machine.
    fn disk(&self) -> &Disk;

    /// Starts a hub that knows nothing but what its disk holds.
    fn start_hub(&self) -> Running<S, Self, Self::Hub>;

    /// What was left in the hub at its latest input.
    fn left(&self) -> Option<S::Left>;

    /// Starts a client of an actor that wants this.
    fn start_client(&self, name: ClientName, wishes: &S::Wishes) -> Running<S, Self, Self::Client>;

    /// Starts the process of a raw connection on a host of its own; nothing is opened yet.
    fn start_raw(&self, name: ClientName) -> Running<S, Self, Self::Raw>;
}

/// What runs in a process, and the process.
pub type Running<S, P, T> = (<P as Platform<S>>::Process, T);

/// What ends at once and can stand still. Cloning gives another handle.
pub trait Process: Clone + Send + Sync + 'static {
    /// Ends it in the middle of whatever it does.
    fn kill(&self);

    /// Lets it do nothing until it is resumed.
    fn pause(&self);

    /// Lets it go on, if it was paused.
    fn resume(&self);
}

/// A hub that runs.
pub trait Hub: Send + Sync + 'static {
    /// Ends when it listens, or never will.
    fn listens(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Returns whether it gave up by itself, which it took down as
    /// [`Stop::Failed`](crate::history::Stop::Failed).
    fn has_failed(&self) -> bool {
        false
    }

    /// Shuts it down; ends when all is said, with whether it has not failed. Its process is killed next.
    fn shut_down(self) -> impl Future<Output = bool> + Send;
}

/// A client that has not been killed.
pub trait Client<S: Deploy>: Send + 'static {
    /// Has it do these, one after the other. Done, too, when nobody is left to do them.
    fn obey(&self, commands: Vec<S::Command>) -> Doing;

    /// Has it take leave of the hub.
    fn leave(&self) -> Doing;

    /// Looks at what it believes.
    fn belief<T>(&self, look: impl FnOnce(&S::Belief) -> T) -> T;
}

/// A raw connection.
pub trait Raw<S: Deploy>: Send + 'static {
    /// Has it carry this out after what it was told before.
    fn order(&self, order: Order<S>);
}

/// What a step wants of a raw connection, and how it hears that it is done.
pub struct Order<S: Deploy> {
    /// The step's place in the scenario, from 1.
    pub number: usize,
    /// The sender that the request names, in place of the actor's first address.
    pub speaker: Option<String>,
    /// What is to be done.
    pub action: S::Action,
    /// To be told when it is done; dropped if it cannot be.
    pub done: oneshot::Sender<()>,
}

/// A step that is done at once.
pub fn done() -> Doing {
    Box::pin(std::future::ready(()))
}

/// A step that is done with this, or when nobody is left to do it.
pub fn ended(when: oneshot::Receiver<()>) -> Doing {
    Box::pin(async move {
        let _ = when.await;
    })
}

/// The task, and a step that is done with it or when it dies.
pub fn awaited(
    task: impl Future<Output = ()> + Send + 'static,
) -> (impl Future<Output = ()> + Send + 'static, Doing) {
    let (end, when_ended) = oneshot::channel();
    let task = async move {
        task.await;
        // Nobody has to wait for it.
        let _ = end.send(());
    };
    (task, ended(when_ended))
}
