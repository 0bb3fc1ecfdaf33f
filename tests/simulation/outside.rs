//! This hub judged from outside: storms of the simulated hub, of which the judge sees what clients did and saw alone.
//! `SIM_SEEDS=1..1000` plays others.

use std::time::Duration;

use signal_hub_sim::against::judge::{FROM_OUTSIDE, Finding};
use signal_hub_sim::against::outside;
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::invariants::Invariant;
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Profile};
use signal_hub_sim::seeds::Seeds;

/// Nothing takes longer here than the networks of storms.
const PATIENCE: Duration = Duration::from_secs(2);
const PROFILES: [Profile; 5] =
    [Profile::Swarm, Profile::Storm, Profile::Takeover, Profile::Halfopen, Profile::Restart];

#[test]
fn no_storm_of_this_hub_looks_broken_from_outside() {
    let seeds = Seeds::from_environment(|name| std::env::var(name).ok(), 0..20)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut failures = Vec::new();
    let mut findings = dst::coverage::Sightings::<Finding>::default();
    for profile in PROFILES {
        for seed in seeds.0.clone() {
            let mut storm = scenario::generate(profile, seed);
            storm.clients.tokens.clear();
            // What a hub keeps is not judged from outside.
            scenario::leave_recovery_out(&mut storm);
            storm.clients.store = None;
            let Ok(outcome) = backend::play(&storm, Backend::Message, Keep::All) else { continue };
            let seen = outside::judged(&storm, &outcome.events, PATIENCE);
            findings.merge(&seen.findings);
            if let Some((place, violation)) = seen.violation {
                let (invariant, evidence) = (violation.invariant, violation.evidence.clone());
                failures.push(format!("{profile:?} {seed} event {place}: {invariant}: {evidence}"));
            }
        }
    }
    for invariant in FROM_OUTSIDE {
        let times = |decided| findings.of(Finding { invariant, decided }).times;
        eprintln!("{invariant}: {} decided, {} undecided", times(true), times(false));
        // Probes are in other words here, and hardly anybody loses an address once the faults are over.
        let rare = [Invariant::L4, Invariant::L6].contains(&invariant);
        assert!(times(true) > 0 || rare, "{invariant} was never decided");
    }
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
}
