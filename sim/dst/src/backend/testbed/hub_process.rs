//! The hub's process: started, stopped, crashed, started again.

use super::platform::{Hub, Platform, Process, Running};
use crate::backend::Deploy;
use crate::history::What;
use crate::net::{Fault, Peers};
use crate::run::Recorder;
use crate::scenario::HUB_HOST;

/// The hub's process, running or not.
pub struct HubProcess<S: Deploy, P: Platform<S>> {
    platform: P,
    recorder: Recorder<S>,
    restarts: u32,
    running: Option<Running<S, P, P::Hub>>,
}

impl<S: Deploy, P: Platform<S>> HubProcess<S, P> {
    pub fn new(platform: P, recorder: Recorder<S>) -> Self {
        Self { platform, recorder, restarts: 0, running: None }
    }

    /// Starts a hub with empty tables.
    pub fn start(&mut self) {
        self.record(What::HubStarted { restarts: self.restarts });
        self.restarts += 1;
        self.running = Some(self.platform.start_hub());
        self.platform.settle();
    }

    /// Ends when it listens, if it runs.
    pub async fn listens(&self) {
        if let Some((_, hub)) = &self.running {
            hub.listens().await;
        }
    }

    /// Shuts the hub down and waits until it has ended.
    pub async fn stop(&mut self) {
        let Some((process, hub)) = self.running.take() else { return };
        hub.shut_down().await;
        self.end(&process, false);
    }

    /// Ends the hub in the middle of whatever it does.
    pub fn crash(&mut self, peers: Peers) {
        let Some((process, _)) = self.running.take() else { return };
        self.platform.inject(Fault::Crash { host: HUB_HOST.to_owned(), peers });
        self.end(&process, true);
    }

    /// Its process, if it runs.
    pub fn process(&self) -> Option<P::Process> {
        self.running.as_ref().map(|(process, _)| process.clone())
    }

    fn end(&self, process: &P::Process, abruptly: bool) {
        process.kill();
        self.record(What::HubStopped { abruptly });
        self.platform.settle();
    }

    fn record(&self, what: What<S>) {
        self.recorder.record(self.platform.elapsed(), what);
    }
}
