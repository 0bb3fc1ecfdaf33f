//! I34: nothing is left behind.

use signal_hub::hub::Sizes;

use super::super::{Invariant, Violation};

/// I34: with all clients gone and all deadlines past. `left` are the rows in the hub's tables.
///
/// # Errors
/// If anything is left.
pub fn check_rest(left: Sizes) -> Result<(), Violation> {
    let Sizes { sessions, addresses, topics, deadlines, tokens, dormant } = left;
    // Durable subscriptions stay.
    let addresses = addresses - dormant;
    let topics = if dormant > 0 { 0 } else { topics };
    if [sessions, addresses, topics, deadlines, tokens].iter().all(|count| *count == 0) {
        return Ok(());
    }
    Err(Violation::new(
        Invariant::I34,
        format!(
            "left are {sessions} sessions, {addresses} addresses, {topics} topics, \
             {deadlines} deadlines, {tokens} tokens"
        ),
    ))
}
