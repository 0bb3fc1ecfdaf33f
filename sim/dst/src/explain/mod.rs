//! Why a scenario fails: when that became likely, and what differs from the nearest scenario that passes.
//! The history says the rest: what the event that broke something goes back to.
//!
//! Why [`Echo`](crate::service#all-of-one) fails:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::Backend;
//! use dst::explain::explain;
//! use dst::scenario;
//!
//! let scenario = scenario::read::<Echo>(
//!     r#"{ "version": 1, "actors": ["alice"], "steps": [
//!       { "at": "1s", "who": "network", "do": "stall", "from": "alice", "to": "hub", "lasts": "2s" },
//!       { "at": "2s", "who": "alice", "do": "say", "text": "one" },
//!       { "at": "2s", "who": "alice", "do": "say", "text": "two" },
//!       { "at": "5s", "who": "alice", "do": "say", "text": "three" },
//!       { "who": "alice", "do": "sees", "type": "three", "within": "1s" }
//!     ] }"#,
//! )?;
//! let explanation = explain(&scenario, None, &[Backend::Simulated])?.ok_or("it passes")?;
//! let nearest = explanation.nearest.as_ref().ok_or("nothing near passes")?;
//! assert_eq!(nearest.scenario.steps.len(), 4);
//! let told = dst::report::explanation(&scenario, &explanation);
//! assert!(told.contains("it passes without step 3, alice: say text two"));
//! # Ok(())
//! # }
//! ```

mod likelihood;
mod nearest;
mod redraw;

use std::time::Duration;

pub use likelihood::{Jump, Likelihood, Moment};
pub use nearest::{Line, Nearest};

use crate::System;
use crate::backend::{self, Backend, Outcome, Skipped};
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::verdict::Invariant;

/// The backends that a failure is looked for on, the fastest first.
pub const BACKENDS: [Backend; 3] = [Backend::Message, Backend::Simulated, Backend::Both];

/// What is known of a failure.
#[derive(Debug, Clone)]
pub struct Explanation<S: System> {
    /// Where it was played.
    pub backend: Backend,
    /// How it fails, with all its events.
    pub outcome: Outcome<S>,
    /// When it became likely; none where playing takes too long for that.
    pub likelihood: Option<Likelihood<S>>,
    /// The nearest scenario that passes, if one was found.
    pub nearest: Option<Nearest<S>>,
}

/// Explains a scenario on the first of the backends on which it fails; none if it passes on all that can
/// play it. `storm` is what it was shrunk from, if that is known.
///
/// # Errors
/// If no backend can play it.
pub fn explain<S: System>(
    scenario: &Scenario<S>,
    storm: Option<&Scenario<S>>,
    backends: &[Backend],
) -> Result<Option<Explanation<S>>, Skipped> {
    let mut skipped = None;
    let mut is_played = false;
    for backend in backends {
        match backend::play(scenario, *backend, Keep::All) {
            Err(reason) => skipped = Some(reason),
            Ok(outcome) if !fails(&outcome, *backend) => is_played = true,
            Ok(outcome) => return Ok(Some(Explanation::of(scenario, storm, *backend, outcome))),
        }
    }
    skipped.filter(|_| !is_played).map_or(Ok(None), Err)
}

/// What only two backends together break is that they differ: they play a scenario unhurriedly, and it may say
/// what it then does not keep.
fn fails<S: System>(outcome: &Outcome<S>, backend: Backend) -> bool {
    let broken = outcome.violation.as_ref().map(|violation| violation.invariant);
    broken
        .is_some_and(|broken| backend != Backend::Both || broken == S::Invariant::SAME_ON_BACKENDS)
}

impl<S: System> Explanation<S> {
    /// That of a scenario which was played and failed.
    pub fn of(
        scenario: &Scenario<S>,
        storm: Option<&Scenario<S>>,
        backend: Backend,
        outcome: Outcome<S>,
    ) -> Self {
        let invariant = outcome.violation.as_ref().map(|violation| violation.invariant);
        let likelihood =
            invariant.and_then(|broken| likelihood::of(scenario, storm, backend, broken));
        let nearest = nearest::of(scenario, backend, &outcome);
        Self { backend, outcome, likelihood, nearest }
    }
}

/// When the scenario breaks the invariant, if it does.
fn breaks<S: System>(
    scenario: &Scenario<S>,
    backend: Backend,
    invariant: S::Invariant,
) -> Option<Duration> {
    let outcome = backend::play(scenario, backend, Keep::Last(1)).ok()?;
    let is_it = outcome.violation.is_some_and(|violation| violation.invariant == invariant);
    is_it.then(|| outcome.events.last().map_or(outcome.simulated, |event| event.at))
}
