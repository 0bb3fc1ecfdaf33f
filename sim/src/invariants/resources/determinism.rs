//! I35: a run is the same wherever it is played.

use super::super::{Invariant, Violation};

/// I35: compares what two processes tell of one run, line by line.
///
/// # Errors
/// If they differ.
pub fn check_same(here: &str, there: &str) -> Result<(), Violation> {
    if here == there {
        return Ok(());
    }
    let number = here.lines().zip(there.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(the end)").to_owned();
    let evidence = format!(
        "from line {} on:\nthis process:  {}\nother process: {}",
        number + 1,
        line(here),
        line(there)
    );
    Err(Violation::new(Invariant::I35, evidence))
}
