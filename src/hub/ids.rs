//! The hub's only randomness: ids and tokens from a generator that the caller seeds.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use uuid::Uuid;

/// A source of version 4 UUIDs. The same seed gives the same sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    random: ChaCha12Rng,
    /// The latest message's, whose last byte counts.
    message: u128,
}

impl Ids {
    /// Ids from `seed`. Renewal tokens are among them, so the seed of a real hub must be secret.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { random: ChaCha12Rng::from_seed(seed), message: u128::MAX }
    }

    /// The key for hashes of what clients choose: without it nobody can find two asks or two names
    /// with one hash.
    pub fn hash_key(&self) -> [u8; 16] {
        // Another stream of the same seed, so that no id depends on it.
        let mut stream = ChaCha12Rng::from_seed(self.random.get_seed());
        stream.set_stream(1);
        stream.random::<u128>().to_le_bytes()
    }

    /// The key for digests of asks, as secret as the other.
    pub fn digest_key(&self) -> [u64; 4] {
        let mut stream = ChaCha12Rng::from_seed(self.random.get_seed());
        stream.set_stream(2);
        stream.random()
    }

    /// An id that was never given before, and that nobody can guess.
    pub fn fresh(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random::<u128>().to_le_bytes()).into_uuid()
    }

    /// An id that was never given before. Who knows one may guess its neighbours, for up to 256 in a row share what is
    /// random: a publication draws once for its copies.
    #[inline]
    pub fn of_message(&mut self) -> Uuid {
        self.message = match self.message as u8 {
            u8::MAX => self.random.random::<u128>() & !u128::from(u8::MAX),
            _ => self.message + 1,
        };
        uuid::Builder::from_random_bytes(self.message.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_messages_are_version_4_and_never_come_twice() {
        let mut ids = Ids::new([7; 32]);
        let drawn: Vec<Uuid> = (0..1_000).map(|_| ids.of_message()).collect();
        assert!(drawn.iter().all(|id| id.get_version_num() == 4));
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
        let heads: BTreeSet<_> = drawn.iter().map(|id| &id.as_bytes()[..15]).collect();
        assert_eq!(heads.len(), 1_000_usize.div_ceil(256));
    }

    #[test]
    fn what_nobody_may_guess_does_not_follow_from_ids_of_messages() {
        let mut ids = Ids::new([7; 32]);
        let [one, token, other] = [ids.of_message(), ids.fresh(), ids.of_message()];
        assert_eq!(one.as_bytes()[..15], other.as_bytes()[..15]);
        assert_ne!(one.as_bytes()[..8], token.as_bytes()[..8]);
    }
}
