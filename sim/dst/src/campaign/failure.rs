//! A failed run, and which failures are alike: the same invariant, broken by the same kind of event.

use std::path::PathBuf;

use crate::System;
use crate::backend::Outcome;
use crate::history::{AtClient, AtHub, Event, What};
use crate::scenario::Scenario;
use crate::verdict::{Invariant, Violation};

/// A failed run.
#[derive(Debug, Clone)]
pub struct Failure<S: System> {
    /// The first violation of the run.
    pub violation: Violation<S>,
    /// The kind of event that broke it.
    pub broken_by: String,
    /// The whole run; without its events if one like it failed before.
    pub outcome: Outcome<S>,
    /// What was played, if it is not the scenario of the seed.
    pub scenario: Option<Scenario<S>>,
    /// What it was shrunk to, if it was.
    pub shrunk: Option<ShrunkFile<S>>,
}

/// A failure's scenario file.
#[derive(Debug, Clone)]
pub struct ShrunkFile<S: System> {
    /// Where it is.
    pub file: PathBuf,
    /// How it fails, with all its events.
    pub outcome: Outcome<S>,
}

/// Failures that are alike.
#[derive(Debug)]
pub struct DistinctFailure<'a, S: System> {
    /// The failure of the first seed, whose events are kept.
    pub first: &'a Failure<S>,
    /// In ascending order.
    pub seeds: Vec<u64>,
}

impl<S: System> Failure<S> {
    /// The failure that the outcome is, if it is one.
    pub fn of(outcome: &Outcome<S>) -> Option<Self> {
        let violation = outcome.violation.clone()?;
        let broken_by = broken_by(outcome)?;
        Some(Self { violation, broken_by, outcome: outcome.clone(), scenario: None, shrunk: None })
    }

    /// Returns whether one of the two is enough to look at.
    pub fn is_like(&self, other: &Failure<S>) -> bool {
        self.violation.invariant == other.violation.invariant && self.broken_by == other.broken_by
    }
}

/// The kind of event that broke something, if anything did.
pub fn broken_by<S: System>(outcome: &Outcome<S>) -> Option<String> {
    let is_shown = outcome.violation.as_ref()?.invariant.is_shown_by_event();
    let by_event = || outcome.events.last().map(kind).unwrap_or_default();
    Some(if is_shown { by_event() } else { "the run as a whole".to_owned() })
}

fn kind<S: System>(event: &Event<S>) -> String {
    match &event.what {
        What::HubStarted { .. } => "the hub's start".to_owned(),
        What::HubStopped { .. } => "the hub's stop".to_owned(),
        What::Hub(hub) => hub.kind(),
        What::Client { event, .. } => event.kind(),
        What::Net(_) => "the network".to_owned(),
        What::Run(milestone) => format!("{milestone:?}").to_lowercase(),
        What::Step { .. } => "a step".to_owned(),
    }
}
