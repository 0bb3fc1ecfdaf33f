//! The hub's only randomness: ids and tokens from a generator that the caller seeds.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use uuid::Uuid;

/// A source of version 4 UUIDs. The same seed gives the same sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids(ChaCha12Rng);

impl Ids {
    /// Ids from `seed`. Renewal tokens are among them, so the seed of a real hub must be secret.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// The key for hashes of what clients choose: without it nobody can find two asks or two names
    /// with one hash.
    pub fn hash_key(&self) -> [u8; 16] {
        // Another stream of the same seed, so that no id depends on it.
        let mut stream = ChaCha12Rng::from_seed(self.0.get_seed());
        stream.set_stream(1);
        stream.random::<u128>().to_le_bytes()
    }

    /// The key for digests of asks, as secret as the other.
    pub fn digest_key(&self) -> [u64; 4] {
        let mut stream = ChaCha12Rng::from_seed(self.0.get_seed());
        stream.set_stream(2);
        stream.random()
    }

    /// An id that was never given before.
    pub fn fresh(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random::<u128>().to_le_bytes()).into_uuid()
    }
}
