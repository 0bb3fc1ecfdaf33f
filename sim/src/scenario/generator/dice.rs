//! What a seed decides.

use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use signal_hub::protocol::Topic;

use super::LASTS;
use crate::net::{LinkConfig, Seen};
use crate::scenario::{ActorKind, Scenario};

const TOPICS: [&str; 4] = ["news", "sports", "weather", "chess"];

pub struct Dice {
    rng: ChaCha8Rng,
    lasts: Duration,
}

impl Dice {
    /// Each stream of a seed is another sequence.
    pub fn new(seed: u64, stream: u64, lasts: Duration) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rng, lasts }
    }

    /// Both ends included.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        self.rng.random_range(least..=most)
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.between(1, many) == 1
    }

    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(least..=most))
    }

    /// As often in a minute, both ends included.
    pub fn times_between(&mut self, least: usize, most: usize) -> usize {
        self.between(least, most) * self.lasts.as_secs() as usize / LASTS.as_secs() as usize
    }

    pub fn any_time(&mut self) -> Duration {
        let most = u64::try_from(self.lasts.as_millis()).unwrap_or(u64::MAX);
        self.millis(1_500, most - 1)
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        choices.choose(&mut self.rng).expect("there is something to choose from")
    }

    /// One that has a client.
    pub fn actor(&mut self, scenario: &Scenario) -> String {
        let clients = scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client);
        let names: Vec<&String> = clients.map(|actor| &actor.name).collect();
        (*self.pick(&names)).clone()
    }

    pub fn topic(&mut self) -> Topic {
        Topic::parse(self.pick::<&str>(&TOPICS)).expect("its topics are topics")
    }

    /// Soon, late, or never: the late close of a connection that its client has long replaced.
    pub fn seen(&mut self) -> Seen {
        match self.between(0, 3) {
            0 => Seen::Now,
            1 => Seen::Never,
            _ => Seen::After(self.millis(100, 6_000)),
        }
    }

    pub fn weather(&mut self) -> LinkConfig {
        LinkConfig {
            latency: self.millis(1, 300),
            jitter: self.millis(0, 200),
            bytes_per_second: self.one_in(4).then(|| self.rng.random_range(2_000..200_000)),
            window_bytes: self.between(2_048, 65_536),
            loss_per_mille: self.between(0, 200) as u16,
            fin: self.seen(),
            ..LinkConfig::default()
        }
    }
}
