//! The hub's process: started, stopped, crashed, started again.

use super::platform::{Hub, Platform, Process, Running};
use crate::backend::Deploy;
use crate::history::{Stop, What};
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

    /// Starts a hub that knows nothing but what its disk holds.
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

    /// Shuts the hub down and waits until it has ended. Its machine goes down after it: an end in order leaves
    /// nothing to lose.
    pub async fn stop(&mut self) {
        let Some((process, hub)) = self.running.take() else { return };
        let is_well = hub.shut_down().await;
        self.platform.disk().lose_power();
        self.end(&process, is_well.then_some(Stop::InOrder));
    }

    /// Ends the hub in the middle of whatever it does, with its machine.
    pub fn crash(&mut self, peers: Peers) {
        let Some((process, hub)) = self.running.take() else { return };
        self.platform.inject(Fault::Crash { host: HUB_HOST.to_owned(), peers });
        self.platform.disk().lose_power();
        self.end(&process, (!hub.has_failed()).then_some(Stop::Crashed));
    }

    /// Its process, if it runs.
    pub fn process(&self) -> Option<P::Process> {
        self.running.as_ref().map(|(process, _)| process.clone())
    }

    /// Starts a hub where none is, or one that gave up by itself.
    pub fn revive(&mut self) {
        if self.running.as_ref().is_some_and(|(_, hub)| hub.has_failed()) {
            self.crash(Peers::SeeReset);
        }
        if self.running.is_none() {
            self.start();
        }
    }

    /// How it ended is taken down, unless it was.
    fn end(&self, process: &P::Process, how: Option<Stop>) {
        process.kill();
        if let Some(how) = how {
            self.record(What::HubStopped { how });
        }
        self.platform.settle();
    }

    fn record(&self, what: What<S>) {
        self.recorder.record(self.platform.elapsed(), what);
    }
}
