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
use crate::history::{ClientName, What};
use crate::lower::Wishes;
use crate::net::{Fault, Sink};
use crate::run::Recorder;
use crate::scenario::{HUB_HOST, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play<W: Wire>(scenario: &Arc<Scenario>, wire: &W, recorder: &Recorder) -> Duration {
    for host in scenario.hosts() {
        wire.net().host(&host);
    }
    let stack = FullStack {
        scenario: Arc::clone(scenario),
        runner: wire.process(HUB_HOST, "runner"),
        wire: wire.clone(),
        recorder: recorder.clone(),
        left: Arc::default(),
    };
    let testbed = Testbed::new(Arc::clone(scenario), stack, recorder.clone());
    director::direct(scenario, &testbed, recorder).await;
    let took = wire.net().elapsed();
    testbed.clear();
    wire.net().stop();
    took
}

/// Takes down what the network does.
pub fn sink(recorder: &Recorder) -> Sink {
    let recorder = recorder.clone();
    Box::new(move |event| recorder.record(event.at, What::Net(event.kind)))
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

    const LATE_MAX: Duration = W::LATE_MAX;

    fn elapsed(&self) -> Duration {
        self.wire.net().elapsed()
    }

    fn sleep(&self, duration: Duration) -> Doing {
        Box::pin(self.runner.runtime().sleep(duration))
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Doing {
        spawn(&self.runner, async move { begin().await })
    }

    fn inject(&self, fault: Fault) {
        self.wire.net().inject(fault).expect("a fault names hosts of its scenario");
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
