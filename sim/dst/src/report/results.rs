//! What a campaign came to, as programs read it, and as shards tell each other. No times: the same seeds
//! always give the same text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{failure, failure_command, profile_word, replay_file_command};
use crate::System;
use crate::campaign::{
    DistinctFailure, Failure, Findings, Plan, ShrunkFile, Stopped, Verdict, Won,
};
use crate::coverage::Situation;
use crate::seeds::Shard;

/// The version of the format; fields that are added do not change it.
const VERSION: u32 = 1;
/// Seeds that are told of failures that are alike.
pub(super) const SEEDS_MAX: usize = 20;

/// What a campaign came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Of the format.
    pub version: u32,
    /// As the command line has it.
    pub profile: String,
    /// As the command line has it.
    pub backend: String,
    /// From the first up to the last, which is left out.
    pub seeds: Range<u64>,
    /// Which of these seeds were to be played; all unless given.
    pub shard: Option<String>,
    /// What it means.
    pub verdict: Verdict,
    /// The program's.
    pub exit_code: u8,
    /// Runs that the backend could play.
    pub runs: u64,
    /// The seeds that it could not, each with the reason.
    pub skipped: BTreeMap<u64, String>,
    /// Events of all runs together.
    pub events: u64,
    /// Inputs that hubs handled, in all runs together.
    pub hub_inputs: u64,
    /// Virtual time of all runs together.
    pub simulated_milliseconds: u64,
    /// Tries that say nothing, because the machine stood still in them.
    pub standstills: usize,
    /// Seeds whose transcripts two backends agreed on.
    pub compared: u64,
    /// The steps of those seeds.
    pub compared_steps: u64,
    /// Why it ended before the last seed.
    pub stopped: Option<Stopped>,
    /// How many shapes a hub had; none told where shards were taken together.
    pub shapes: Option<usize>,
    /// The flags of a guided campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided: Option<String>,
    /// What its corpus came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won: Option<Won>,
    /// The failed runs, by seed.
    pub failures: Vec<FailedRun>,
    /// Those that are alike taken together, in the order of their first seeds.
    pub distinct_failures: Vec<Alike>,
    /// How often each situation came up.
    pub situations: Vec<Seen>,
    /// What had to come up and never did.
    pub missing: Vec<String>,
}

/// A failed run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRun {
    /// What was played.
    pub seed: u64,
    /// The code of what does not hold.
    pub invariant: String,
    /// The kind of event that broke it.
    pub broken_by: String,
    /// What was seen.
    pub evidence: String,
    /// The number of the event that broke it.
    pub event: u64,
    /// Plays the seed again.
    pub command: String,
    /// The scenario file that it was shrunk to, if it was.
    pub file: Option<PathBuf>,
}

/// Failures that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alike {
    /// The code of what does not hold.
    pub invariant: String,
    /// Its code and name.
    pub name: String,
    /// The kind of event that broke it.
    pub broken_by: String,
    /// What was seen in the first.
    pub evidence: String,
    /// How many there are.
    pub count: usize,
    /// The seed of the first.
    pub first_seed: u64,
    /// Some of their seeds, in ascending order.
    pub seeds: Vec<u64>,
    /// Plays the first again.
    pub command: String,
    /// The scenario file that the first was shrunk to, if it was.
    pub file: Option<PathBuf>,
    /// The first, for people.
    pub story: String,
}

/// How often a situation came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// What it is called.
    pub name: String,
    /// What counts as one.
    pub sentence: String,
    /// Whether it has to come up.
    pub required: bool,
    /// In all runs together.
    pub times: u64,
    /// In how many runs.
    pub runs: u64,
    /// In which run first.
    pub first_seed: Option<u64>,
}

impl Results {
    /// What a campaign of the plan found.
    pub fn of<S: System>(findings: &Findings<S>, plan: &Plan<S>) -> Self {
        let required = plan.required();
        let seen = findings.sightings.iter().map(|(situation, sighting)| Seen {
            name: situation.to_string(),
            sentence: situation.sentence().to_owned(),
            required: required.contains(&situation),
            times: sighting.times,
            runs: sighting.runs,
            first_seed: sighting.first_seed,
        });
        let failed = findings.failures.values();
        let distinct = findings.distinct_failures();
        let verdict = findings.verdict(plan);
        let skipped = findings.skipped.iter().map(|(seed, why)| (*seed, why.reason.clone()));
        Self {
            version: VERSION,
            profile: profile_word::<S>(plan.profile),
            backend: plan.backend.to_string(),
            seeds: plan.seeds.clone(),
            shard: (plan.shard != Shard::WHOLE).then(|| plan.shard.to_string()),
            verdict,
            exit_code: verdict.exit_code(),
            runs: findings.runs,
            skipped: skipped.collect(),
            events: findings.events,
            hub_inputs: findings.hub_inputs,
            simulated_milliseconds: findings.simulated.as_millis() as u64,
            standstills: findings.standstills,
            compared: findings.compared,
            compared_steps: findings.compared_steps,
            stopped: findings.stopped,
            shapes: Some(findings.shapes.len()),
            guided: plan.guided.clone(),
            won: findings.won,
            failures: failed.map(|failure| FailedRun::of(failure, plan)).collect(),
            distinct_failures: distinct.iter().map(|known| Alike::of(known, plan)).collect(),
            situations: seen.collect(),
            missing: findings.missing(plan).iter().map(ToString::to_string).collect(),
        }
    }

    /// As `--format json` has it.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("results are JSON")
    }
}

impl FailedRun {
    fn of<S: System>(failure: &Failure<S>, plan: &Plan<S>) -> Self {
        let seed = failure.outcome.seed;
        Self {
            seed,
            invariant: format!("{:?}", failure.violation.invariant),
            broken_by: failure.broken_by.clone(),
            evidence: failure.violation.evidence.clone(),
            event: failure.outcome.event_count,
            command: failure_command(failure, plan),
            file: failure.shrunk.as_ref().map(|shrunk| shrunk.file.clone()),
        }
    }
}

impl Alike {
    fn of<S: System>(distinct: &DistinctFailure<'_, S>, plan: &Plan<S>) -> Self {
        let DistinctFailure { first, seeds } = distinct;
        let run = FailedRun::of(first, plan);
        let (command, outcome) = match &first.shrunk {
            Some(ShrunkFile { file, outcome }) => {
                (replay_file_command::<S>(file, plan.backend), outcome)
            }
            None => (run.command, &first.outcome),
        };
        Self {
            invariant: run.invariant,
            name: first.violation.invariant.to_string(),
            broken_by: run.broken_by,
            evidence: run.evidence,
            count: seeds.len(),
            first_seed: run.seed,
            seeds: seeds.iter().take(SEEDS_MAX).copied().collect(),
            story: failure(outcome, &command),
            command,
            file: run.file,
        }
    }
}
