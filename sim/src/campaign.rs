//! Many seeds on many threads. The results are those of the seeds alone: neither the number of
//! threads nor their order shows, because each run counts only after all before it.

mod failure;
mod findings;
mod required;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use failure::{DistinctFailure, Failure};
pub use findings::{Findings, Stopped, Verdict};
pub use required::ENFORCED_FROM;

use crate::backend::{self, Backend, Outcome, Skipped};
use crate::run::Keep;
use crate::scenario::{self, Profile, Scenario};
use crate::seeds::Shard;
use crate::situations::Situation;

/// Events that are kept of each run, for the story of a failure.
const EVENTS_KEPT: usize = 5_000;

/// Which seeds to play, and when to stop before the last.
#[derive(Debug, Clone)]
pub struct Plan {
    pub profile: Profile,
    pub backend: Backend,
    pub seeds: Range<u64>,
    pub shard: Shard,
    pub jobs: usize,
    /// No run counts after a failure.
    pub fail_fast: bool,
    /// Stop when all situations have come up and for so many runs no new shape.
    pub until_saturated: Option<u64>,
}

impl Plan {
    /// All these seeds on two threads.
    pub fn of(profile: Profile, backend: Backend, seeds: Range<u64>) -> Self {
        let (shard, jobs) = (Shard::WHOLE, 2);
        Self { profile, backend, seeds, shard, jobs, fail_fast: false, until_saturated: None }
    }

    /// What has to come up in it.
    pub fn required(&self) -> Vec<Situation> {
        required::of(self.profile, self.backend)
    }

    /// How many runs that is at most.
    pub fn runs_max(&self) -> u64 {
        self.shard.share(&self.seeds)
    }
}

/// What becomes of a seed.
pub type Played = Result<Outcome, Skipped>;

/// What those who wait may say and hear.
pub struct Watcher<'a> {
    /// Asked before each run: then no more begin.
    pub time_is_up: &'a (dyn Fn() -> bool + Sync),
    /// Hears of each run, in the order of seeds, and what the campaign has found so far.
    pub progress: &'a (dyn Fn(&Findings, &Outcome) + Sync),
}

impl Watcher<'_> {
    /// Nobody waits.
    pub const SILENT: Watcher<'static> =
        Watcher { time_is_up: &|| false, progress: &|_findings, _outcome| {} };
}

/// Plays the storms of the plan.
pub fn run(plan: &Plan, watcher: &Watcher<'_>) -> Findings {
    let play = |seed| play(&scenario::generate(plan.profile, seed), plan.backend);
    run_with(plan, &play, watcher)
}

/// What fails is played again for its story, if it plays the same again.
fn play(scenario: &Scenario, backend: Backend) -> Played {
    let story = Keep::Last(EVENTS_KEPT);
    match backend {
        Backend::Real => backend::play(scenario, backend, story),
        Backend::Message | Backend::Simulated | Backend::Both => {
            let outcome = backend::play(scenario, backend, Keep::Nothing)?;
            match outcome.violation {
                Some(_) => backend::play(scenario, backend, story),
                None => Ok(outcome),
            }
        }
    }
}

/// The same with whatever plays a seed.
pub fn run_with(
    plan: &Plan,
    play: &(dyn Fn(u64) -> Played + Sync),
    watcher: &Watcher<'_>,
) -> Findings {
    let next = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let desk = Mutex::new(Desk::new(plan));
    let lock = || desk.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if next.load(Ordering::Relaxed) >= plan.runs_max() {
                        return;
                    }
                    if (watcher.time_is_up)() {
                        lock().findings.stopped.get_or_insert(Stopped::TimeUp);
                        over.store(true, Ordering::Relaxed);
                        return;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = plan.shard.seed(&plan.seeds, number) else { return };
                    let played = play(seed);
                    if lock().hand_in(number, (seed, played), watcher.progress) {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    desk.into_inner().unwrap_or_else(PoisonError::into_inner).findings
}

/// Where runs are handed in, in whatever order, and counted in that of the seeds.
struct Desk<'a> {
    plan: &'a Plan,
    required: Vec<Situation>,
    waiting: BTreeMap<u64, (u64, Played)>,
    counted: u64,
    over: bool,
    findings: Findings,
}

impl<'a> Desk<'a> {
    fn new(plan: &'a Plan) -> Self {
        let required = plan.required();
        let (waiting, findings) = (BTreeMap::new(), Findings::default());
        Self { plan, required, waiting, counted: 0, over: false, findings }
    }

    /// Says whether the campaign is over: what comes later does not count.
    fn hand_in(
        &mut self,
        number: u64,
        (seed, mut played): (u64, Played),
        progress: &dyn Fn(&Findings, &Outcome),
    ) -> bool {
        if let Ok(outcome) = &mut played
            && outcome.violation.is_none()
        {
            outcome.events = Vec::new();
        }
        self.waiting.insert(number, (seed, played));
        while !self.over
            && let Some((seed, played)) = self.waiting.remove(&self.counted)
        {
            self.counted += 1;
            match played {
                Ok(outcome) => {
                    self.findings.add(&outcome);
                    progress(&self.findings, &outcome);
                }
                Err(skipped) => self.findings.skip(seed, skipped),
            }
            if let Some(stopped) = self.reason_to_stop(seed) {
                self.findings.stopped = Some(stopped);
                self.over = true;
            }
        }
        self.over
    }

    fn reason_to_stop(&self, seed: u64) -> Option<Stopped> {
        if self.counted == self.plan.runs_max() {
            return None;
        }
        if self.plan.fail_fast && self.findings.failures.contains_key(&seed) {
            return Some(Stopped::Failure);
        }
        let runs = self.plan.until_saturated?;
        let saturated = self.findings.runs_without_new_shape >= runs
            && self.findings.sightings.missing(&self.required).is_empty();
        saturated.then_some(Stopped::Saturated)
    }
}
