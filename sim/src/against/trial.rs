//! Tries a hub: storms, scenario files, and failures made small. A hub that nobody controls need not fail the same way
//! twice, so what counts is in how many of some tries it does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dst::backend::{self, Backend, Skipped};
use dst::campaign::{self, Findings, Plan, Watcher};
use dst::failures::Shrunk;
use dst::run::Keep;
use dst::scenario::{self, Progress};
use signal_hub::hub::Config;

use super::dialect::Promises;
use super::target::Target;
use super::{AnyHub, Outcome, Scenario, Violation, adapted};
use crate::scenario::Profile;

/// Events that are kept of each run, for the story of a failure.
const EVENTS_KEPT: usize = 5_000;
/// Tries by which a result is told.
pub const LAST_TRIES: usize = 10;
/// Candidates that are tried at the same time.
const AT_ONCE: usize = 16;

/// Storms of a hub.
pub struct Storms {
    /// Which hub.
    pub target: Arc<Target>,
    /// What it promises.
    pub promises: Promises,
    /// What kind of storm each seed makes.
    pub profile: Profile,
    /// How long each lasts.
    pub lasts: Duration,
}

impl Storms {
    /// Those of a hub, whose dialect is started once to hear what it promises.
    ///
    /// # Errors
    /// If it does not start.
    pub fn of(target: &Arc<Target>, profile: Profile, lasts: Duration) -> anyhow::Result<Self> {
        let (_, promises) = target.speaker(&Config::default())?;
        Ok(Self { target: Arc::clone(target), promises, profile, lasts })
    }

    /// The storm of a seed.
    pub fn storm(&self, seed: u64) -> Scenario {
        use dst::System;
        let storm = AnyHub::generate_lasting(self.profile, seed, self.lasts);
        adapted(&storm, &self.target, &self.promises)
    }

    /// Plays the storms of these seeds, so many at once.
    pub fn play(
        &self,
        seeds: Range<u64>,
        jobs: usize,
        fail_fast: bool,
        watcher: &Watcher<'_, AnyHub>,
    ) -> Findings<AnyHub> {
        let plan = Plan { jobs, fail_fast, ..Plan::of(self.profile, Backend::Real, seeds) };
        let play = |seed| play(&self.storm(seed));
        campaign::run_with(&plan, &play, watcher)
    }
}

/// Plays a scenario of a hub.
///
/// # Errors
/// If it cannot be played against it.
pub fn play(scenario: &Scenario) -> Result<Outcome, Skipped> {
    backend::play(scenario, Backend::Real, Keep::Last(EVENTS_KEPT))
}

/// Plays scenarios, so many at once, and hands each result in; the results are in the order of the scenarios.
pub fn play_all(
    scenarios: &[Scenario],
    at_once: usize,
    over: &(dyn Fn() -> bool + Sync),
    heard: &(dyn Fn() + Sync),
) -> Vec<Option<Result<Outcome, Skipped>>> {
    let results = Mutex::new(BTreeMap::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, scenarios.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(place) else { return };
                    if over() {
                        return;
                    }
                    let played = play(scenario);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(place, played);
                    heard();
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    (0..scenarios.len()).map(|place| results.remove(&place)).collect()
}

/// A failure that was made small.
pub struct Small {
    /// It, and how it fails.
    pub shrunk: Shrunk<AnyHub>,
    /// In how many of the last tries it failed.
    pub broke: usize,
}

/// Makes a failure small: each candidate is tried so many times, and is as good if it fails the same way in half of
/// them, or, of one that fails seldom, in one.
pub struct Shrinker<'a> {
    target: &'a Arc<Target>,
    tries: usize,
    played: usize,
    time_is_up: &'a mut dyn FnMut(Progress) -> bool,
}

impl<'a> Shrinker<'a> {
    /// `time_is_up` is asked before each try.
    pub fn new(
        target: &'a Arc<Target>,
        tries: usize,
        time_is_up: &'a mut dyn FnMut(Progress) -> bool,
    ) -> Self {
        Self { target, tries: tries.max(1), played: 0, time_is_up }
    }

    /// Shrinks a scenario that failed like this.
    pub fn shrink(mut self, storm: &Scenario, outcome: &Outcome) -> Option<Small> {
        let violation = outcome.violation.clone()?;
        let failed_at = outcome.events.last().map_or(outcome.simulated, |event| event.at);
        let (thinned, failed_at) = self.thin(storm, failed_at, &violation);
        let (target, tries) = (self.target, self.tries);
        let mut played = 0;
        let mut fails = |candidate: &Scenario| {
            played += tries;
            let each = vec![at(candidate, target); tries];
            quorum(&play_all(&each, tries, &|| false, &|| ()), &violation)
        };
        let shrunk = scenario::shrink(&thinned, failed_at, &mut fails, self.time_is_up);
        let again = vec![at(&shrunk.scenario, target); LAST_TRIES];
        let last = play_all(&again, LAST_TRIES, &|| false, &|| ());
        let same = |outcome: &Outcome| is_same(outcome, &violation);
        let failed: Vec<Outcome> = last.into_iter().flatten().flatten().filter(same).collect();
        let broke = failed.len();
        // One that will not fail any more is told as it failed at first.
        let (outcome, mut scenario) = match failed.into_iter().next() {
            Some(outcome) => (outcome, shrunk.scenario),
            None => (outcome.clone(), storm.clone()),
        };
        scenario.title = violation.invariant.to_string();
        scenario.races = Some("against a hub in real time".to_owned());
        let seen = outcome.violation.as_ref().unwrap_or(&violation);
        scenario.why = format!("{} Seen: {}.", violation.invariant.sentence(), seen.evidence);
        let tries = self.played + played;
        let shrunk =
            Shrunk { scenario, storm: storm.clone(), tries, finished: shrunk.finished, outcome };
        Some(Small { shrunk, broke })
    }

    /// Drops ever smaller parts of the steps, all parts of a size at once: waiting takes the time, not work.
    fn thin(
        &mut self,
        storm: &Scenario,
        failed_at: Duration,
        violation: &Violation,
    ) -> (Scenario, Duration) {
        let mut best = storm.clone();
        let mut at = failed_at;
        let mut parts = 4;
        while parts <= 2 * best.steps.len() && best.steps.len() > 4 {
            let steps = best.steps.len();
            let progress = Progress { pass: "dropping parts", tries: self.played, steps };
            if (self.time_is_up)(progress) {
                break;
            }
            let size = steps.div_ceil(parts).max(1);
            let without = |dropped: &dyn Fn(usize) -> bool| {
                let mut candidate = best.clone();
                let mut place = 0;
                candidate.steps.retain(|_| {
                    place += 1;
                    !dropped((place - 1) / size)
                });
                candidate
            };
            let candidates: Vec<Scenario> =
                (0..steps.div_ceil(size)).map(|part| without(&|at| at == part)).collect();
            let found = self.try_all(&candidates, violation);
            let can_go: Vec<usize> =
                (0..candidates.len()).filter(|place| found[*place].is_some()).collect();
            let all = without(&|part| can_go.contains(&part));
            if can_go.len() > 1
                && let Some(when) = self.try_all(std::slice::from_ref(&all), violation)[0]
            {
                (best, at) = (all, when);
                continue;
            }
            match can_go.first() {
                Some(place) => {
                    at = found[*place].unwrap_or(at);
                    best = candidates[*place].clone();
                }
                None => parts *= 2,
            }
        }
        (best, at)
    }

    fn try_all(&mut self, candidates: &[Scenario], violation: &Violation) -> Vec<Option<Duration>> {
        let (target, tries) = (self.target, self.tries);
        let each: Vec<Scenario> = candidates
            .iter()
            .flat_map(|candidate| std::iter::repeat_n(at(candidate, target), tries))
            .collect();
        self.played += each.len();
        let played = play_all(&each, AT_ONCE, &|| false, &|| ());
        played.chunks(tries).map(|tried| quorum(tried, violation)).collect()
    }
}

/// In how many of so many tries, all at once, it breaks this.
pub fn breaks_again(
    scenario: &Scenario,
    target: &Arc<Target>,
    tries: usize,
    violation: &Violation,
    over: &(dyn Fn() -> bool + Sync),
) -> usize {
    let each = vec![at(scenario, target); tries];
    let played = play_all(&each, tries, over, &|| ());
    played.iter().flatten().flatten().filter(|outcome| is_same(outcome, violation)).count()
}

/// When the latest of them failed the same way, if half of them did.
fn quorum(played: &[Option<Result<Outcome, Skipped>>], violation: &Violation) -> Option<Duration> {
    let failed = played.iter().flatten().flatten().filter(|outcome| is_same(outcome, violation));
    let times: Vec<Duration> = failed
        .map(|outcome| outcome.events.last().map_or(outcome.simulated, |event| event.at))
        .collect();
    times.iter().max().copied().filter(|_| 2 * times.len() >= played.len())
}

fn is_same(outcome: &Outcome, violation: &Violation) -> bool {
    outcome.violation.as_ref().is_some_and(|found| found.invariant == violation.invariant)
}

/// The scenario against the hub: whatever was changed of it, that was not.
pub fn at(scenario: &Scenario, target: &Arc<Target>) -> Scenario {
    Scenario { hub: scenario.hub.at(target), ..scenario.clone() }
}

/// A scenario file, read as this project's, to be played against the hub.
///
/// # Errors
/// If it is none.
pub fn read(file: &Path, target: &Arc<Target>) -> anyhow::Result<Scenario> {
    let scenario = crate::scenario::read_file(file)?;
    Ok(at(&super::of_any_hub(&scenario), target))
}
