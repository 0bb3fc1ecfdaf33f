//! I34: nothing is left behind.

use super::super::{Invariant, Violation};

/// I34: with all clients gone and all deadlines past. `left` are the rows in the hub's tables.
///
/// # Errors
/// If anything is left.
pub fn check_rest(left: [usize; 5]) -> Result<(), Violation> {
    let [sessions, addresses, topics, deadlines, tokens] = left;
    if left == [0; 5] {
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
