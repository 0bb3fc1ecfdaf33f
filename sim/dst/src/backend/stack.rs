//! The full stack: the real server, the real clients and raw connections, on whatever wire.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::deploy::Deploy;
use super::director;
use super::testbed::{Doing, Platform, Testbed, awaited};
use super::wire::{Wire, WireProcess};
use crate::disk::Disk;
use crate::history::{ClientName, What};
use crate::net::{Fault, Sink};
use crate::run::Recorder;
use crate::runtime::Runtime;
use crate::scenario::{HUB_HOST, Scenario};

/// Plays the scenario to its end or to the first violation; tells how long that took.
pub async fn play<S: Deploy, W: Wire>(
    scenario: &Arc<Scenario<S>>,
    wire: &W,
    recorder: &Recorder<S>,
) -> Duration {
    for host in scenario.hosts() {
        wire.net().host(&host);
    }
    let stack = FullStack {
        scenario: Arc::clone(scenario),
        runner: wire.process(HUB_HOST, "runner"),
        wire: wire.clone(),
        recorder: recorder.clone(),
        left: Arc::default(),
        disk: Disk::new(scenario.seed),
    };
    let testbed = Testbed::new(Arc::clone(scenario), stack, recorder.clone());
    director::direct(scenario, &testbed, recorder).await;
    let took = wire.net().elapsed();
    testbed.clear();
    wire.net().stop();
    took
}

/// Takes down what the network does.
pub fn sink<S: Deploy>(recorder: &Recorder<S>) -> Sink {
    let recorder = recorder.clone();
    Box::new(move |event| recorder.record(event.at, What::Net(event.kind)))
}

/// The server, the clients and the raw connections of a run.
pub struct FullStack<S: Deploy, W: Wire> {
    /// What is played.
    pub scenario: Arc<Scenario<S>>,
    /// What carries their bytes.
    pub wire: W,
    /// Where what they do is taken down.
    pub recorder: Recorder<S>,
    /// Of the tasks that play steps: a process that nothing happens to.
    runner: W::Process,
    left: Arc<Mutex<Option<S::Left>>>,
    /// Of the hub's machine.
    pub disk: Disk,
}

impl<S: Deploy, W: Wire> Clone for FullStack<S, W> {
    fn clone(&self) -> Self {
        Self {
            scenario: Arc::clone(&self.scenario),
            wire: self.wire.clone(),
            recorder: self.recorder.clone(),
            runner: self.runner.clone(),
            left: Arc::clone(&self.left),
            disk: self.disk.clone(),
        }
    }
}

impl<S: Deploy, W: Wire> FullStack<S, W> {
    /// Takes down what happened now.
    pub fn record(&self, what: What<S>) {
        self.recorder.record(self.wire.net().elapsed(), what);
    }

    /// Notes what is left in the hub after an input.
    pub fn note_left(&self, left: S::Left) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
    }
}

impl<S: Deploy, W: Wire> Platform<S> for FullStack<S, W> {
    type Process = W::Process;
    type Hub = S::Hub;
    type Client = S::Client<W>;
    type Raw = S::Raw;

    const LATE_MAX: Duration = W::LATE_MAX;

    fn began(&self) -> Duration {
        self.wire.began()
    }

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

    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn start_hub(&self) -> (W::Process, S::Hub) {
        S::start_hub(self)
    }

    fn left(&self) -> Option<S::Left> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_client(&self, name: ClientName, wishes: &S::Wishes) -> (W::Process, S::Client<W>) {
        S::start_client(self, name, wishes)
    }

    fn start_raw(&self, name: ClientName) -> (W::Process, S::Raw) {
        S::start_raw(self, name)
    }
}

/// Runs the task in the process; done with it, or when the process dies.
pub fn spawn(on: &impl WireProcess, task: impl Future<Output = ()> + Send + 'static) -> Doing {
    let (task, doing) = awaited(task);
    on.runtime().spawn(task);
    doing
}
