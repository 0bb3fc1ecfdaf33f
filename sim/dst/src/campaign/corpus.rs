//! Scenarios that are worth changing, because each brought something that none before it had, and what
//! all runs came to. What comes of a seed depends on the seed and on what was taken in before it.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::System;
use crate::backend::Outcome;
use crate::scenario::{self, Scenario, Sources};

/// Scenarios that are kept.
const KEPT_MAX: usize = 500;
/// What runs can come to that is told apart; a shape beyond them is nothing new.
const KNOWN_MAX: usize = 200_000;
/// Of the streams of a seed, that of what is changed.
const CHANGES: u64 = 2_000;
/// Of so many runs one is a storm that nobody has changed: what is rare in changed ones may be common in those.
const FRESH_ONE_IN: u32 = 2;

/// Something that a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature<T, H> {
    /// It came up.
    Situation(T),
    /// The second came up next after the first.
    Pair(T, T),
    /// The hub had it.
    Shape(H),
}

/// The same in a campaign of the system.
pub type FeatureOf<S> = Feature<<S as System>::Situation, <S as System>::Shape>;

impl<T, H> Feature<T, H> {
    /// What a scenario is worth that alone comes to it: shapes are many.
    pub(super) const fn worth(&self) -> u64 {
        match self {
            Feature::Situation(_) => 100,
            Feature::Pair(..) => 10,
            Feature::Shape(_) => 1,
        }
    }
}

/// All that the run came to.
pub fn features<S: System>(outcome: &Outcome<S>) -> BTreeSet<FeatureOf<S>> {
    let seen = outcome.sightings.iter().filter(|(_, sighting)| sighting.runs > 0);
    let pairs = outcome.sightings.pairs().iter().map(|(one, other)| Feature::Pair(*one, *other));
    let shapes = outcome.shapes.iter().copied().map(Feature::Shape);
    seen.map(|(situation, _)| Feature::Situation(situation)).chain(pairs).chain(shapes).collect()
}

/// How many situations, pairs and shapes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// That came up.
    pub situations: usize,
    /// Of situations, the second next after the first.
    pub pairs: usize,
    /// That the hub had.
    pub shapes: usize,
}

impl Tally {
    /// Of these.
    pub fn of<'a, T: 'a, H: 'a>(features: impl IntoIterator<Item = &'a Feature<T, H>>) -> Self {
        let mut tally = Self::default();
        for feature in features {
            *match feature {
                Feature::Situation(_) => &mut tally.situations,
                Feature::Pair(..) => &mut tally.pairs,
                Feature::Shape(_) => &mut tally.shapes,
            } += 1;
        }
        tally
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.situations += other.situations;
        self.pairs += other.pairs;
        self.shapes += other.shapes;
    }
}

/// What is played under a seed.
#[derive(Debug, Clone)]
pub struct Candidate<S: System> {
    /// The scenario.
    pub scenario: Scenario<S>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a scenario comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The corpus that the campaign began with.
    Corpus,
    /// The generator.
    Fresh,
    /// The scenario at this place, changed.
    Changed(usize),
}

struct Entry<S: System> {
    scenario: Scenario<S>,
    is_new: bool,
    /// What it came to, by number.
    features: Vec<u32>,
    /// How often it was changed.
    changed: u64,
    energy: u64,
}

/// Scenarios that are worth changing.
pub struct Corpus<S: System> {
    profile: S::Profile,
    first_seed: u64,
    /// Those that it began with, in the order in which they are played.
    begun: Vec<Scenario<S>>,
    entries: Vec<Entry<S>>,
    known: BTreeMap<FeatureOf<S>, u32>,
    /// For each known feature what it is worth, and how many runs came to it.
    met: Vec<(u64, u64)>,
}

impl<S: System> Corpus<S> {
    /// That of a campaign from this seed on, which begins with these.
    pub fn new(profile: S::Profile, first_seed: u64, begun: Vec<Scenario<S>>) -> Self {
        let (entries, known, met) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { profile, first_seed, begun, entries, known, met }
    }

    /// How many it began with.
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        self.entries.len()
    }

    /// The kept ones that it did not begin with.
    pub fn new_ones(&self) -> impl Iterator<Item = &Scenario<S>> {
        self.entries.iter().filter(|entry| entry.is_new).map(|entry| &entry.scenario)
    }

    /// What is played under the seed: what it began with, as far as that goes; then what was kept, changed, or a
    /// storm of its own.
    pub fn candidate(&self, seed: u64) -> Candidate<S> {
        let number = usize::try_from(seed - self.first_seed).unwrap_or(usize::MAX);
        if let Some(begun) = self.begun.get(number) {
            return Candidate { scenario: begun.clone(), origin: Origin::Corpus };
        }
        let fresh = S::generate(self.profile, seed);
        let dice = &mut dice(seed);
        let changed = match (self.draw(dice), self.draw(dice)) {
            (Some(parent), Some(other)) if !dice.random_ratio(1, FRESH_ONE_IN) => {
                let [changed, other] = [parent, other].map(|place| &self.entries[place].scenario);
                let sources = Sources { parent: changed, other, fresh: &fresh };
                scenario::mutate(sources, dice).map(|changed| (parent, changed))
            }
            _ => None,
        };
        match changed {
            Some((parent, changed)) => {
                let title = format!("guided {seed}");
                let scenario = Scenario { title, seed, ..changed };
                Candidate { scenario, origin: Origin::Changed(parent) }
            }
            None => Candidate { scenario: fresh, origin: Origin::Fresh },
        }
    }

    /// One of the kept ones, by their energy.
    fn draw(&self, dice: &mut ChaCha8Rng) -> Option<usize> {
        let total: u64 = self.entries.iter().map(|entry| entry.energy).sum();
        let mut left = (total > 0).then(|| dice.random_range(0..total))?;
        self.entries.iter().position(|entry| {
            let is_drawn = left < entry.energy;
            left = left.saturating_sub(entry.energy);
            is_drawn
        })
    }

    /// Takes in what was played and what it came to, in the order of seeds; says what was new in it. A run that
    /// failed is over too early to be worth changing, and what is no storm cannot be changed.
    pub fn take_in(
        &mut self,
        candidate: Candidate<S>,
        features: BTreeSet<FeatureOf<S>>,
        has_failed: bool,
    ) -> Tally {
        if let Origin::Changed(parent) = candidate.origin
            && let Some(parent) = self.entries.get_mut(parent)
        {
            parent.changed += 1;
        }
        let mut new = Vec::new();
        let mut numbers = Vec::new();
        for feature in features {
            let next = self.met.len() as u32;
            if !self.known.contains_key(&feature) && self.met.len() < KNOWN_MAX {
                self.known.insert(feature, next);
                self.met.push((feature.worth(), 0));
                new.push(feature);
            }
            if let Some(number) = self.known.get(&feature) {
                self.met[*number as usize].1 += 1;
                numbers.push(*number);
            }
        }
        if !new.is_empty() && !has_failed && scenario::is_storm(&candidate.scenario) {
            let (scenario, is_new) = (candidate.scenario, candidate.origin != Origin::Corpus);
            self.entries.push(Entry { scenario, is_new, features: numbers, changed: 0, energy: 0 });
        }
        Tally::of(&new)
    }

    /// Between batches: whoever comes to what few runs come to, and was changed seldom, has the most energy; where
    /// there are too many, those with the least go.
    pub fn settle(&mut self) {
        for entry in &mut self.entries {
            let worth = entry.features.iter().map(|number| {
                let (worth, runs) = self.met[*number as usize];
                worth * 1_000 / runs.max(1)
            });
            entry.energy = worth.sum::<u64>() / (2 + entry.changed) + 1;
        }
        if self.entries.len() > KEPT_MAX {
            self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.energy));
            self.entries.truncate(KEPT_MAX);
        }
    }
}

fn dice(seed: u64) -> ChaCha8Rng {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(CHANGES);
    dice
}
