//! Many seeds on many threads. The results are those of the seeds alone: neither the number of
//! threads nor their order shows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::backend::{self, Backend, Outcome, Skipped};
use crate::history::Keep;
use crate::scenario::{self, Profile, Scenario};

/// Events that are kept of each run, for the story of a failure.
const EVENTS_KEPT: usize = 5_000;

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Findings {
    pub runs: u64,
    pub events: u64,
    pub hub_inputs: u64,
    /// Virtual time of all runs together.
    pub simulated: Duration,
    /// The failed runs, by seed.
    pub failures: BTreeMap<u64, Outcome>,
    /// The runs that the backend could not do: they have not passed.
    pub skipped: BTreeMap<u64, Skipped>,
}

/// Plays the storm of every seed on `jobs` threads; `progress` hears of each run. With
/// `fail_fast`, no run begins after a failure.
pub fn run(
    profile: Profile,
    backend: Backend,
    seeds: Range<u64>,
    jobs: usize,
    fail_fast: bool,
    progress: &(dyn Fn(&Outcome) + Sync),
) -> Findings {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let findings = Mutex::new(Findings::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let scenario = scenario::generate(profile, seed);
                    let played = play(&scenario, backend);
                    if let Ok(outcome) = &played {
                        progress(outcome);
                        if fail_fast && outcome.violation.is_some() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    findings.lock().unwrap_or_else(PoisonError::into_inner).add(seed, played);
                }
            });
        }
    });
    findings.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What fails is played again for its story, if it plays the same again.
fn play(scenario: &Scenario, backend: Backend) -> Result<Outcome, Skipped> {
    let story = Keep::Last(EVENTS_KEPT);
    match backend {
        Backend::Real => backend::play(scenario, backend, story),
        Backend::Core | Backend::Simulated => {
            let outcome = backend::play(scenario, backend, Keep::Nothing)?;
            match outcome.violation {
                Some(_) => backend::play(scenario, backend, story),
                None => Ok(outcome),
            }
        }
    }
}

impl Findings {
    fn add(&mut self, seed: u64, played: Result<Outcome, Skipped>) {
        let outcome = match played {
            Ok(outcome) => outcome,
            Err(skipped) => {
                self.skipped.insert(seed, skipped);
                return;
            }
        };
        self.runs += 1;
        self.events += outcome.event_count;
        self.hub_inputs += outcome.hub_inputs;
        self.simulated += outcome.simulated;
        if outcome.violation.is_some() {
            self.failures.insert(seed, outcome);
        }
    }
}
