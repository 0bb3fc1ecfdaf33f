//! Tries a hub: storms, scenario files, and failures made small. A hub that nobody controls need not fail the same way
//! twice, so what counts is in how many of some tries it does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dst::backend::{self, Backend, Skipped};
use dst::campaign::{self, Findings, Plan, Watcher};
use dst::failures::Shrunk;
use dst::run::Keep;
use dst::scenario::{self, Progress, Step, What, When};
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
const AT_ONCE: usize = 24;
/// The longest pauses between steps that are tried in shrinking: what is left waits, and nothing else takes time.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// How much later than a failure its story ends: no two runs take the same time.
const SLACK: Duration = Duration::from_millis(500);

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

/// Makes a failure small. Each candidate is tried so many times, and is as good if it fails the same way in half of
/// them; where the failure always comes, it is given up after one try in which that does not.
pub struct Shrinker<'a> {
    target: &'a Arc<Target>,
    tries: usize,
    first_tries: usize,
    played: usize,
}

impl<'a> Shrinker<'a> {
    /// With so many tries of each candidate.
    pub fn new(target: &'a Arc<Target>, tries: usize) -> Self {
        let tries = tries.max(1);
        Self { target, tries, first_tries: tries, played: 0 }
    }

    /// Shrinks a scenario that failed like this; `time_is_up` is asked before each try.
    pub fn shrink(
        mut self,
        storm: &Scenario,
        outcome: &Outcome,
        time_is_up: &mut dyn FnMut(Progress) -> bool,
    ) -> Option<Small> {
        let violation = outcome.violation.clone()?;
        let (cut, when) = self.cut(storm, failed_at(outcome) + SLACK, &violation);
        let (thinned, when) = self.thin(&cut, when, &violation, time_is_up);
        let mut fails =
            |candidate: &Scenario| self.try_all(std::slice::from_ref(candidate), &violation)[0];
        let shrunk = scenario::shrink(&thinned, when, &mut fails, time_is_up);
        let again = vec![at(&shrunk.scenario, self.target); LAST_TRIES];
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
        let (storm, tries, finished) = (storm.clone(), self.played, shrunk.finished);
        Some(Small { shrunk: Shrunk { scenario, storm, tries, finished, outcome }, broke })
    }

    /// Ends the story soon after the failure: no candidate has to wait for what comes later. Tells as well how surely
    /// it fails.
    fn cut(
        &mut self,
        storm: &Scenario,
        when: Duration,
        violation: &Violation,
    ) -> (Scenario, Duration) {
        let cut = scenario::until(storm, when);
        let each = vec![at(&cut, self.target); self.tries];
        self.played += each.len();
        let played = play_all(&each, AT_ONCE, &|| false, &|| ());
        let failed = failures(&played, violation);
        if failed.len() == self.tries {
            self.first_tries = 1;
        }
        quorum(&failed, self.tries).map_or((storm.clone(), when), |when| (cut, when))
    }

    /// Drops what each actor does, then ever smaller parts of the steps, all parts of a size at once: waiting takes
    /// the time, not work.
    fn thin(
        &mut self,
        story: &Scenario,
        when: Duration,
        violation: &Violation,
        time_is_up: &mut dyn FnMut(Progress) -> bool,
    ) -> (Scenario, Duration) {
        let (mut best, mut when) = (story.clone(), when);
        let mut parts = 0;
        while parts <= 2 * best.steps.len() && best.steps.len() > 1 {
            let steps = best.steps.len();
            let progress = Progress { pass: "dropping parts", tries: self.played, steps };
            if time_is_up(progress) {
                break;
            }
            let part_of = if parts == 0 { by_actor(&best) } else { by_place(steps, parts) };
            match self.drop_parts(&best, &part_of, violation) {
                Some(smaller) => (best, when) = self.squeeze(smaller, violation),
                None => parts = (2 * parts).max(4),
            }
        }
        (best, when)
    }

    /// The smallest that still fails of those without parts of the steps that can go.
    fn drop_parts(
        &mut self,
        best: &Scenario,
        part_of: &[usize],
        violation: &Violation,
    ) -> Option<(Scenario, Duration)> {
        let without = |dropped: &[usize]| {
            let steps = best.steps.iter().zip(part_of).filter(|(_, part)| !dropped.contains(part));
            Scenario { steps: steps.map(|(step, _)| step.clone()).collect(), ..best.clone() }
        };
        let parts: BTreeSet<usize> = part_of.iter().copied().collect();
        let parts: Vec<[usize; 1]> = parts.into_iter().map(|part| [part]).collect();
        let candidates: Vec<Scenario> = parts.iter().map(|part| without(part)).collect();
        let found = self.try_all(&candidates, violation);
        let can_go: Vec<usize> =
            parts.iter().zip(&found).filter_map(|(part, when)| when.map(|_| part[0])).collect();
        // Not all that can go alone can go together.
        let sizes = std::iter::successors(Some(can_go.len()), |size| Some(size.div_ceil(2)));
        let sizes = sizes.take_while(|size| *size > 1).chain((can_go.len() == 2).then_some(2));
        let together: Vec<Scenario> =
            sizes.flat_map(|size| can_go.chunks(size)).map(without).collect();
        let joint = self.try_all(&together, violation);
        let all = together.into_iter().zip(joint).chain(candidates.into_iter().zip(found));
        let failing = all.filter_map(|(smaller, when)| Some((smaller, when?)));
        failing.min_by_key(|(smaller, _)| smaller.steps.len())
    }

    /// The soonest that still fails of the same steps with shorter pauses.
    fn squeeze(
        &mut self,
        (story, when): (Scenario, Duration),
        violation: &Violation,
    ) -> (Scenario, Duration) {
        let end = last_at(&story);
        let squeezed = PAUSES.into_iter().map(|pause| with_pauses(&story, pause));
        // What saves little costs more.
        let sooner: Vec<Scenario> =
            squeezed.filter(|squeezed| last_at(squeezed) + SLACK * 2 < end).collect();
        let failed = self.try_all(&sooner, violation);
        let failing =
            sooner.into_iter().zip(failed).find_map(|(sooner, when)| Some((sooner, when?)));
        failing.unwrap_or((story, when))
    }

    /// For each that fails: until when its story has to go.
    fn try_all(&mut self, candidates: &[Scenario], violation: &Violation) -> Vec<Option<Duration>> {
        let first = self.try_each(candidates, self.first_tries, violation);
        let rest = self.tries - self.first_tries;
        let is_open = |failed: &Vec<Duration>| rest > 0 && !failed.is_empty();
        let open = candidates.iter().zip(&first).filter(|(_, failed)| is_open(failed));
        let open: Vec<Scenario> = open.map(|(candidate, _)| candidate.clone()).collect();
        let mut more = self.try_each(&open, rest, violation).into_iter();
        let all = first.into_iter().map(|mut failed| {
            if is_open(&failed) {
                failed.extend(more.next().into_iter().flatten());
            }
            quorum(&failed, self.tries)
        });
        all.collect()
    }

    /// When each candidate failed, in each try in which it did.
    fn try_each(
        &mut self,
        candidates: &[Scenario],
        tries: usize,
        violation: &Violation,
    ) -> Vec<Vec<Duration>> {
        let again = |candidate| std::iter::repeat_n(at(candidate, self.target), tries);
        let each: Vec<Scenario> = candidates.iter().flat_map(again).collect();
        self.played += each.len();
        let played = play_all(&each, AT_ONCE, &|| false, &|| ());
        played.chunks(tries.max(1)).map(|tried| failures(tried, violation)).collect()
    }
}

fn last_at(story: &Scenario) -> Duration {
    story.steps.iter().filter_map(Step::begins_at).max().unwrap_or_default()
}

/// The same with no longer pauses between two steps than this.
fn with_pauses(story: &Scenario, pause: Duration) -> Scenario {
    let (mut before, mut saved) = (Duration::ZERO, Duration::ZERO);
    let mut steps = story.steps.clone();
    for step in &mut steps {
        if let When::At(at) = &mut step.when {
            saved += at.saturating_sub(before).saturating_sub(pause);
            before = *at;
            *at -= saved;
        }
    }
    Scenario { steps, ..story.clone() }
}

/// For each step the number of its actor, or of what the hub or the network does.
fn by_actor(story: &Scenario) -> Vec<usize> {
    let name = |step: &Step<AnyHub>| match &step.what {
        What::Act { who, .. } => who.to_string(),
        What::Hub(_) => "hub".to_owned(),
        What::Network(_) => "network".to_owned(),
    };
    let names: Vec<String> = story.steps.iter().map(name).collect();
    let mut all = names.clone();
    all.sort_unstable();
    names.iter().map(|name| all.partition_point(|other| other < name)).collect()
}

/// For each of so many steps its part, of parts of one size.
fn by_place(steps: usize, parts: usize) -> Vec<usize> {
    let size = steps.div_ceil(parts).max(1);
    (0..steps).map(|place| place / size).collect()
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

/// When each of them failed that failed the same way.
fn failures(played: &[Option<Result<Outcome, Skipped>>], violation: &Violation) -> Vec<Duration> {
    let failed = played.iter().flatten().flatten().filter(|outcome| is_same(outcome, violation));
    failed.map(failed_at).collect()
}

/// Until when a story has to go of which half of so many tries failed, at these times.
fn quorum(failed: &[Duration], tries: usize) -> Option<Duration> {
    failed.iter().max().filter(|_| 2 * failed.len() >= tries).map(|latest| *latest + SLACK)
}

fn failed_at(outcome: &Outcome) -> Duration {
    outcome.events.last().map_or(outcome.simulated, |event| event.at)
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
