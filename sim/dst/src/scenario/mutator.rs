//! Changes a storm into another one: the shrinker's moves in reverse. It knows nothing of campaigns:
//! whoever asks says what is changed, and where more of the same comes from.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand_chacha::ChaCha8Rng;

use self::fields::{durations, one_field, one_setting, renamed};
use super::{Actor, ActorKind, Ending, Scenario, Step, What, When, Who, check};
use crate::System;
use crate::net::Fault;

/// Steps of a storm that comes of changes.
pub const STEPS_MAX: usize = 400;
/// How long its steps take at most.
pub const LASTS_MAX: Duration = Duration::from_secs(120);
/// Changes at once.
const MOVES_MAX: usize = 8;
/// How often other changes are tried where some make no sense.
const TRIES_MAX: usize = 8;
/// Steps that are taken over at once.
const TAKEN_MAX: usize = 16;
/// Near enough to a deadline to come before, with or after it, in milliseconds.
const NEAR: u64 = 60;

/// What a storm is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a, S: System> {
    /// What is changed.
    pub parent: &'a Scenario<S>,
    /// Another one that was worth keeping.
    pub other: &'a Scenario<S>,
    /// One that nobody has played.
    pub fresh: &'a Scenario<S>,
}

/// Returns whether it can be changed: its steps have times, and when they are over everybody gets the
/// time to come back.
pub fn is_storm<S: System>(scenario: &Scenario<S>) -> bool {
    scenario.ending == Ending::Calm
        && scenario.steps.iter().all(|step| step.begins_at().is_some())
        && scenario.steps.last().is_some_and(is_heal)
}

/// Another storm; none if nothing that was tried makes sense. The same dice always give the same one.
pub fn mutate<S: System>(sources: Sources<'_, S>, dice: &mut ChaCha8Rng) -> Option<Scenario<S>> {
    (0..TRIES_MAX).find_map(|_| {
        let mut mutation = Mutation::of(sources, dice);
        let moves = 1 + (1..MOVES_MAX).take_while(|_| mutation.dice.random_bool(0.7)).count();
        for _ in 0..moves {
            mutation.change();
        }
        let changed = mutation.end();
        let makes_sense = changed != *sources.parent
            && check::check(&changed).is_ok()
            && S::is_fair(&changed)
            && S::doubts(&changed).is_empty();
        makes_sense.then_some(changed)
    })
}

/// One on the way.
struct Mutation<'a, S: System> {
    sources: Sources<'a, S>,
    scenario: Scenario<S>,
    dice: &'a mut ChaCha8Rng,
}

impl<'a, S: System> Mutation<'a, S> {
    fn of(sources: Sources<'a, S>, dice: &'a mut ChaCha8Rng) -> Self {
        let mut scenario = sources.parent.clone();
        scenario.steps.retain(|step| !is_heal(step));
        Self { sources, scenario, dice }
    }

    /// In order, within bounds, and healed at the end.
    fn end(mut self) -> Scenario<S> {
        let steps = &mut self.scenario.steps;
        steps.retain(|step| time(step) <= LASTS_MAX);
        steps.sort_by_key(time);
        let excess = steps.len().saturating_sub(STEPS_MAX - 1);
        let from = self.dice.random_range(0..=steps.len() - excess);
        steps.drain(from..from + excess);
        let healed = self.sources.parent.steps.last().map_or(Duration::ZERO, time);
        let end = steps.last().map_or(healed, |last| time(last).max(healed));
        steps.push(Step::fault(end, Fault::Heal));
        self.scenario
    }

    fn change(&mut self) {
        match self.dice.random_range(0..18) {
            0..6 => self.insert(),
            6..8 => self.repeat(),
            8..9 => self.swap(),
            9..12 => self.splice(),
            12..15 => self.aim(),
            15..16 => self.vary(),
            _ => self.set(),
        }
    }

    fn donor(&mut self) -> &'a Scenario<S> {
        let Sources { other, fresh, .. } = self.sources;
        if self.dice.random_bool(0.5) { other } else { fresh }
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.dice.random_range(0..=most))
    }

    /// The place of a step, if there is one.
    fn place(&mut self) -> Option<usize> {
        let steps = self.scenario.steps.len();
        (steps > 0).then(|| self.dice.random_range(0..steps))
    }

    /// A step of one that nobody has played, or what a raw connection of it does in a row.
    fn insert(&mut self) {
        let fresh = self.sources.fresh;
        let raws: BTreeSet<&Who> = fresh.steps.iter().filter_map(raw).collect();
        let one = raws.into_iter().choose(self.dice).filter(|_| self.dice.random_bool(0.5));
        let row: Vec<&Step<S>> = match one {
            Some(one) => {
                let own = fresh.steps.iter().filter(|step| raw(step) == Some(one));
                own.take(TAKEN_MAX).collect()
            }
            None => {
                fresh.steps.choose(self.dice).filter(|step| !is_heal(step)).into_iter().collect()
            }
        };
        let begin = row.first().map_or(Duration::ZERO, |step| time(step));
        let near = self.place().filter(|_| self.dice.random_bool(0.5));
        let to = near.map_or(begin, |place| time(&self.scenario.steps[place]));
        let taken = row.into_iter().map(|step| at(step, time(step) + to - begin)).collect();
        self.take_over(taken, fresh);
    }

    /// A step happens again, at once or a little later.
    fn repeat(&mut self) {
        let Some(place) = self.place() else { return };
        let step = self.scenario.steps[place].clone();
        let gap_max = *[0, 50, 2_000].choose(self.dice).unwrap_or(&0);
        let mut begin = time(&step);
        for _ in 0..self.dice.random_range(1..=4) {
            begin += self.millis(gap_max);
            self.scenario.steps.push(at(&step, begin));
        }
    }

    /// Two steps change places.
    fn swap(&mut self) {
        let (Some(one), Some(other)) = (self.place(), self.place()) else { return };
        let steps = &mut self.scenario.steps;
        let times = (time(&steps[one]), time(&steps[other]));
        steps.swap(one, other);
        (steps[one].when, steps[other].when) = (When::At(times.0), When::At(times.1));
    }

    /// What another storm does from a time on, or for a while, comes in place of the rest, or on top.
    fn splice(&mut self) {
        let donor = self.donor();
        let begin = self.millis(50_000);
        let lasts = self.millis(30_000);
        let (replaces, end) =
            if self.dice.random_bool(0.5) { (true, LASTS_MAX) } else { (false, begin + lasts) };
        self.scenario.steps.retain(|step| !replaces || time(step) < begin);
        let taken = donor.steps.iter().filter(|step| !is_heal(step));
        let taken = taken.filter(|step| (begin..end).contains(&time(step)));
        self.take_over(taken.cloned().collect(), donor);
    }

    /// Clients that there are not are others here; whoever has none costs nothing and comes along.
    fn take_over(&mut self, steps: Vec<Step<S>>, donor: &'a Scenario<S>) {
        let known = |actors: &[Actor], name: &str| actors.iter().any(|actor| actor.name == name);
        let actors = self.scenario.actors.clone();
        let strangers = donor.actors.iter().filter(|actor| !known(&actors, &actor.name));
        let (raw, clients): (Vec<_>, Vec<_>) =
            strangers.partition(|actor| actor.kind == ActorKind::Raw);
        let own = actors.iter().filter(|actor| actor.kind == ActorKind::Client);
        let own: Vec<&str> = own.map(|actor| actor.name.as_str()).collect();
        let mut names = BTreeMap::new();
        for Actor { name, addresses, .. } in clients {
            for name in addresses.iter().chain([name]) {
                names.extend(own.choose(self.dice).map(|own| (name.as_str(), *own)));
            }
        }
        self.scenario.actors.extend(raw.into_iter().cloned());
        let taken = steps
            .into_iter()
            .filter_map(|step| if names.is_empty() { Some(step) } else { renamed(&step, &names) });
        self.scenario.steps.extend(taken);
    }

    /// A step moves to where another one begins, or to where something is due that began there: a time
    /// that the hub, the clients or the other step itself bears.
    fn aim(&mut self) {
        let (Some(place), Some(other)) = (self.place(), self.place()) else { return };
        let target = &self.scenario.steps[other];
        let mut waits = durations(&self.scenario.hub);
        waits.extend(durations(&self.scenario.clients));
        waits.extend(durations(target));
        waits.push(Duration::ZERO);
        let due = time(target) + waits.choose(self.dice).copied().unwrap_or_default();
        let near = self.millis(NEAR);
        let aimed = match self.dice.random_range(0..3) {
            0 => due,
            1 => due + near,
            _ => due.saturating_sub(near),
        };
        self.scenario.steps[place].when = When::At(aimed);
    }

    /// A field of a step is as in another step that does the same.
    fn vary(&mut self) {
        let Some(place) = self.place() else { return };
        let donor = self.donor();
        let varied = one_field(&self.scenario.steps[place], &donor.steps, self.dice);
        if let Some(varied) = varied {
            self.scenario.steps[place] = varied;
        }
    }

    /// A bound or another setting is as in another storm, or the network is.
    fn set(&mut self) {
        let donor = self.donor();
        match self.dice.random_range(0..8) {
            0 => self.scenario.network = donor.network.clone(),
            1 => {
                let changed = one_setting(&self.scenario.clients, &donor.clients, self.dice);
                self.scenario.clients = changed.unwrap_or_else(|| self.scenario.clients.clone());
            }
            2 => self.scenario.hub = donor.hub.clone(),
            _ => {
                let changed = one_setting(&self.scenario.hub, &donor.hub, self.dice);
                self.scenario.hub = changed.unwrap_or_else(|| self.scenario.hub.clone());
            }
        }
    }
}

fn time<S: System>(step: &Step<S>) -> Duration {
    step.begins_at().unwrap_or_default()
}

/// The same at another time.
fn at<S: System>(step: &Step<S>, begin: Duration) -> Step<S> {
    Step { when: When::At(begin), what: step.what.clone() }
}

/// The raw connection whose step it is.
fn raw<S: System>(step: &Step<S>) -> Option<&Who> {
    match &step.what {
        What::Act { who: who @ Who::Raw(..), .. } => Some(who),
        What::Act { .. } | What::Hub(_) | What::Network(_) => None,
    }
}

fn is_heal<S: System>(step: &Step<S>) -> bool {
    matches!(step.what, What::Network(Fault::Heal))
}
