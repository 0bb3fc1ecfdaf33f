//! Plays one scenario from its first step to the last deadline, and has everything judged.

mod director;
mod full;
mod raw_session;
mod simulated;
mod stage;
mod words;

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::history::{Event, Keep, Recorder};
use crate::invariants::{Invariant, Violation};
use crate::runtime;
use crate::scenario::Scenario;
use crate::situations::{Shape, Sightings};

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
    /// How often each situation came up.
    pub sightings: Sightings,
    /// The shapes that the hub had.
    pub shapes: BTreeSet<Shape>,
    /// How long the run took in virtual time.
    pub simulated: Duration,
}

/// Plays the scenario with the real server and the real clients on a simulated network.
pub fn play(scenario: &Scenario, keep: Keep) -> Outcome {
    let recorder = Recorder::new(scenario, keep);
    let (shared, recording) = (Arc::new(scenario.clone()), recorder.clone());
    let play = move || runtime::simulate(shared.seed, move || simulated::play(shared, recording));
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
    Outcome {
        seed: scenario.seed,
        violation: recording.violation,
        events: recording.events,
        event_count: recording.count,
        hub_inputs: recording.hub_inputs,
        sightings: recording.sightings,
        shapes: recording.shapes,
        simulated,
    }
}
