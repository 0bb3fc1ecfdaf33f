//! L4, L5: what the director has waited for.

use std::time::Duration;

use signal_hub::hub::Sizes;

use super::super::resources::check_rest;
use super::super::{Invariant, Violation, text};

/// L4: whether a fresh message `has_arrived` when the network's latency was over.
///
/// # Errors
/// If it has not.
pub fn check_probe(probe: &str, has_arrived: bool, within: Duration) -> Result<(), Violation> {
    if has_arrived {
        Ok(())
    } else {
        let evidence = format!("the probe {probe} did not arrive in {}", text(within));
        Err(Violation::new(Invariant::L4, evidence))
    }
}

/// L5: what was left in the tables at the deadline, and what is `later`. What goes in the end is
/// late; what stays is a leak (I34).
///
/// # Errors
/// If anything was left.
pub fn check_rest_in_time(left: Sizes, later: Sizes) -> Result<(), Violation> {
    let Err(violation) = check_rest(left) else { return Ok(()) };
    check_rest(later)?;
    Err(Violation::new(Invariant::L5, violation.evidence))
}
