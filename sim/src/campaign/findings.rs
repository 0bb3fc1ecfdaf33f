//! What a campaign found, and what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::failure::{DistinctFailure, Failure};
use super::{ENFORCED_FROM, Plan};
use crate::backend::{Outcome, Skipped};
use crate::situations::{Shape, Sightings, Situation};

/// What a campaign found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub runs: u64,
    pub events: u64,
    pub hub_inputs: u64,
    /// Virtual time of all runs together.
    pub simulated: Duration,
    /// The failed runs, by seed.
    pub failures: BTreeMap<u64, Failure>,
    /// The runs that the backend could not do: they have not passed.
    pub skipped: BTreeMap<u64, Skipped>,
    /// Tries that say nothing, because the machine stood still in them.
    pub standstills: usize,
    /// How often each situation came up.
    pub sightings: Sightings,
    /// The shapes that a hub had.
    pub shapes: BTreeSet<Shape>,
    /// How many of the latest runs brought no new shape.
    pub runs_without_new_shape: u64,
    /// Why it ended before the last seed.
    pub stopped: Option<Stopped>,
}

/// Why a campaign ended before its last seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stopped {
    /// The first failure was to be the last.
    Failure,
    /// Nothing new came up any more.
    Saturated,
    /// The time was over.
    TimeUp,
}

/// What the findings mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// Something bad happened.
    Unsafe,
    /// Something good never happened.
    NotLive,
    /// Nothing failed, but so many runs that never met these situations prove nothing.
    Void(Vec<Situation>),
}

impl Findings {
    /// Counts a run. Only the first of several alike failures keeps its events.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.events += outcome.event_count;
        self.hub_inputs += outcome.hub_inputs;
        self.simulated += outcome.simulated;
        self.standstills += outcome.standstills.len();
        self.sightings.merge(&outcome.sightings);
        let known = self.shapes.len();
        self.shapes.extend(&outcome.shapes);
        let new = self.shapes.len() > known;
        self.runs_without_new_shape = if new { 0 } else { self.runs_without_new_shape + 1 };
        if let Some(mut failure) = Failure::of(outcome) {
            if self.failures.values().any(|other| other.is_like(&failure)) {
                failure.outcome.events = Vec::new();
            }
            self.failures.insert(outcome.seed, failure);
        }
    }

    /// Notes a seed that the backend cannot play.
    pub fn skip(&mut self, seed: u64, skipped: Skipped) {
        self.skipped.insert(seed, skipped);
    }

    /// Adds what another shard found.
    pub fn merge(&mut self, other: Findings) {
        self.runs += other.runs;
        self.events += other.events;
        self.hub_inputs += other.hub_inputs;
        self.simulated += other.simulated;
        self.standstills += other.standstills;
        self.sightings.merge(&other.sightings);
        self.shapes.extend(other.shapes);
        self.failures.extend(other.failures);
        self.skipped.extend(other.skipped);
        self.runs_without_new_shape = 0;
        self.stopped = self.stopped.or(other.stopped);
    }

    /// The failures, those that are alike taken together, in the order of their first seeds.
    pub fn distinct_failures(&self) -> Vec<DistinctFailure<'_>> {
        let mut distinct: Vec<DistinctFailure<'_>> = Vec::new();
        for (seed, failure) in &self.failures {
            match distinct.iter_mut().find(|known| known.first.is_like(failure)) {
                Some(known) => known.seeds.push(*seed),
                None => distinct.push(DistinctFailure { first: failure, seeds: vec![*seed] }),
            }
        }
        distinct
    }

    /// What had to come up and never did.
    pub fn missing(&self, plan: &Plan) -> Vec<Situation> {
        self.sightings.missing(&plan.required())
    }

    /// What this means for a campaign of the plan.
    pub fn verdict(&self, plan: &Plan) -> Verdict {
        let violations = || self.failures.values().map(|failure| failure.violation.invariant);
        if violations().any(|invariant| !invariant.is_liveness()) {
            return Verdict::Unsafe;
        }
        if violations().next().is_some() {
            return Verdict::NotLive;
        }
        let missing = self.missing(plan);
        if self.runs >= ENFORCED_FROM && !missing.is_empty() {
            Verdict::Void(missing)
        } else {
            Verdict::Passed
        }
    }
}

impl Verdict {
    /// The program's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Unsafe => 2,
            Verdict::NotLive => 3,
            Verdict::Void(_) => 5,
        }
    }
}
