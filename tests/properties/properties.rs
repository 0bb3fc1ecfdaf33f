//! Generated cases against reference models (docs/SIMULATION.md): the hub against another hub,
//! written from the protocol alone, and the client's state against the little that it promises.
//! `PROPTEST_CASES` says how many, `PROPTEST_RNG_SEED` which.

mod client_against_model;
mod hub_against_model;

mod scenarios;
mod tokens;

mod client_model;
mod client_moves;
mod comparison;
mod model;
mod regression;

use proptest::test_runner::{Config, RngSeed};

/// The same cases every time, unless the environment wants more or others.
fn config() -> Config {
    let wanted = Config::default();
    let rng_seed = match wanted.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    Config { rng_seed, failure_persistence: None, ..wanted }
}
