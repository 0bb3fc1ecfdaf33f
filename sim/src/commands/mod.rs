//! The larger commands, one file each.

mod files;

pub use files::{Adopt, Scenarios, Shrink};

use signal_hub_sim::backend::Outcome;

/// What a run comes to, for whoever started the program.
pub fn exit_code_of(outcome: &Outcome) -> u8 {
    match &outcome.violation {
        None => 0,
        Some(violation) if violation.invariant.is_liveness() => 3,
        Some(_) => 2,
    }
}
