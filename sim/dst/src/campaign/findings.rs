//! What a campaign found, and what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::{DistinctFailure, Failure};
use super::guided::Won;
use super::{ENFORCED_FROM, Plan};
use crate::System;
use crate::backend::{Outcome, Skipped};
use crate::coverage::Sightings;
use crate::interrupt;
use crate::seeds::Shard;
use crate::verdict::Invariant;

/// What a campaign found.
#[derive(Debug, Clone)]
pub struct Findings<S: System> {
    /// Runs that the backend could play.
    pub runs: u64,
    /// Events of all runs together.
    pub events: u64,
    /// Inputs that hubs handled, in all runs together.
    pub hub_inputs: u64,
    /// Virtual time of all runs together.
    pub simulated: Duration,
    /// The failed runs, by seed.
    pub failures: BTreeMap<u64, Failure<S>>,
    /// The runs that the backend could not do: they have not passed.
    pub skipped: BTreeMap<u64, Skipped>,
    /// Tries that say nothing, because the machine stood still in them.
    pub standstills: usize,
    /// Seeds whose transcripts two backends agreed on.
    pub compared: u64,
    /// The steps of those seeds.
    pub compared_steps: u64,
    /// How often each situation came up.
    pub sightings: Sightings<S::Situation>,
    /// The shapes that a hub had.
    pub shapes: BTreeSet<S::Shape>,
    /// How many of the latest runs brought no new shape.
    pub runs_without_new_shape: u64,
    /// Why it ended before the last seed.
    pub stopped: Option<Stopped>,
    /// What the corpus came to, if there was one.
    pub won: Option<Won>,
}

/// Why a campaign ended before its last seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Stopped {
    /// The first failure was to be the last.
    Failure,
    /// Nothing new came up any more.
    Saturated,
    /// The time was over.
    TimeUp,
    /// Whoever waited did so no longer.
    Interrupted,
}

/// What the findings mean, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing failed.
    Passed,
    /// Nothing failed as far as it went.
    Interrupted,
    /// Nothing failed, but so many runs that never met some situations prove nothing.
    Void,
    /// Nothing was played, which proves nothing either.
    Unplayed,
    /// Two backends do not agree.
    Differs,
    /// Something good never happened.
    NotLive,
    /// Something bad happened.
    Unsafe,
}

impl<S: System> Default for Findings<S> {
    fn default() -> Self {
        Self {
            runs: 0,
            events: 0,
            hub_inputs: 0,
            simulated: Duration::ZERO,
            failures: BTreeMap::new(),
            skipped: BTreeMap::new(),
            standstills: 0,
            compared: 0,
            compared_steps: 0,
            sightings: Sightings::default(),
            shapes: BTreeSet::new(),
            runs_without_new_shape: 0,
            stopped: None,
            won: None,
        }
    }
}

impl<S: System> Findings<S> {
    /// Counts a run. Only the first of several alike failures keeps its events.
    pub fn add(&mut self, outcome: &Outcome<S>) {
        self.runs += 1;
        self.events += outcome.event_count;
        self.hub_inputs += outcome.hub_inputs;
        self.simulated += outcome.simulated;
        self.standstills += outcome.standstills.len();
        self.compared += u64::from(outcome.compared_steps > 0);
        self.compared_steps += outcome.compared_steps as u64;
        self.sightings.merge(&outcome.sightings);
        let known = self.shapes.len();
        self.shapes.extend(&outcome.shapes);
        let new = self.shapes.len() > known;
        self.runs_without_new_shape = if new { 0 } else { self.runs_without_new_shape + 1 };
        if let Some(mut failure) = Failure::of(outcome) {
            if self.failures.values().any(|other| other.is_like(&failure)) {
                (failure.outcome.events, failure.outcome.shapes) = (Vec::new(), BTreeSet::new());
            }
            self.failures.insert(outcome.seed, failure);
        }
    }

    /// Notes a seed that the backend cannot play.
    pub fn skip(&mut self, seed: u64, skipped: Skipped) {
        self.skipped.insert(seed, skipped);
    }

    /// The failures, those that are alike taken together, in the order of their first seeds.
    pub fn distinct_failures(&self) -> Vec<DistinctFailure<'_, S>> {
        let mut distinct: Vec<DistinctFailure<'_, S>> = Vec::new();
        for (seed, failure) in &self.failures {
            match distinct.iter_mut().find(|known| known.first.is_like(failure)) {
                Some(known) => known.seeds.push(*seed),
                None => distinct.push(DistinctFailure { first: failure, seeds: vec![*seed] }),
            }
        }
        distinct
    }

    /// What had to come up and never did.
    pub fn missing(&self, plan: &Plan<S>) -> Vec<S::Situation> {
        self.sightings.missing(&plan.required())
    }

    /// What this means for a campaign of the plan.
    pub fn verdict(&self, plan: &Plan<S>) -> Verdict {
        let broken = self.failures.values().map(|failure| failure.violation.invariant);
        // A share of the seeds need not meet what all of them do.
        let missing = if plan.shard == Shard::WHOLE { self.missing(plan).len() } else { 0 };
        Verdict::of(broken).after(self.runs, missing, self.stopped)
    }
}

impl Verdict {
    /// What it means that these were broken: the worst of it.
    pub fn of<I: Invariant>(broken: impl Iterator<Item = I>) -> Self {
        let verdicts = broken.map(|invariant| match invariant {
            differs if differs == I::SAME_ON_BACKENDS => Verdict::Differs,
            liveness if liveness.is_liveness() => Verdict::NotLive,
            _ => Verdict::Unsafe,
        });
        verdicts.max().unwrap_or(Verdict::Passed)
    }

    /// What that means after so many runs, which did not meet so many situations that they had to.
    #[must_use]
    pub fn after(self, runs: u64, missing: usize, stopped: Option<Stopped>) -> Self {
        match self {
            Verdict::Passed if stopped == Some(Stopped::Interrupted) => Verdict::Interrupted,
            Verdict::Passed if runs == 0 => Verdict::Unplayed,
            Verdict::Passed if runs >= ENFORCED_FROM && missing > 0 => Verdict::Void,
            verdict => verdict,
        }
    }

    /// Returns whether something broke.
    pub fn is_failure(self) -> bool {
        self >= Verdict::Differs
    }

    /// The program's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Unsafe => 2,
            Verdict::NotLive => 3,
            Verdict::Void | Verdict::Unplayed => 5,
            Verdict::Differs => 6,
            Verdict::Interrupted => interrupt::EXIT_CODE,
        }
    }
}
