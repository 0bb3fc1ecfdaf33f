//! Randomness, split by purpose: who draws more or less here changes nothing for anyone else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::hash::{mix, stable_hash};

/// One purpose's random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of `purpose` in the run of `seed`.
    pub(crate) fn split(seed: u64, purpose: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(mix(seed, stable_hash(purpose.as_bytes()))))
    }

    /// A number in `0..=most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let scaled = u128::from(self.0.next_u64()) * (u128::from(most) + 1);
        (scaled >> 64) as u64
    }

    /// Returns whether something with this many chances in a thousand happens.
    pub(crate) fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.up_to(999) < u64::from(per_mille)
    }

    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_differ_and_stay_in_bounds() {
        let mut one = Dice::split(1, "one");
        let mut two = Dice::split(1, "two");
        assert_ne!(one.seed(), two.seed());
        assert!((0..1000).all(|_| one.up_to(3) <= 3));
        assert!((0..1000).all(|_| one.happens(1000) && !one.happens(0)));
    }
}
