//! What came up in a run so far.

use super::{Sightings, Situation};

const SITUATIONS: usize = Situation::ALL.len();

pub struct Seen {
    times: [u64; SITUATIONS],
    /// Of each, which came up next after it.
    next: Vec<[bool; SITUATIONS]>,
    latest: Option<Situation>,
}

impl Default for Seen {
    fn default() -> Self {
        let next = vec![[false; SITUATIONS]; SITUATIONS];
        Self { times: [0; SITUATIONS], next, latest: None }
    }
}

impl Seen {
    pub fn note(&mut self, situation: Situation) {
        self.times[situation as usize] += 1;
        if let Some(before) = self.latest.replace(situation).filter(|before| *before != situation) {
            self.next[before as usize][situation as usize] = true;
        }
    }

    pub fn sightings(&self, seed: u64) -> Sightings {
        let all = || Situation::ALL.iter().copied();
        let pairs = all().flat_map(|one| all().map(move |other| (one, other)));
        let pairs = pairs.filter(|(one, other)| self.next[*one as usize][*other as usize]);
        Sightings::of_run(seed, |situation| self.times[situation as usize]).with_pairs(pairs)
    }
}
