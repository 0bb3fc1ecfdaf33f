//! Randomness, split by purpose: who draws more or less here changes nothing for anyone else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stable 64-bit hash of bytes, the same in every process and build: FNV-1a over words of eight
/// bytes, each followed by a shift that lets high bits reach low ones.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(OFFSET, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
    mix(hash, bytes.len() as u64)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(PRIME);
    product ^ (product >> 32)
}

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

    /// Whether something with this many chances in a thousand happens.
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
    fn a_hash_is_the_same_for_ever_and_sees_every_byte() {
        assert_eq!(stable_hash(b""), 0xaf63_bd4c_2962_0a93);
        assert_ne!(stable_hash(b"12345678"), stable_hash(b"1234567\x008"));
        assert_ne!(stable_hash(b"a"), stable_hash(b"a\0"));
    }

    #[test]
    fn splits_differ_and_stay_in_bounds() {
        let mut one = Dice::split(1, "one");
        let mut two = Dice::split(1, "two");
        assert_ne!(one.seed(), two.seed());
        assert!((0..1000).all(|_| one.up_to(3) <= 3));
        assert!((0..1000).all(|_| one.happens(1000) && !one.happens(0)));
    }
}
