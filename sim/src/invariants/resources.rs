//! Nothing is left behind: I34.

use signal_hub::hub::Counters;

use super::{Invariant, Violation};

/// I34: with all clients gone and all deadlines past. `left` are the rows in the hub's tables.
pub fn check_rest(left: [usize; 5], counters: &Counters) -> Result<(), Violation> {
    let breach = |evidence: String| Err(Violation::new(Invariant::I34, evidence));
    let [sessions, addresses, topics, deadlines, tokens] = left;
    if left != [0; 5] {
        return breach(format!(
            "left are {sessions} sessions, {addresses} addresses, {topics} topics, \
             {deadlines} deadlines, {tokens} tokens"
        ));
    }
    if counters.sessions_opened != counters.sessions_closed {
        return breach(format!(
            "{} sessions opened and {} closed",
            counters.sessions_opened, counters.sessions_closed
        ));
    }
    let answered = counters.requests_handled
        + counters.requests_refused
        + counters.frames_malformed
        + counters.frames_ignored;
    if counters.frames_received != answered {
        return breach(format!(
            "{} frames received and {answered} accounted for",
            counters.frames_received
        ));
    }
    Ok(())
}
