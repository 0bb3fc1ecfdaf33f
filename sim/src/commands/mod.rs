//! The larger commands, one file each.

mod bench;
mod explore;
mod files;
mod mutants;
mod progress;
mod run;

use std::time::{Duration, Instant};

pub use bench::Bench;
pub use explore::Explore;
pub use files::{Adopt, Scenarios, Shrink};
pub use mutants::Mutants;
pub use run::Run;
use signal_hub_sim::backend::Outcome;

/// What a run comes to, for whoever started the program.
pub fn exit_code_of(outcome: &Outcome) -> u8 {
    match &outcome.violation {
        None => 0,
        Some(violation) if violation.invariant.is_liveness() => 3,
        Some(_) => 2,
    }
}

/// The time of day, for people who wait.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "outside the simulation, for who waits")]
    Instant::now()
}

/// What this process took of all cores so far, where the system tells.
fn cpu_time() -> Option<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
