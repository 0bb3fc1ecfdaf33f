//! The ledger of nights: what was swept, a line each, so that no two nights sweep the same.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::results::Results;

/// Seeds of a night, for each profile.
pub const NIGHT: u64 = 1_000_000;

/// What was swept of one profile's seeds in a night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// Of what was played.
    pub commit: String,
    /// Its number.
    pub night: u64,
    /// As the command line has it.
    pub profile: String,
    /// As the command line has it.
    pub backend: String,
    /// All of the night.
    pub seeds: Range<u64>,
    /// Which share of them was to be swept; all unless given.
    pub shard: Option<String>,
    /// How many of the share, from its first on, were.
    pub swept: u64,
    /// How often each invariant broke.
    pub broken: BTreeMap<String, u64>,
    /// In how many runs each situation came up, if in any.
    pub situations: BTreeMap<String, u64>,
}

/// The seeds of a night; none of one that is too far away.
pub fn night(number: u64) -> Option<Range<u64>> {
    let first = number.checked_mul(NIGHT)?;
    Some(first..first.checked_add(NIGHT)?)
}

impl Sweep {
    /// What these results are of a night.
    pub fn of(results: &Results, night: u64, commit: &str) -> Self {
        let mut broken = BTreeMap::new();
        for alike in &results.distinct_failures {
            *broken.entry(alike.invariant.clone()).or_default() += alike.count as u64;
        }
        let met = results.situations.iter().filter(|seen| seen.runs > 0);
        Self {
            commit: commit.to_owned(),
            night,
            profile: results.profile.clone(),
            backend: results.backend.clone(),
            seeds: results.seeds.clone(),
            shard: results.shard.clone(),
            swept: results.runs + results.skipped.len() as u64,
            broken,
            situations: met.map(|seen| (seen.name.clone(), seen.runs)).collect(),
        }
    }

    /// As the ledger has it.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a sweep is JSON") + "\n"
    }
}
