//! Storms as part of `cargo test`. `SIM_SEED=42` plays one seed, `SIM_SEEDS=1..1000` many;
//! `MADSIM_TEST_SEED` and `MADSIM_TEST_NUM` do the same.

use signal_hub_sim::backend::Backend;
use signal_hub_sim::campaign::{self, Plan, Watcher};
use signal_hub_sim::report;
use signal_hub_sim::scenario::Profile;
use signal_hub_sim::seeds::Seeds;

const PROFILE: Profile = Profile::Swarm;

#[test]
fn every_seed_keeps_every_invariant() {
    let seeds = Seeds::from_environment(|name| std::env::var(name).ok(), 0..300)
        .unwrap_or_else(|error| panic!("{error}"));
    let count = seeds.0.end - seeds.0.start;
    let findings = campaign::run(&Plan::of(PROFILE, Backend::Simulated, seeds.0), &Watcher::SILENT);
    assert_eq!(findings.runs, count);
    assert!(findings.hub_inputs > 100 * count, "a storm gives the hub something to do");
    let failures: Vec<String> = findings
        .failures
        .iter()
        .map(|(seed, failure)| {
            report::failure(
                &failure.outcome,
                &report::replay_command(PROFILE, Backend::Simulated, *seed),
            )
        })
        .collect();
    assert!(failures.is_empty(), "{} of {count} failed\n{}", failures.len(), failures.join("\n"));
}
