//! Plays one scenario from its first step to the last deadline, and has everything judged.

mod actors;
mod director;
mod hub_process;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::Runtime as Madsim;

use crate::history::{Event, Keep, Recorder};
use crate::invariants::{Invariant, Violation};
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

/// Plays the scenario with the real server and the real clients on a simulated network. The run
/// gets a thread of its own: what a thread has once drawn at random would show in a second run.
pub fn play(scenario: &Scenario, keep: Keep) -> Outcome {
    let recorder = Recorder::new(keep);
    let simulated = std::thread::scope(|scope| {
        let run = std::thread::Builder::new().name(format!("seed {}", scenario.seed));
        let play = || play_here(scenario, &recorder);
        let thread = run.spawn_scoped(scope, play).expect("a run needs one more thread");
        thread.join().expect("a run catches its panics")
    });
    let recording = recorder.finish();
    Outcome {
        seed: scenario.seed,
        violation: recording.violation,
        events: recording.events,
        event_count: recording.count,
        hub_inputs: recording.hub_inputs,
        simulated,
    }
}

fn play_here(scenario: &Scenario, recorder: &Recorder) -> Duration {
    let scenario = Arc::new(scenario.clone());
    let madsim = Madsim::with_seed_and_config(scenario.seed, madsim::Config::default());
    let played = panic::catch_unwind(AssertUnwindSafe(|| {
        madsim.block_on(director::direct(Arc::clone(&scenario), recorder.clone()))
    }));
    played.unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(payload.downcast_ref::<&str>().copied())
            .unwrap_or("(no message)");
        recorder.accuse(Violation::new(Invariant::NoPanic, message));
        Duration::ZERO
    })
}
