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
use signal_hub_sim::campaign::Verdict;

/// What a run comes to, for whoever started the program.
pub fn exit_code_of(outcome: &Outcome) -> u8 {
    Verdict::of(outcome.violation.iter().map(|violation| violation.invariant)).exit_code()
}

/// The time of day, for people who wait.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "outside the simulation, for who waits")]
    Instant::now()
}

/// What this process took of all cores so far, where the system tells.
fn cpu_time() -> Option<Duration> {
    #[cfg(unix)]
    return rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().ok();
    #[cfg(not(unix))]
    return None;
}
