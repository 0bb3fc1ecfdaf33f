//! L4, L5: what the director has waited for.

use std::time::Duration;

use signal_hub::hub::Sizes;

use super::super::resources::check_rest;
use super::super::{Invariant, Violation, text};

/// L4: a fresh message had not arrived when the network's latency was over.
pub fn probe_unanswered(probe: &str, within: Duration) -> Violation {
    let evidence = format!("the probe {probe} did not arrive in {}", text(within));
    Violation::new(Invariant::L4, evidence)
}

/// L5: what was left in the tables at the deadline, and what is `later`. What goes in the end is
/// late; what stays is a leak (I34).
///
/// # Errors
/// If anything was left.
pub fn check_rest_in_time(left: Sizes, later: Sizes) -> Result<(), Violation> {
    let Err(violation) = check_rest(left) else { return Ok(()) };
    check_rest(later)?;
    Err(Violation::new(Invariant::L5, violation.evidence.clone()))
}
