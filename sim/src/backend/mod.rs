//! Plays one scenario from its first step to the last deadline, and has everything judged.

mod belief;
mod core;
mod director;
mod full;
mod raw_session;
mod simulated;
mod stage;
mod words;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use crate::history::{Event, Keep, Recorder};
use crate::invariants::{Invariant, Violation};
use crate::runtime;
use crate::scenario::Scenario;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub seed: u64,
    /// The first violation; then `events` ends with the event that showed it.
    pub violation: Option<Violation>,
    /// As many of the events as were to be kept.
    pub events: Vec<Event>,
    pub event_count: u64,
    /// Calls of `Hub::handle`.
    pub hub_inputs: u64,
    /// How long the run took in virtual time.
    pub simulated: Duration,
}

/// What a scenario is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Backend {
    /// Whole messages on a queue of events: fast.
    Core,
    /// The real server and the real clients on a simulated network.
    #[default]
    Simulated,
    /// The real server and the real clients on tokio and real sockets.
    Real,
}

/// A scenario that needs what the backend cannot do. It was not played and has not passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("skipped: {reason}")]
pub struct Skipped {
    pub reason: String,
}

/// Plays the scenario on the backend, if that can.
///
/// # Errors
/// If it cannot, with the reason.
pub fn play(scenario: &Scenario, backend: Backend, keep: Keep) -> Result<Outcome, Skipped> {
    let unable = match backend {
        Backend::Core => core::cannot(scenario),
        Backend::Simulated => None,
        Backend::Real => Some(Skipped { reason: "there is no real backend yet".to_owned() }),
    };
    if let Some(skipped) = unable {
        return Err(skipped);
    }
    let recorder = Recorder::new(scenario, keep);
    let (shared, recording) = (Arc::new(scenario.clone()), recorder.clone());
    let play = move || match backend {
        Backend::Core => core::play(shared, recording),
        Backend::Simulated => {
            runtime::simulate(shared.seed, move || simulated::play(shared, recording))
        }
        Backend::Real => unreachable!("it was skipped"),
    };
    let simulated = panic::catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(payload.downcast_ref::<&str>().copied())
            .unwrap_or("(no message)");
        recorder.accuse(Violation::new(Invariant::NoPanic, message));
        Duration::ZERO
    });
    let recording = recorder.finish();
    Ok(Outcome {
        seed: scenario.seed,
        violation: recording.violation,
        events: recording.events,
        event_count: recording.count,
        hub_inputs: recording.hub_inputs,
        simulated,
    })
}
