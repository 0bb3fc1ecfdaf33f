//! How often each situation came up, in one run and in many.

use super::Situation;

const SITUATIONS: usize = Situation::ALL.len();

/// How often one situation came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sighting {
    pub times: u64,
    /// In how many runs.
    pub runs: u64,
    /// In which run first.
    pub first_seed: Option<u64>,
}

/// How often each situation came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sightings([Sighting; SITUATIONS]);

impl Default for Sightings {
    fn default() -> Self {
        Self([Sighting::default(); SITUATIONS])
    }
}

impl Sightings {
    /// What the run of one seed came to.
    pub fn of_run(seed: u64, times: impl Fn(Situation) -> u64) -> Self {
        let mut sightings = Self::default();
        for (sighting, situation) in sightings.0.iter_mut().zip(Situation::ALL) {
            let times = times(*situation);
            let seen = times > 0;
            *sighting = Sighting { times, runs: seen.into(), first_seed: seen.then_some(seed) };
        }
        sightings
    }

    /// Adds what other runs came to.
    pub fn merge(&mut self, others: &Sightings) {
        for (sighting, other) in self.0.iter_mut().zip(&others.0) {
            sighting.times += other.times;
            sighting.runs += other.runs;
            let first = [sighting.first_seed, other.first_seed].into_iter().flatten().min();
            sighting.first_seed = first;
        }
    }

    pub fn of(&self, situation: Situation) -> Sighting {
        self.0[situation as usize]
    }

    /// All situations, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (Situation, Sighting)> + '_ {
        Situation::ALL.iter().map(|situation| (*situation, self.of(*situation)))
    }

    /// Those of the required that never came up.
    pub fn missing(&self, required: &[Situation]) -> Vec<Situation> {
        required.iter().copied().filter(|situation| self.of(*situation).runs == 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, seen: Situation, times: u64) -> Sightings {
        Sightings::of_run(seed, |situation| if situation == seen { times } else { 0 })
    }

    #[test]
    fn runs_add_up_in_any_order() {
        let [one, other] = [run(7, Situation::QueueFull, 3), run(4, Situation::QueueFull, 1)];
        let (mut ab, mut ba) = (one.clone(), other.clone());
        ab.merge(&other);
        ba.merge(&one);
        assert_eq!(ab, ba);
        let expected = Sighting { times: 4, runs: 2, first_seed: Some(4) };
        assert_eq!(ab.of(Situation::QueueFull), expected);
    }

    #[test]
    fn what_never_came_up_is_missing() {
        let seen = run(1, Situation::QueueFull, 1);
        let required = [Situation::QueueFull, Situation::HubPaused];
        assert_eq!(seen.missing(&required), [Situation::HubPaused]);
    }
}
