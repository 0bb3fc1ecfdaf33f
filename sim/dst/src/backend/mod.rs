//! What a scenario can be played on, and what a run of it comes to.
//!
//! [`Echo`](crate::service#all-of-one), in virtual time and on real sockets:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::{self, Backend};
//! use dst::history::untimed;
//! use dst::run::Keep;
//! use dst::scenario;
//!
//! let scenario = scenario::read::<Echo>(
//!     r#"{ "version": 1, "actors": ["alice"], "steps": [
//!       { "at": "100ms", "who": "alice", "do": "say", "text": "hi" },
//!       { "who": "alice", "do": "sees", "type": "hi" }
//!     ] }"#,
//! )?;
//! let simulated = backend::play(&scenario, Backend::Simulated, Keep::All)?;
//! assert_eq!(simulated.violation, None);
//! // Real sockets show the same, at times of their own.
//! let real = backend::play(&scenario, Backend::Real, Keep::All)?;
//! assert_eq!(untimed(&real.events), untimed(&simulated.events));
//! // Another backend needs more than a service says.
//! let skipped = backend::play(&scenario, Backend::Message, Keep::All).unwrap_err();
//! assert_eq!(skipped.to_string(), "skipped: echo has no model by messages");
//! # Ok(())
//! # }
//! ```

mod deploy;
pub mod differential;
mod director;
mod once;
mod real;
mod simulated;
mod stack;
pub mod testbed;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::System;
use crate::coverage::Sightings;
use crate::history::{Event, What};
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::verdict::{Invariant, Violation};

pub use deploy::{Belief, Deploy, Wishes};
pub use director::direct;
pub use once::play_once;
pub use stack::{FullStack, spawn};
pub use wire::{Program, Wire, WireProcess};

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
    /// Why it cannot, in words for people.
    pub reason: String,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome<S: System> {
    /// The scenario's.
    pub seed: u64,
    /// The first violation; then `events` ends with the event that showed it.
    pub violation: Option<Violation<S>>,
    /// As many of the events as were to be kept.
    pub events: Vec<Event<S>>,
    /// How many events there were, kept or not.
    pub event_count: u64,
    /// Calls of `Hub::handle`.
    pub hub_inputs: u64,
    /// How often each situation came up.
    pub sightings: Sightings<S::Situation>,
    /// The shapes that the hub had.
    pub shapes: BTreeSet<S::Shape>,
    /// How long the run took by its own clock.
    pub simulated: Duration,
    /// For how long the machine stood still in each earlier try, which therefore says nothing.
    pub standstills: Vec<Duration>,
    /// Of how many steps both backends showed the same, where two played it.
    pub compared_steps: usize,
}

impl<S: System> Outcome<S> {
    /// The place among `events` of the one that broke an invariant, or from which on something was waited
    /// for in vain.
    pub fn broken_at(&self) -> Option<usize> {
        let last = self.events.len().checked_sub(1)?;
        let Some(since) = self.violation.as_ref()?.waited_since else { return Some(last) };
        let begin = self.events.partition_point(|event| event.at < since);
        let at_once = self.events[begin..].iter().take_while(|event| event.at == since);
        let is_step = |event: &Event<S>| matches!(event.what, What::Step { .. } | What::Run(_));
        let step = at_once.enumerate().filter(|(_, event)| is_step(event)).last();
        Some(step.map_or(begin, |(place, _)| begin + place).min(last))
    }
}

/// How long the machine may stand still in a run that goes by its time.
const STANDSTILL_MAX: Duration = Duration::from_millis(200);
/// How often a run is tried on a machine that stands still.
const TRIES_MAX: usize = 5;

/// Plays the scenario on the backend, if that can.
///
/// # Errors
/// If it cannot, with the reason.
pub fn play<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    keep: Keep,
) -> Result<Outcome<S>, Skipped> {
    play_for(scenario, backend, keep, |_| true)
}

/// The same for whoever expects something of the run beyond what is judged. What comes too late while
/// the machine stands still is nobody's fault: where time is real, such a run is played again, but
/// not for ever.
///
/// # Errors
/// If the backend cannot play the scenario, with the reason.
pub fn play_for<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    keep: Keep,
    expected: impl Fn(&Outcome<S>) -> bool,
) -> Result<Outcome<S>, Skipped> {
    let mut standstills = Vec::new();
    loop {
        let (mut outcome, standstill) = S::play(scenario, backend, keep)?;
        let says_something = standstill <= STANDSTILL_MAX || !fails_by_time(&outcome, &expected);
        if says_something || standstills.len() + 1 == TRIES_MAX {
            outcome.standstills = standstills;
            return Ok(outcome);
        }
        standstills.push(standstill);
    }
}

/// Returns whether a machine that stands still can have brought it about; it cannot make a hub do what
/// is never right.
pub fn fails_by_time<S: System>(
    outcome: &Outcome<S>,
    expected: impl Fn(&Outcome<S>) -> bool,
) -> bool {
    match &outcome.violation {
        Some(violation) => violation.invariant.goes_by_time(),
        None => !expected(outcome),
    }
}
