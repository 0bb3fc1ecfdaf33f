//! The shards of a campaign, judged as the whole: a situation that one of them met has come up.

use super::results::{Alike, Results, SEEDS_MAX, Seen};
use crate::campaign::Verdict;
use crate::seeds::Shard;

/// Why results cannot be taken together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotMerged {
    /// There are none.
    #[error("there are no results")]
    Nothing,
    /// One is of a whole campaign.
    #[error("seeds {0} were played as a whole: only shards are merged")]
    Whole(String),
    /// Two are of different campaigns.
    #[error("{0} and {1} are not of the same campaign")]
    Different(String, String),
    /// One is there twice, or too much.
    #[error("shard {0} is there more than once")]
    Twice(String),
    /// One is not there: what it would have found is not known.
    #[error("shard {0} is missing: play it, or look why its job wrote nothing")]
    Missing(String),
}

impl Results {
    /// Takes the results of all shards of a campaign together.
    ///
    /// # Errors
    /// If they are not exactly that.
    pub fn merged(shards: Vec<Self>) -> Result<Self, NotMerged> {
        check(&shards)?;
        let worst = shards.iter().map(|shard| shard.verdict).filter(|verdict| verdict.is_failure());
        let worst = worst.max().unwrap_or(Verdict::Passed);
        let mut shards = shards.into_iter();
        let mut whole = shards.next().ok_or(NotMerged::Nothing)?;
        for shard in shards {
            whole.add(shard);
        }
        whole.failures.sort_by_key(|failure| failure.seed);
        whole.distinct_failures.sort_by_key(|alike| alike.first_seed);
        let never = whole.situations.iter().filter(|seen| seen.required && seen.runs == 0);
        whole.missing = never.map(|seen| seen.name.clone()).collect();
        whole.verdict = worst.after(whole.runs, whole.missing.len(), whole.stopped);
        whole.exit_code = whole.verdict.exit_code();
        // Which shapes two shards had in common is not told.
        (whole.shard, whole.shapes) = (None, None);
        Ok(whole)
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.skipped.extend(other.skipped);
        self.events += other.events;
        self.hub_inputs += other.hub_inputs;
        self.simulated_milliseconds += other.simulated_milliseconds;
        self.standstills += other.standstills;
        self.compared += other.compared;
        self.compared_steps += other.compared_steps;
        self.stopped = self.stopped.or(other.stopped);
        self.failures.extend(other.failures);
        for alike in other.distinct_failures {
            let known = self.distinct_failures.iter_mut().find(|known| {
                known.invariant == alike.invariant && known.broken_by == alike.broken_by
            });
            match known {
                Some(known) => known.add(alike),
                None => self.distinct_failures.push(alike),
            }
        }
        for seen in other.situations {
            match self.situations.iter_mut().find(|known| known.name == seen.name) {
                Some(known) => known.add(&seen),
                None => self.situations.push(seen),
            }
        }
    }
}

impl Alike {
    fn add(&mut self, mut other: Self) {
        if other.first_seed < self.first_seed {
            std::mem::swap(self, &mut other);
        }
        self.count += other.count;
        self.seeds.extend(other.seeds);
        self.seeds.sort_unstable();
        self.seeds.truncate(SEEDS_MAX);
    }
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.times += other.times;
        self.runs += other.runs;
        self.first_seed = [self.first_seed, other.first_seed].into_iter().flatten().min();
    }
}

/// Whether they are all shards of one campaign, each once.
fn check(shards: &[Results]) -> Result<(), NotMerged> {
    let first = shards.first().ok_or(NotMerged::Nothing)?;
    let mut parts = Vec::new();
    for shard in shards {
        let campaign = |results: &Results| {
            let (Results { profile, backend, seeds, .. }, of) = (results, results.part()?.1);
            let seeds = format!("{}..{}", seeds.start, seeds.end);
            Ok(format!("seeds {seeds} of {profile} on {backend} in {of} shards"))
        };
        let (one, other) = (campaign(first)?, campaign(shard)?);
        if one != other {
            return Err(NotMerged::Different(one, other));
        }
        parts.push(shard.part()?);
    }
    parts.sort_unstable();
    for (number, (part, of)) in (1..).zip(&parts) {
        let name = |number: u64| format!("{number}/{of}");
        if *part > number {
            return Err(NotMerged::Missing(name(number)));
        } else if *part < number {
            return Err(NotMerged::Twice(name(*part)));
        }
    }
    match parts.last() {
        Some((part, of)) if part < of => Err(NotMerged::Missing(format!("{}/{of}", part + 1))),
        Some(_) | None => Ok(()),
    }
}

impl Results {
    /// Which of how many shards they are of.
    fn part(&self) -> Result<(u64, u64), NotMerged> {
        let shard = self.shard.as_ref().and_then(|shard| shard.parse::<Shard>().ok());
        let whole = || NotMerged::Whole(format!("{}..{}", self.seeds.start, self.seeds.end));
        shard.map(Shard::part).ok_or_else(whole)
    }
}
