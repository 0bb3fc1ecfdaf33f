//! The hub's process: the real server on the hub's host, started, stopped, crashed, started again.

use std::sync::{Arc, Mutex, PoisonError};

use signal_hub::hub::{Hub, Input, Output, Sizes};
use signal_hub::runtime::Runtime;
use signal_hub::server::{Observer, Server};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::wire::{Process, Wire};
use crate::history::{HubEvent, What};
use crate::net::Peers;
use crate::run::{self, Recorder};
use crate::scenario::{HUB_HOST, Scenario};

/// The hub's process, running or not.
pub struct HubProcess<W: Wire> {
    wire: W,
    recorder: Recorder,
    scenario: Arc<Scenario>,
    restarts: u32,
    running: Option<Running<W>>,
    left: Arc<Mutex<Option<Sizes>>>,
}

struct Running<W: Wire> {
    process: W::Process,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl<W: Wire> HubProcess<W> {
    pub fn new(wire: W, recorder: Recorder, scenario: Arc<Scenario>) -> Self {
        let left = Arc::default();
        Self { wire, recorder, scenario, restarts: 0, running: None, left }
    }

    /// Starts a hub with empty tables.
    pub fn start(&mut self) {
        let started = What::HubStarted { restarts: self.restarts };
        self.recorder.record(self.wire.elapsed(), started);
        self.restarts += 1;
        let process = self.wire.process(HUB_HOST, HUB_HOST);
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let (wire, runtime) = (self.wire.clone(), process.runtime());
        let config = self.scenario.hub.clone();
        let tap = Tap {
            wire: self.wire.clone(),
            recorder: self.recorder.clone(),
            left: Arc::clone(&self.left),
            input: None,
            inputs: 0,
        };
        process.runtime().spawn(async move {
            let bound = Server::bind(runtime, wire.hub_binds(), config, tap).await;
            let server = bound.expect("the hub's host lets it listen");
            wire.hub_listens(server.local_address().expect("a listening server has an address"));
            let stopped = async move {
                // Only dropped when the process is.
                let _ = stopped.await;
            };
            server.run(stopped).await.expect("a hub that is stopped ends well");
            let _ = end.send(());
        });
        self.running = Some(Running { process, stop, ended });
    }

    /// Shuts the hub down and waits until it has ended.
    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // The receiver is gone only with the process.
        let _ = running.stop.send(());
        let _ = running.ended.await;
        running.process.kill();
        self.recorder.record(self.wire.elapsed(), What::HubStopped { abruptly: false });
    }

    /// Ends the hub in the middle of whatever it does.
    pub fn crash(&mut self, peers: Peers) {
        let Some(running) = self.running.take() else { return };
        self.wire.crash(HUB_HOST, peers);
        running.process.kill();
        self.recorder.record(self.wire.elapsed(), What::HubStopped { abruptly: true });
    }

    /// Its process, if it runs.
    pub fn process(&self) -> Option<W::Process> {
        self.running.as_ref().map(|running| running.process.clone())
    }

    /// What is left in the hub.
    pub fn left(&self) -> Option<Sizes> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records every input of the hub with what came of it.
struct Tap<W> {
    wire: W,
    recorder: Recorder,
    left: Arc<Mutex<Option<Sizes>>>,
    input: Option<Input>,
    inputs: u64,
}

impl<W: Wire> Observer for Tap<W> {
    fn before(&mut self, _now: Timestamp, input: &Input, _hub: &Hub) {
        self.input = Some(input.clone());
    }

    fn after(&mut self, now: Timestamp, outputs: &[Output], hub: &Hub) {
        let input = self.input.take().expect("there is an input before its outputs");
        let (outputs, touched, work) = (outputs.to_vec(), hub.touched(), hub.work());
        let event = HubEvent { now, input, outputs, touched, work };
        self.recorder.record(self.wire.elapsed(), What::Hub(Box::new(event)));
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(hub.sizes());
        self.inputs += 1;
        run::audit(&self.recorder, hub, self.inputs);
    }
}
