//! One run on one backend, with a recorder that judges it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::deploy::Deploy;
use super::{Backend, Outcome, Skipped, differential, real, simulated};
use crate::run::{Keep, Recorder};
use crate::runtime;
use crate::scenario::Scenario;
use crate::verdict::{Time, Violation};

/// How long a run took by its own clock, and for how long the machine stood still in it.
pub struct Lasted {
    pub run: Duration,
    pub standstill: Duration,
}

/// Plays the scenario once; tells as well for how long the machine stood still in it.
///
/// # Errors
/// If the backend cannot play it, with the reason.
pub fn play_once<S: Deploy>(
    scenario: &Scenario<S>,
    backend: Backend,
    keep: Keep,
) -> Result<(Outcome<S>, Duration), Skipped> {
    match backend {
        Backend::Message => record(scenario, keep, Time::Virtual, |shared, recorder| {
            let recording = recorder.clone();
            caught(recorder, move || S::play_by_messages(shared, recording))
        }),
        Backend::Simulated => record(scenario, keep, Time::Virtual, |shared, recorder| {
            let (seed, recording) = (shared.seed, recorder.clone());
            caught(recorder, move || {
                Ok(runtime::simulate(seed, move || simulated::play(shared, recording)))
            })
        }),
        Backend::Real => record(scenario, keep, Time::Real, real::play),
        Backend::Both => Ok((differential::play(scenario, keep)?, Duration::ZERO)),
    }
}

fn record<S: Deploy>(
    scenario: &Scenario<S>,
    keep: Keep,
    time: Time,
    play: impl FnOnce(Arc<Scenario<S>>, &Recorder<S>) -> Result<Lasted, Skipped>,
) -> Result<(Outcome<S>, Duration), Skipped> {
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
        simulated: recording.ended.unwrap_or(lasted.run),
        standstills: Vec::new(),
        compared_steps: 0,
    };
    Ok((outcome, lasted.standstill))
}

/// A panic of the hub or a client is a violation like any other.
fn caught<S: Deploy>(
    recorder: &Recorder<S>,
    play: impl FnOnce() -> Result<Duration, Skipped>,
) -> Result<Lasted, Skipped> {
    let played = panic::catch_unwind(AssertUnwindSafe(play));
    // What waits for the judge happened before whatever ended the run.
    let judged = panic::catch_unwind(AssertUnwindSafe(|| recorder.is_violated()));
    let run = match (judged, played) {
        (Err(payload), _) | (Ok(_), Err(payload)) => {
            recorder.accuse(Violation::of_panic(&*payload));
            Duration::ZERO
        }
        (Ok(_), Ok(played)) => played?,
    };
    Ok(Lasted { run, standstill: Duration::ZERO })
}
