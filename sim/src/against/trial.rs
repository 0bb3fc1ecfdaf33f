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
use dst::scenario::Progress;
use signal_hub::hub::Config;

use super::dialect::Promises;
use super::shrinker::{AT_ONCE, Shrinker};
use super::target::Target;
use super::{AnyHub, Outcome, Scenario, Violation, adapted};
use crate::scenario::Profile;

/// Events that are kept of each run, for the story of a failure.
const EVENTS_KEPT: usize = 5_000;
/// Tries by which a result is told.
pub const LAST_TRIES: usize = 10;
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

/// Makes a failure of a hub small, each candidate played so many times; `time_is_up` is asked before each search.
pub fn shrink(
    target: &Arc<Target>,
    tries: usize,
    storm: &Scenario,
    outcome: &Outcome,
    time_is_up: &mut dyn FnMut(Progress) -> bool,
) -> Option<Small> {
    let violation = outcome.violation.clone()?;
    let failed = |each: &[Scenario]| {
        let each: Vec<Scenario> = each.iter().map(|candidate| at(candidate, target)).collect();
        let played = play_all(&each, AT_ONCE, &|| false, &|| ());
        played.iter().map(|played| failed_like(&violation, played).map(failed_at)).collect()
    };
    let mut shrinker = Shrinker::new(tries, &failed);
    let shrunk = shrinker.shrink(storm, failed_at(outcome), time_is_up);
    let again = vec![at(&shrunk.scenario, target); LAST_TRIES];
    let last = play_all(&again, LAST_TRIES, &|| false, &|| ());
    let failed: Vec<&Outcome> =
        last.iter().filter_map(|played| failed_like(&violation, played)).collect();
    let broke = failed.len();
    // One that will not fail any more is told as it failed at first.
    let (outcome, mut scenario) = match failed.first() {
        Some(outcome) => ((*outcome).clone(), shrunk.scenario),
        None => (outcome.clone(), storm.clone()),
    };
    scenario.title = violation.invariant.to_string();
    scenario.races = Some("against a hub in real time".to_owned());
    let seen = outcome.violation.as_ref().unwrap_or(&violation);
    scenario.why = format!("{} Seen: {}.", violation.invariant.sentence(), seen.evidence);
    let (storm, tries, finished) = (storm.clone(), shrinker.played, shrunk.finished);
    Some(Small { shrunk: Shrunk { scenario, storm, tries, finished, outcome }, broke })
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
    played.iter().filter_map(|played| failed_like(violation, played)).count()
}

/// How it went, if it failed the same way.
fn failed_like<'a>(
    violation: &Violation,
    played: &'a Option<Result<Outcome, Skipped>>,
) -> Option<&'a Outcome> {
    let outcome = played.as_ref()?.as_ref().ok()?;
    let found = outcome.violation.as_ref()?;
    (found.invariant == violation.invariant).then_some(outcome)
}

fn failed_at(outcome: &Outcome) -> Duration {
    outcome.events.last().map_or(outcome.simulated, |event| event.at)
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
