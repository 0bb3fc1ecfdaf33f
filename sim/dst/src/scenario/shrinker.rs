//! Makes a failing scenario as short as it can be: whatever can go while the same invariant still
//! breaks goes. It knows nothing of backends: whoever asks says what fails.

mod reduce;

use std::time::Duration;

pub(super) use self::reduce::fields;
use self::reduce::{resets, simpler, simpler_steps, without_entry};
use super::{Actor, Ending, Scenario, Step, What, When, Who, check};
use crate::System;
use crate::net::Fault;

/// What is known while it shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being tried.
    pub pass: &'static str,
    /// Scenarios played so far.
    pub tries: usize,
    /// Steps of the shortest that still fails.
    pub steps: usize,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk<S: System> {
    /// The shortest that still fails.
    pub scenario: Scenario<S>,
    /// Scenarios played.
    pub tries: usize,
    /// Whether nothing more can go; otherwise time was up.
    pub finished: bool,
}

/// Shrinks `scenario`, which fails at `failed_at`. `fails` plays a scenario and says whether it
/// fails in the same way, and when; `time_is_up` is asked before each try.
pub fn shrink<S: System>(
    scenario: &Scenario<S>,
    failed_at: Duration,
    fails: &mut dyn FnMut(&Scenario<S>) -> Option<Duration>,
    time_is_up: &mut dyn FnMut(Progress) -> bool,
) -> Shrunk<S> {
    let mut shrinker = Shrinker {
        best: scenario.clone(),
        failed_at,
        tries: 0,
        pass: "",
        up: false,
        fails,
        time_is_up,
    };
    loop {
        let before = shrinker.best.clone();
        shrinker.cut_the_end();
        shrinker.drop_steps(1);
        shrinker.drop_actors();
        shrinker.simplify_the_world();
        shrinker.simplify_steps();
        shrinker.bring_forward();
        if shrinker.up || shrinker.best == before {
            break;
        }
    }
    Shrunk { scenario: shrinker.best, tries: shrinker.tries, finished: !shrinker.up }
}

/// Takes steps out of a scenario, in parts down to a sixteenth, as long as `keeps` says that what is left is
/// as good.
pub fn thin<S: System>(
    scenario: &Scenario<S>,
    keeps: &mut dyn FnMut(&Scenario<S>) -> bool,
) -> Scenario<S> {
    let mut shrinker = Shrinker {
        best: scenario.clone(),
        failed_at: Duration::ZERO,
        tries: 0,
        pass: "",
        up: false,
        fails: &mut |candidate| keeps(candidate).then_some(Duration::ZERO),
        time_is_up: &mut |_| false,
    };
    shrinker.drop_steps(scenario.steps.len().div_ceil(16));
    shrinker.best
}

struct Shrinker<'a, S: System> {
    best: Scenario<S>,
    /// When the best one fails.
    failed_at: Duration,
    tries: usize,
    pass: &'static str,
    up: bool,
    fails: &'a mut dyn FnMut(&Scenario<S>) -> Option<Duration>,
    time_is_up: &'a mut dyn FnMut(Progress) -> bool,
}

impl<S: System> Shrinker<'_, S> {
    /// Keeps the candidate if it still fails.
    fn attempt(&mut self, candidate: Scenario<S>) -> bool {
        let progress =
            Progress { pass: self.pass, tries: self.tries, steps: self.best.steps.len() };
        self.up = self.up || (self.time_is_up)(progress);
        if self.up || candidate == self.best || check::check(&candidate).is_err() {
            return false;
        }
        self.tries += 1;
        match (self.fails)(&candidate) {
            Some(at) => {
                self.best = candidate;
                self.failed_at = at;
                true
            }
            None => false,
        }
    }

    fn with_steps(&self, steps: Vec<Step<S>>) -> Scenario<S> {
        Scenario { steps, ..self.best.clone() }
    }

    /// What comes after the failure has no part in it.
    fn cut_the_end(&mut self) {
        self.pass = "cutting the end";
        let waited = until(&self.best, self.failed_at);
        let steps = waited.steps[..waited.steps.len() - 1].to_vec();
        let stopped = Scenario { steps: steps.clone(), ..waited.clone() };
        let _ =
            self.attempt(stopped) || self.attempt(waited) || self.attempt(self.with_steps(steps));
    }

    /// Takes out ever smaller parts, down to so many steps.
    fn drop_steps(&mut self, least: usize) {
        self.pass = "dropping steps";
        let mut size = self.best.steps.len().div_ceil(2).max(1);
        loop {
            let mut from = self.best.steps.len();
            while from > 0 && !self.up {
                let until = from;
                from = from.saturating_sub(size);
                let mut steps = self.best.steps.clone();
                steps.drain(from..until.min(steps.len()));
                self.attempt(self.with_steps(steps));
            }
            if size <= least || self.up {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    fn drop_actors(&mut self) {
        self.pass = "dropping actors";
        for name in self.best.actors.iter().map(|actor| actor.name.clone()).collect::<Vec<_>>() {
            let actors: Vec<Actor> =
                self.best.actors.iter().filter(|actor| actor.name != name).cloned().collect();
            let steps = self.best.steps.iter().filter(|step| !names(step, &name)).cloned();
            let candidate = Scenario { actors, steps: steps.collect(), ..self.best.clone() };
            let clients = without_entry(&candidate.clients, &name);
            let _ =
                self.attempt(Scenario { clients, ..candidate.clone() }) || self.attempt(candidate);
        }
        for place in 0..self.best.actors.len() {
            let mut candidate = self.best.clone();
            candidate.actors[place].addresses.clear();
            self.attempt(candidate);
        }
    }

    /// Back to the defaults, all at once or one by one.
    fn simplify_the_world(&mut self) {
        self.pass = "simplifying hub and network";
        let plain = Scenario::<S>::default();
        self.attempt(Scenario { hub: plain.hub.clone(), ..self.best.clone() });
        self.attempt(Scenario { network: plain.network.clone(), ..self.best.clone() });
        self.attempt(Scenario { clients: plain.clients, ..self.best.clone() });
        while simpler(&self.best.clients)
            .into_iter()
            .any(|clients| self.attempt(Scenario { clients, ..self.best.clone() }))
        {}
        self.attempt(Scenario { seed: 0, ..self.best.clone() });
        for hub in resets(&self.best.hub) {
            let hub = hub(&self.best.hub);
            self.attempt(Scenario { hub, ..self.best.clone() });
        }
        for network in resets(&self.best.network) {
            let network = network(&self.best.network);
            self.attempt(Scenario { network, ..self.best.clone() });
        }
    }

    fn simplify_steps(&mut self) {
        self.pass = "simplifying steps";
        let mut place = 0;
        while place < self.best.steps.len() && !self.up {
            let mut simpler = simpler_steps(&self.best.steps[place]).into_iter();
            let is_simplified = simpler.any(|simpler| {
                let mut steps = self.best.steps.clone();
                steps[place] = simpler;
                self.attempt(self.with_steps(steps))
            });
            place += usize::from(!is_simplified);
        }
    }

    /// Less waiting between steps, and rounder times.
    fn bring_forward(&mut self) {
        self.pass = "bringing steps forward";
        for place in 0..self.best.steps.len() {
            let before = match place {
                0 => Duration::ZERO,
                _ => self.best.steps[place - 1].begins_at().unwrap_or_default(),
            };
            let Some(here) = self.best.steps[place].begins_at() else { continue };
            for gap in [0, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000] {
                let wanted = round(before) + Duration::from_millis(gap);
                if wanted >= here || self.attempt(self.moved(place, here - wanted)) {
                    break;
                }
            }
        }
    }

    /// All steps from `place` on come so much earlier.
    fn moved(&self, place: usize, earlier: Duration) -> Scenario<S> {
        let mut steps = self.best.steps.clone();
        for step in &mut steps[place..] {
            if let When::At(at) = &mut step.when {
                *at = at.saturating_sub(earlier);
            }
        }
        self.with_steps(steps)
    }
}

/// The scenario up to then, which waits a little and stops.
pub fn until<S: System>(scenario: &Scenario<S>, failed_at: Duration) -> Scenario<S> {
    let begun = |step: &&Step<S>| step.begins_at().is_none_or(|at| at <= failed_at);
    let begun = scenario.steps.iter().take_while(begun).cloned();
    let steps = begun.chain([heal_at(failed_at)]).collect();
    Scenario { ending: Ending::Stop, steps, ..scenario.clone() }
}

/// A step that does little but waits until then.
fn heal_at<S: System>(at: Duration) -> Step<S> {
    Step::fault(round(at) + Duration::from_millis(10), Fault::Heal)
}

/// Up to whole hundredths of a second.
fn round(time: Duration) -> Duration {
    let step = Duration::from_millis(10).as_nanos();
    let rounded = time.as_nanos().div_ceil(step) * step;
    Duration::from_nanos(u64::try_from(rounded).unwrap_or(u64::MAX))
}

/// Returns whether the step is of the actor or about its host.
fn names<S: System>(step: &Step<S>, actor: &str) -> bool {
    match &step.what {
        What::Act { who, speaker, act } => {
            let to = act.own().and_then(S::mentioned_actor);
            who.actor() == actor || to == Some(actor) || speaker.as_deref() == Some(actor)
        }
        What::Hub(_) => false,
        What::Network(fault) => fault
            .hosts()
            .iter()
            .any(|host| host.parse::<Who>().is_ok_and(|who| who.actor() == actor)),
    }
}
