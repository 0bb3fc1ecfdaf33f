//! Several results of one hub as one: what storms found, and what scenario files.

use super::super::results::{Results, Rule, VERSION};

/// Why results cannot be taken together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are results of version {0}, and this program reads {VERSION}")]
pub struct NotMerged(u32);

/// Takes the results of each hub together; hubs, rules and files keep the order in which they come.
///
/// # Errors
/// If some are of another version.
pub fn merged(all: Vec<Results>) -> Result<Vec<Results>, NotMerged> {
    let mut merged: Vec<Results> = Vec::new();
    for results in all {
        if results.version != VERSION {
            return Err(NotMerged(results.version));
        }
        match merged.iter_mut().find(|known| known.hub == results.hub) {
            Some(known) => add(known, results),
            None => merged.push(results),
        }
    }
    Ok(merged)
}

fn add(known: &mut Results, other: Results) {
    known.played = format!("{}; {}", known.played, other.played);
    known.runs += other.runs;
    known.skipped.extend(other.skipped);
    known.verdict = known.verdict.max(other.verdict);
    known.exit_code = known.verdict.exit_code();
    known.files.extend(other.files);
    known.once.extend(other.once);
    for rule in other.rules {
        match known.rules.iter_mut().find(|known| known.code == rule.code) {
            Some(known) => add_rule(known, rule),
            None => known.rules.push(rule),
        }
    }
}

fn add_rule(known: &mut Rule, other: Rule) {
    known.promised |= other.promised;
    known.decided += other.decided;
    known.undecided += other.undecided;
    known.broken.extend(other.broken);
    known.broken.sort_by_key(|broken| broken.steps.unwrap_or(usize::MAX));
}
