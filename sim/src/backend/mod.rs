//! Plays one scenario from its first step to the last deadline, and has everything judged.

mod belief;
mod core;
mod deed;
mod differential;
mod director;
mod full;
mod real;
mod simulated;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use dst::verdict::Invariant;

use crate::history::Event;
use crate::invariants::{Time, Violation};
use crate::run::{Keep, Recorder};
use crate::runtime;
use crate::scenario::Scenario;
use crate::situations::{Shape, Sightings};

/// What a scenario is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Backend {
    /// Whole messages on a queue of events: fast.
    #[value(alias = "core")]
    Message,
    /// The full stack on a simulated network, in virtual time: the same every time.
    #[default]
    Simulated,
    /// The full stack on tokio and loopback TCP, in real time.
    Real,
    /// Message and simulated, which must agree.
    #[value(name = "message,simulated", alias = "core,simulated")]
    Both,
}

/// As the command line has it.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Message => "message",
            Backend::Simulated => "simulated",
            Backend::Real => "real",
            Backend::Both => "message,simulated",
        })
    }
}

/// A backend cannot play the scenario: it has neither passed nor failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("skipped: {reason}")]
pub struct Skipped {
    pub reason: String,
}

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
    /// How long the run took by its own clock.
    pub simulated: Duration,
    /// For how long the machine stood still in each earlier try, which therefore says nothing.
    pub standstills: Vec<Duration>,
    /// Of how many steps both backends showed the same, where two played it.
    pub compared_steps: usize,
}

/// How long a run took by its own clock, and for how long the machine stood still in it.
struct Lasted {
    run: Duration,
    standstill: Duration,
}

/// How long the machine may stand still in a run that goes by its time.
const STANDSTILL_MAX: Duration = Duration::from_millis(200);
/// How often a run is tried on a machine that stands still.
const TRIES_MAX: usize = 5;

/// Plays the scenario on the backend, if that can.
///
/// # Errors
/// If it cannot, with the reason.
pub fn play(scenario: &Scenario, backend: Backend, keep: Keep) -> Result<Outcome, Skipped> {
    play_for(scenario, backend, keep, |_| true)
}

/// The same for whoever expects something of the run beyond what is judged. What comes too late while
/// the machine stands still is nobody's fault: where time is real, such a run is played again, but
/// not for ever.
///
/// # Errors
/// If the backend cannot play the scenario, with the reason.
pub fn play_for(
    scenario: &Scenario,
    backend: Backend,
    keep: Keep,
    expected: impl Fn(&Outcome) -> bool,
) -> Result<Outcome, Skipped> {
    let mut standstills = Vec::new();
    loop {
        let (mut outcome, standstill) = play_once(scenario, backend, keep)?;
        let says_something = standstill <= STANDSTILL_MAX || !fails_by_time(&outcome, &expected);
        if says_something || standstills.len() + 1 == TRIES_MAX {
            outcome.standstills = standstills;
            return Ok(outcome);
        }
        standstills.push(standstill);
    }
}

/// Whether a machine that stands still can have brought it about; it cannot make a hub do what is
/// never right.
fn fails_by_time(outcome: &Outcome, expected: impl Fn(&Outcome) -> bool) -> bool {
    match &outcome.violation {
        Some(violation) => violation.invariant.goes_by_time(),
        None => !expected(outcome),
    }
}

fn play_once(
    scenario: &Scenario,
    backend: Backend,
    keep: Keep,
) -> Result<(Outcome, Duration), Skipped> {
    match backend {
        Backend::Message => record(scenario, keep, Time::Virtual, |shared, recorder| {
            let recording = recorder.clone();
            Ok(caught(recorder, move || core::play(shared, recording)))
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
