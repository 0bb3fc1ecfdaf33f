//! `bench`: what a hub input costs with all checks on, and whether long runs make it dearer.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use crate::System;
use crate::backend::{self, Backend};
use crate::report;
use crate::run::Keep;
use anstream::{eprintln, println};
use clap::Args;

use super::{cpu_time, now};

/// How long the two kinds of storms last, in simulated time.
const SHORT: Duration = Duration::from_secs(100);
const LONG: Duration = Duration::from_secs(1_000);
/// From here on the cost of an event grows with the length of a run.
const GROWTH_MAX: f64 = 1.2;

/// Measures what a hub input costs, with all checks on, on one core.
#[derive(Args)]
pub struct Bench<S: System> {
    /// Long storms; ten times as many short ones are played beside them.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    storms: u64,
    #[arg(long, value_enum, default_value = report::profile_word::<S>(S::Profile::default()))]
    profile: S::Profile,
    /// Measures this one alone.
    #[arg(long, value_enum)]
    backend: Option<Backend>,
}

/// What some runs cost.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    events: u64,
    hub_inputs: u64,
    cpu: Duration,
}

impl<S: System> Bench<S> {
    /// Does it.
    pub fn run(self) -> ExitCode {
        if cfg!(debug_assertions) {
            eprintln!("these are the numbers of a build without --release");
        }
        let backends = match self.backend {
            Some(backend) => vec![backend],
            None => vec![Backend::Message, Backend::Simulated],
        };
        for backend in backends {
            println!("on {backend}");
            self.measure_one(backend);
        }
        ExitCode::SUCCESS
    }

    fn measure_one(&self, backend: Backend) {
        let (mut short, mut long) = (Cost::default(), Cost::default());
        // In turn, so that whatever else the machine does slows both.
        for seed in 0..self.storms {
            short.add(play::<S>(self.profile, backend, seed * 10..(seed + 1) * 10, SHORT));
            long.add(play::<S>(self.profile, backend, seed..seed + 1, LONG));
        }
        for (what, cost) in [("100 s storms  ", short), ("1,000 s storms", long)] {
            println!(
                "{what}: {:.0} ns/event, {:.0} hub inputs per CPU second ({} events, {:.1} s)",
                cost.nanos_per_event(),
                cost.inputs_per_second(),
                cost.events,
                cost.cpu.as_secs_f64()
            );
        }
        let growth = long.nanos_per_event() / short.nanos_per_event();
        let verdict = if growth <= GROWTH_MAX { "does not grow" } else { "GROWS" };
        println!("ratio: {growth:.2}; the cost of an event {verdict} with the length of a run");
    }
}

/// Plays the storms of these seeds. Generating them does not count.
fn play<S: System>(
    profile: S::Profile,
    backend: Backend,
    seeds: Range<u64>,
    lasts: Duration,
) -> Cost {
    let storms = seeds.map(|seed| S::generate_lasting(profile, seed, lasts));
    let storms: Vec<_> = storms.collect();
    let mut cost = Cost::default();
    let (begun, cpu_begun) = (now(), cpu_time());
    for scenario in &storms {
        match backend::play(scenario, backend, Keep::Nothing) {
            Ok(outcome) => {
                cost.events += outcome.event_count;
                cost.hub_inputs += outcome.hub_inputs;
                if let Some(violation) = &outcome.violation {
                    eprintln!("seed {} failed: {}", scenario.seed, violation.invariant);
                }
            }
            Err(skipped) => eprintln!("seed {}: {skipped}", scenario.seed),
        }
    }
    let cpu = cpu_time().zip(cpu_begun).map(|(end, begun)| end.saturating_sub(begun));
    Cost { cpu: cpu.unwrap_or_else(|| now() - begun), ..cost }
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.events += other.events;
        self.hub_inputs += other.hub_inputs;
        self.cpu += other.cpu;
    }

    fn nanos_per_event(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.events.max(1) as f64
    }

    fn inputs_per_second(&self) -> f64 {
        self.hub_inputs as f64 / self.cpu.as_secs_f64().max(1e-9)
    }
}
