//! How often each situation came up, in one run and in many, and which came right after which.
//!
//! ```
//! use dst::coverage::{Situation, Sightings};
//!
//! #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
//! enum Trouble {
//!     Reset,
//!     Stall,
//! }
//!
//! # impl std::fmt::Display for Trouble {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
//! #         write!(f, "{self:?}")
//! #     }
//! # }
//! #
//! impl Situation for Trouble {
//!     const ALL: &'static [Self] = &[Trouble::Reset, Trouble::Stall];
//!
//!     fn index(self) -> usize {
//!         self as usize
//!     }
//!
//!     fn sentence(self) -> &'static str {
//!         "A connection had it."
//!     }
//! }
//!
//! let run = |seed, resets| {
//!     Sightings::of_run(seed, |trouble| if trouble == Trouble::Reset { resets } else { 0 })
//! };
//! let mut campaign = run(1, 0);
//! campaign.merge(&run(2, 3));
//! let resets = campaign.of(Trouble::Reset);
//! assert_eq!((resets.times, resets.runs, resets.first_seed), (3, 1, Some(2)));
//! // That no run failed says nothing of stalls.
//! assert_eq!(campaign.missing(Trouble::ALL), [Trouble::Stall]);
//! ```

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use serde::Serialize;

/// Something that has to come up in a campaign before its silence proves anything.
pub trait Situation:
    Debug
    + Display
    + Clone
    + Copy
    + PartialEq
    + Eq
    + PartialOrd
    + Ord
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// Every situation, in the order of reports.
    const ALL: &'static [Self];

    /// Its place among all.
    fn index(self) -> usize;

    /// What counts as one.
    fn sentence(self) -> &'static str;
}

/// How often one situation came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sighting {
    /// In all runs together.
    pub times: u64,
    /// In how many runs.
    pub runs: u64,
    /// In which run first.
    pub first_seed: Option<u64>,
}

/// How often each situation came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sightings<T> {
    /// One for each situation.
    sightings: Vec<Sighting>,
    /// The second came up next after the first.
    pairs: BTreeSet<(T, T)>,
}

impl<T: Situation> Default for Sightings<T> {
    fn default() -> Self {
        Self { sightings: vec![Sighting::default(); T::ALL.len()], pairs: BTreeSet::new() }
    }
}

impl<T: Situation> Sightings<T> {
    /// What the run of one seed came to.
    pub fn of_run(seed: u64, times: impl Fn(T) -> u64) -> Self {
        let mut sightings = Self::default();
        for (sighting, situation) in sightings.sightings.iter_mut().zip(T::ALL) {
            let times = times(*situation);
            let seen = times > 0;
            *sighting = Sighting { times, runs: seen.into(), first_seed: seen.then_some(seed) };
        }
        sightings
    }

    /// With the pairs in which they came up, the second next after the first.
    #[must_use]
    pub fn with_pairs(self, pairs: impl IntoIterator<Item = (T, T)>) -> Self {
        Self { pairs: pairs.into_iter().collect(), ..self }
    }

    /// The same of a run that counts under another seed.
    #[must_use]
    pub fn counted_as(mut self, seed: u64) -> Self {
        for sighting in &mut self.sightings {
            sighting.first_seed = sighting.first_seed.map(|_| seed);
        }
        self
    }

    /// Adds what other runs came to.
    pub fn merge(&mut self, others: &Self) {
        for (sighting, other) in self.sightings.iter_mut().zip(&others.sightings) {
            sighting.times += other.times;
            sighting.runs += other.runs;
            let first = [sighting.first_seed, other.first_seed].into_iter().flatten().min();
            sighting.first_seed = first;
        }
        self.pairs.extend(&others.pairs);
    }

    /// The pairs that came up, the second next after the first.
    pub fn pairs(&self) -> &BTreeSet<(T, T)> {
        &self.pairs
    }

    /// How often this one came up.
    pub fn of(&self, situation: T) -> Sighting {
        self.sightings[situation.index()]
    }

    /// All situations, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (T, Sighting)> + '_ {
        T::ALL.iter().map(|situation| (*situation, self.of(*situation)))
    }

    /// Those of the required that never came up.
    pub fn missing(&self, required: &[T]) -> Vec<T> {
        required.iter().copied().filter(|situation| self.of(*situation).runs == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
    enum Weather {
        Rain,
        Snow,
    }

    impl Display for Weather {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl Situation for Weather {
        const ALL: &'static [Self] = &[Weather::Rain, Weather::Snow];

        fn index(self) -> usize {
            self as usize
        }

        fn sentence(self) -> &'static str {
            "It falls."
        }
    }

    fn run(seed: u64, seen: Weather, times: u64) -> Sightings<Weather> {
        Sightings::of_run(seed, |situation| if situation == seen { times } else { 0 })
    }

    #[test]
    fn runs_add_up_in_any_order() {
        let [one, other] = [run(7, Weather::Rain, 3), run(4, Weather::Rain, 1)];
        let other = other.with_pairs([(Weather::Rain, Weather::Snow)]);
        let (mut ab, mut ba) = (one.clone(), other.clone());
        ab.merge(&other);
        ba.merge(&one);
        assert_eq!(ab, ba);
        let expected = Sighting { times: 4, runs: 2, first_seed: Some(4) };
        assert_eq!(ab.of(Weather::Rain), expected);
        assert!(ab.pairs().iter().eq([&(Weather::Rain, Weather::Snow)]));
    }

    #[test]
    fn what_never_came_up_is_missing() {
        let seen = run(1, Weather::Rain, 1);
        let required = [Weather::Rain, Weather::Snow];
        assert_eq!(seen.missing(&required), [Weather::Snow]);
    }
}
