//! Plays one scenario from its first step to the last deadline, and has everything judged.

mod belief;
mod differential;
mod director;
mod full;
mod message;
mod real;
mod simulated;
mod testbed;
#[cfg(test)]
mod tests;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use crate::invariants::{Time, Violation};
use crate::run::{Keep, Recorder};
use crate::runtime;
use crate::scenario::Scenario;

pub use dst::backend::{Backend, Skipped, play, play_for};

use crate::SignalHub;

/// What a run came to.
pub type Outcome = dst::backend::Outcome<SignalHub>;

/// How long a run took by its own clock, and for how long the machine stood still in it.
struct Lasted {
    run: Duration,
    standstill: Duration,
}

/// Plays the scenario once; tells as well for how long the machine stood still in it.
pub(crate) fn play_once(
    scenario: &Scenario,
    backend: Backend,
    keep: Keep,
) -> Result<(Outcome, Duration), Skipped> {
    match backend {
        Backend::Message => record(scenario, keep, Time::Virtual, |shared, recorder| {
            let recording = recorder.clone();
            Ok(caught(recorder, move || message::play(shared, recording)))
        }),
        Backend::Simulated => record(scenario, keep, Time::Virtual, |shared, recorder| {
            let (seed, recording) = (shared.seed, recorder.clone());
            Ok(caught(recorder, move || {
                runtime::simulate(seed, move || simulated::play(shared, recording))
            }))
        }),
        Backend::Real => record(scenario, keep, Time::Real, real::play),
        Backend::Both => Ok((differential::play(scenario, keep)?, Duration::ZERO)),
    }
}

fn record(
    scenario: &Scenario,
    keep: Keep,
    time: Time,
    play: impl FnOnce(Arc<Scenario>, &Recorder) -> Result<Lasted, Skipped>,
) -> Result<(Outcome, Duration), Skipped> {
    let recorder = Recorder::new(scenario, keep, time);
    let lasted = play(Arc::new(scenario.clone()), &recorder)?;
    let recording = recorder.finish();
    let outcome = Outcome {
        seed: scenario.seed,
        violation: recording.violation,
        events: recording.events,
        event_count: recording.count,
        hub_inputs: recording.hub_inputs,
        sightings: recording.sightings,
        shapes: recording.shapes,
        simulated: lasted.run,
        standstills: Vec::new(),
        compared_steps: 0,
    };
    Ok((outcome, lasted.standstill))
}

/// A panic of the hub or a client is a violation like any other.
fn caught(recorder: &Recorder, play: impl FnOnce() -> Duration) -> Lasted {
    let run = panic::catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|payload| {
        recorder.accuse(Violation::of_panic(&*payload));
        Duration::ZERO
    });
    Lasted { run, standstill: Duration::ZERO }
}
