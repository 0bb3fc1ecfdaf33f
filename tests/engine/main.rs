//! The promises of the engine that hubs share, held against what nodes asked and heard: of the stand-in, and, with the
//! feature `cluster`, of NATS. Revisions make the judgement linear, so histories are judged, never internals.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's leave to unwrap in tests does not reach their fixtures"
)]

mod history;
mod judge;
#[cfg(feature = "cluster")]
mod nats;
#[cfg(feature = "cluster")]
mod nats_access;
#[cfg(feature = "cluster")]
mod nats_run;
#[cfg(feature = "cluster")]
mod race;
#[cfg(feature = "cluster")]
mod servers;
/// Its own source, so that what tries NATS need not build the simulator, which asks it for more.
#[allow(dead_code)]
#[path = "../../sim/src/engine/mod.rs"]
mod stand_in;
mod stand_in_run;
mod watches;

use judge::judge;
use stand_in::Check;
use stand_in_run::{Faults, play};

const SEEDS: std::ops::Range<u64> = 0..300;

/// In how many of the seeds the judge finds something wrong.
fn broken(check: Check, faults: Faults) -> usize {
    let count = |seed: u64| 1 + seed as usize % 4;
    SEEDS.filter(|seed| !judge(&play(*seed, count(*seed), check, faults)).is_clean()).count()
}

#[test]
fn the_stand_in_keeps_all_promises() {
    for seed in SEEDS {
        let count = 1 + seed as usize % 4;
        let judged = judge(&play(seed, count, Check::Expected, Faults::None));
        assert!(judged.is_clean(), "seed {seed}: {judged:#?}");
        let judged = judge(&play(seed, count, Check::Expected, Faults::Allowed));
        assert_eq!(judged.wrong, [""; 0], "with faults, seed {seed}");
    }
}

#[test]
fn an_engine_that_does_not_look_at_what_a_write_expects_is_found() {
    assert_eq!(broken(Check::Nothing, Faults::None), SEEDS.count());
}

#[test]
fn an_engine_that_breaks_a_promise_is_found() {
    for (faults, least) in
        [(Faults::StaleReads, 200), (Faults::Forgets, 240), (Faults::Doubles, 200)]
    {
        let found = broken(Check::Expected, faults);
        assert!(found >= least, "{faults:?} in {found} of {SEEDS:?}");
    }
}

#[test]
fn a_seed_plays_the_same_run_each_time() {
    let [first, second] = [0, 1].map(|_| play(7, 4, Check::Expected, Faults::Allowed).records);
    assert_eq!(first, second);
}
