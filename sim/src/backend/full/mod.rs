//! The full stack: the real server, the real clients and raw connections, on whatever wire.

mod client;
mod hub;
mod raw;
mod wire;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signal_hub::hub::Sizes;
use signal_hub::runtime::Runtime;

use self::client::Client;
use self::hub::Hub;
use self::raw::Raw;
pub use self::wire::{Wire, WireProcess};
use super::director;
use super::testbed::{Doing, Platform, Testbed, awaited};
use crate::history::ClientName;
use crate::lower::Wishes;
use crate::net::Fault;
use crate::run::Recorder;
use crate::scenario::{HUB_HOST, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play<W: Wire>(scenario: &Arc<Scenario>, wire: &W, recorder: &Recorder) -> Duration {
    let stack = FullStack {
        scenario: Arc::clone(scenario),
        runner: wire.process(HUB_HOST, "runner"),
        wire: wire.clone(),
        recorder: recorder.clone(),
        left: Arc::default(),
    };
    let testbed = Testbed::new(Arc::clone(scenario), stack, recorder.clone());
    director::direct(scenario, &testbed, recorder).await;
    let took = wire.elapsed();
    testbed.clear();
    took
}

/// The server, the clients and the raw connections of a run.
#[derive(Clone)]
pub struct FullStack<W: Wire> {
    scenario: Arc<Scenario>,
    wire: W,
    recorder: Recorder,
    /// Of the tasks that play steps: a process that nothing happens to.
    runner: W::Process,
    left: Arc<Mutex<Option<Sizes>>>,
}

impl<W: Wire> Platform for FullStack<W> {
    type Process = W::Process;
    type Hub = Hub;
    type Client = Client<W>;
    type Raw = Raw;

    fn elapsed(&self) -> Duration {
        self.wire.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Doing {
        Box::pin(self.wire.sleep(duration))
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Doing {
        spawn(&self.runner, async move { begin().await })
    }

    fn inject(&self, fault: Fault) {
        self.wire.inject(fault);
    }

    fn latency_max(&self) -> Duration {
        self.wire.latency_max()
    }

    fn start_hub(&self) -> (W::Process, Hub) {
        Hub::start(self)
    }

    fn left(&self) -> Option<Sizes> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_client(&self, name: ClientName, wishes: &Wishes) -> (W::Process, Client<W>) {
        Client::start(self, name, wishes)
    }

    fn start_raw(&self, name: ClientName) -> (W::Process, Raw) {
        Raw::start(self, name)
    }
}

fn spawn(on: &impl WireProcess, task: impl Future<Output = ()> + Send + 'static) -> Doing {
    let (task, doing) = awaited(task);
    on.runtime().spawn(task);
    doing
}
