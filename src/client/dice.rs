//! The client's only randomness: message ids and jitter, from a generator that the caller seeds.

use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use uuid::Uuid;

/// A source of version 4 UUIDs and of jitter. The same seed gives the same sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dice(ChaCha12Rng);

impl Dice {
    /// Dice that `seed` determines.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// The next id.
    pub fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random::<u128>().to_le_bytes()).into_uuid()
    }

    /// A random duration from half of `most` to `most`, in whole milliseconds.
    pub fn jitter(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.0.random_range(most / 2..=most))
    }
}
