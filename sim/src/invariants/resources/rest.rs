//! I34: nothing is left behind.

use signal_hub::hub::Sizes;

use super::super::{Invariant, Violation};

/// I34: with all clients gone and all deadlines past. `left` are the rows in the hub's tables.
///
/// # Errors
/// If anything is left.
pub fn check_rest(left: Sizes) -> Result<(), Violation> {
    let Sizes { sessions, addresses, topics, deadlines, tokens } = left;
    if left == Sizes::default() {
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
