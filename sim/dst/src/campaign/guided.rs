//! A campaign that aims: what brought something new is changed and played again. The corpus changes between
//! batches alone, so that a seed and a corpus find the same on any number of threads, and a budget never cuts
//! a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::corpus::{Candidate, Corpus, FeatureOf, Origin, Tally, features};
use super::{Findings, Plan, Stopped, Watcher, play, run_on};
use crate::System;
use crate::backend::Outcome;
use crate::scenario::Scenario;

/// Runs of a batch, at least and at most; it grows, since at first each run teaches something.
const BATCH: (u64, u64) = (8, 64);

/// What a corpus came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Won {
    /// Scenarios that it began with.
    pub begun: usize,
    /// Scenarios that are kept.
    pub kept: usize,
    /// Runs of changed scenarios.
    pub changed_runs: u64,
    /// What changed scenarios were the first to come to.
    pub by_changed: Tally,
    /// What all others were the first to come to.
    pub by_others: Tally,
}

/// Plays seeds of the plan, each with what comes of the corpus before its batch, which begins with these.
pub fn guided<S: System>(
    plan: &Plan<S>,
    begun: Vec<Scenario<S>>,
    watcher: &Watcher<'_, S>,
) -> (Findings<S>, Corpus<S>) {
    let mut corpus = Corpus::new(plan.profile, plan.seeds.start, begun);
    let mut won = Won { begun: corpus.begun(), ..Won::default() };
    let mut findings = Findings { won: Some(won), ..Findings::default() };
    let (mut next, end) = (plan.seeds.start, plan.seeds.end);
    while next < end && findings.stopped.is_none() {
        if let Some(stopped) = (watcher.stop)() {
            findings.stopped = Some(stopped);
            break;
        }
        let runs = ((next - plan.seeds.start) / 4).clamp(BATCH.0, BATCH.1);
        let batch = Plan { seeds: next..next.saturating_add(runs).min(end), ..plan.clone() };
        next = batch.seeds.end;
        let played;
        (findings, played) = play_batch(&batch, findings, &corpus, watcher);
        for Run { candidate, brought, has_failed } in played {
            let is_changed = matches!(candidate.origin, Origin::Changed(_));
            let new = corpus.take_in(candidate, brought, has_failed);
            won.changed_runs += u64::from(is_changed);
            if is_changed { &mut won.by_changed } else { &mut won.by_others }.add(new);
        }
        corpus.settle();
        won.kept = corpus.kept();
        findings.won = Some(won);
        if plan.fail_fast && !findings.failures.is_empty() && next < end {
            findings.stopped.get_or_insert(Stopped::Failure);
        }
    }
    (findings, corpus)
}

/// A run of a batch.
struct Run<S: System> {
    candidate: Candidate<S>,
    brought: BTreeSet<FeatureOf<S>>,
    has_failed: bool,
}

/// Runs between which nothing is learned, in the order of their seeds.
fn play_batch<S: System>(
    batch: &Plan<S>,
    findings: Findings<S>,
    corpus: &Corpus<S>,
    watcher: &Watcher<'_, S>,
) -> (Findings<S>, Vec<Run<S>>) {
    let candidates = Mutex::new(BTreeMap::new());
    let runs = Mutex::new(Vec::new());
    let candidates_now = || candidates.lock().unwrap_or_else(PoisonError::into_inner);
    let play = |seed| {
        let candidate = corpus.candidate(seed);
        let played = play(&candidate.scenario, batch.backend);
        candidates_now().insert(seed, candidate);
        let sightings = |outcome: &Outcome<S>| outcome.sightings.clone().counted_as(seed);
        played.map(|outcome| Outcome { seed, sightings: sightings(&outcome), ..outcome })
    };
    let progress = |findings: &mut Findings<S>, outcome: &Outcome<S>| {
        let Some(candidate) = candidates_now().remove(&outcome.seed) else { return };
        if let Some(failure) = findings.failures.get_mut(&outcome.seed) {
            failure.scenario = Some(candidate.scenario.clone());
        }
        (watcher.progress)(findings, outcome);
        let (brought, has_failed) = (features(outcome), outcome.violation.is_some());
        let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.push(Run { candidate, brought, has_failed });
    };
    let stop = || (watcher.stop)().filter(|stopped| *stopped == Stopped::Interrupted);
    let findings = run_on(findings, batch, &play, &Watcher { stop: &stop, progress: &progress });
    (findings, runs.into_inner().unwrap_or_else(PoisonError::into_inner))
}
