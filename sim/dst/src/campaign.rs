//! Many seeds on many threads. The results are those of the seeds alone: neither the number of
//! threads nor their order shows, because each run counts only after all before it.
//!
//! The seeds of [`Echo`](crate::service#all-of-one), which has a bug:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::Backend;
//! use dst::campaign::{self, Plan, Verdict, Watcher};
//!
//! let quiet = Plan::<Echo>::of(Profile::Quiet, Backend::Simulated, 0..50);
//! let findings = campaign::run(&quiet, &Watcher::SILENT);
//! assert_eq!((findings.runs, findings.verdict(&quiet)), (50, Verdict::Passed));
//! assert_eq!(findings.missing(&quiet), [], "lines came back in them");
//!
//! // Up to the first failure, on four threads.
//! let all = Plan::of(Profile::Stalls, Backend::Simulated, 0..500);
//! let plan = Plan { jobs: 4, fail_fast: true, ..all };
//! let findings = campaign::run::<Echo>(&plan, &Watcher::SILENT);
//! assert_eq!(findings.verdict(&plan), Verdict::Unsafe);
//! assert_eq!(findings.failures.len(), 1);
//! assert!(findings.runs < 500);
//! # Ok(())
//! # }
//! ```

mod corpus;
mod distilled;
mod failure;
mod findings;
mod guided;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use corpus::{Candidate, Corpus, Feature, FeatureOf, Origin, Tally, features};
pub use distilled::{Bounds, Choice, distill};
pub use failure::{DistinctFailure, Failure, ShrunkFile, broken_by};
pub use findings::{Findings, Stopped, Verdict};
pub use guided::{Won, guided};

use crate::System;
use crate::backend::{self, Backend, Outcome, Skipped};
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::seeds::Shard;

/// From so many runs on, a campaign that never met a situation of its profile is void.
pub const ENFORCED_FROM: u64 = 1_000;
/// Events that are kept of each run, for the story of a failure.
const EVENTS_KEPT: usize = 5_000;

/// Which seeds to play, and when to stop before the last.
#[derive(Debug, Clone)]
pub struct Plan<S: System> {
    /// What kind of scenario each seed makes.
    pub profile: S::Profile,
    /// What they are played on.
    pub backend: Backend,
    /// From the first up to the last, which is left out.
    pub seeds: Range<u64>,
    /// Which of these seeds are played here.
    pub shard: Shard,
    /// Threads; 0 is taken for 1.
    pub jobs: usize,
    /// No run counts after a failure.
    pub fail_fast: bool,
    /// Stop when all situations have come up and for so many runs no new shape.
    pub until_saturated: Option<u64>,
    /// If it is guided: the flags that ask for that.
    pub guided: Option<String>,
}

impl<S: System> Plan<S> {
    /// All these seeds on two threads.
    pub fn of(profile: S::Profile, backend: Backend, seeds: Range<u64>) -> Self {
        let (shard, jobs) = (Shard::WHOLE, 2);
        Self {
            profile,
            backend,
            seeds,
            shard,
            jobs,
            fail_fast: false,
            until_saturated: None,
            guided: None,
        }
    }

    /// What has to come up in it.
    pub fn required(&self) -> Vec<S::Situation> {
        match self.backend {
            Backend::Message | Backend::Simulated | Backend::Both => {
                S::required(self.profile, self.backend)
            }
            // Its runs take as long as they say: there are never enough.
            Backend::Real => Vec::new(),
        }
    }

    /// How many runs that is at most.
    pub fn runs_max(&self) -> u64 {
        self.shard.share(&self.seeds)
    }
}

/// What becomes of a seed.
pub type Played<S> = Result<Outcome<S>, Skipped>;

/// What those who wait may say and hear.
pub struct Watcher<'a, S: System> {
    /// Asked before each run: if there is a reason to stop, no more begin.
    pub stop: &'a (dyn Fn() -> Option<Stopped> + Sync),
    /// Hears of each run, in the order of seeds, and what the campaign has found so far; may note there
    /// what a failure was shrunk to.
    pub progress: &'a (dyn Fn(&mut Findings<S>, &Outcome<S>) + Sync),
}

impl<S: System> Watcher<'_, S> {
    /// Nobody waits.
    pub const SILENT: Watcher<'static, S> =
        Watcher { stop: &|| None, progress: &|_findings, _outcome| {} };
}

/// Plays the storms of the plan.
pub fn run<S: System>(plan: &Plan<S>, watcher: &Watcher<'_, S>) -> Findings<S> {
    let play = |seed| play(&S::generate(plan.profile, seed), plan.backend);
    run_with(plan, &play, watcher)
}

/// What fails is played again for its story, if it plays the same again.
fn play<S: System>(scenario: &Scenario<S>, backend: Backend) -> Played<S> {
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
pub fn run_with<S: System>(
    plan: &Plan<S>,
    play: &(dyn Fn(u64) -> Played<S> + Sync),
    watcher: &Watcher<'_, S>,
) -> Findings<S> {
    run_on(Findings::default(), plan, play, watcher)
}

/// The same, counted together with what was found before.
fn run_on<S: System>(
    findings: Findings<S>,
    plan: &Plan<S>,
    play: &(dyn Fn(u64) -> Played<S> + Sync),
    watcher: &Watcher<'_, S>,
) -> Findings<S> {
    let next = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let desk = Mutex::new(Desk::new(plan, findings));
    let lock = || desk.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if next.load(Ordering::Relaxed) >= plan.runs_max() {
                        return;
                    }
                    if let Some(stopped) = (watcher.stop)() {
                        lock().findings.stopped.get_or_insert(stopped);
                        over.store(true, Ordering::Relaxed);
                        return;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = plan.shard.seed(&plan.seeds, number) else { return };
                    let played = play(seed);
                    // A run that was given up says nothing of its seed.
                    if played.is_err() && (watcher.stop)() == Some(Stopped::Interrupted) {
                        lock().findings.stopped.get_or_insert(Stopped::Interrupted);
                    } else if lock().hand_in(number, (seed, played), watcher.progress) {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut desk = desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    if desk.findings.stopped == Some(Stopped::Interrupted) {
        desk.count_what_waits(watcher.progress);
    }
    desk.findings
}

/// Where runs are handed in, in whatever order, and counted in that of the seeds.
struct Desk<'a, S: System> {
    plan: &'a Plan<S>,
    required: Vec<S::Situation>,
    waiting: BTreeMap<u64, (u64, Played<S>)>,
    counted: u64,
    over: bool,
    findings: Findings<S>,
}

impl<'a, S: System> Desk<'a, S> {
    fn new(plan: &'a Plan<S>, findings: Findings<S>) -> Self {
        let (required, waiting) = (plan.required(), BTreeMap::new());
        Self { plan, required, waiting, counted: 0, over: false, findings }
    }

    /// Says whether the campaign is over: what comes later does not count.
    fn hand_in(
        &mut self,
        number: u64,
        (seed, mut played): (u64, Played<S>),
        progress: &dyn Fn(&mut Findings<S>, &Outcome<S>),
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
            self.count(seed, played, progress);
            if let Some(stopped) = self.reason_to_stop(seed) {
                self.findings.stopped = Some(stopped);
                self.over = true;
            }
        }
        self.over
    }

    /// Of a campaign that was interrupted, all that was played counts: seeds before it may be missing.
    fn count_what_waits(&mut self, progress: &dyn Fn(&mut Findings<S>, &Outcome<S>)) {
        for (seed, played) in std::mem::take(&mut self.waiting).into_values() {
            self.count(seed, played, progress);
        }
    }

    fn count(
        &mut self,
        seed: u64,
        played: Played<S>,
        progress: &dyn Fn(&mut Findings<S>, &Outcome<S>),
    ) {
        match played {
            Ok(outcome) => {
                self.findings.add(&outcome);
                progress(&mut self.findings, &outcome);
            }
            Err(skipped) => self.findings.skip(seed, skipped),
        }
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
