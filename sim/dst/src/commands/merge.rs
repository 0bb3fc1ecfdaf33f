//! `merge`: the shards of a campaign, judged together.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::outputs::Outputs;
use crate::System;
use crate::report::{NotMerged, Results};

/// Judges the shards of a campaign together: only then it is void if none met what all had to.
#[derive(Args)]
pub struct Merge {
    /// What each shard wrote to stdout with --format json.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

impl Merge {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If a file cannot be read or written, or they are not all shards of one campaign.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let outputs = self.outputs.open()?;
        let mut campaigns: Vec<Vec<Results>> = Vec::new();
        for file in &self.files {
            // A night has one of each profile.
            for (place, results) in read(file)?.into_iter().enumerate() {
                match campaigns.get_mut(place) {
                    Some(shards) => shards.push(results),
                    None => campaigns.push(vec![results]),
                }
            }
        }
        let merged = campaigns.into_iter().map(|shards| Ok((Results::merged(shards)?, None)));
        outputs.tell_all::<S>(&merged.collect::<Result<Vec<_>, NotMerged>>()?)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<Results>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = serde_json::Deserializer::from_str(&text).into_iter::<Results>();
    let read = read.collect::<Result<Vec<_>, _>>();
    let read = read.and_then(|all| if all.is_empty() { Err(no_results()) } else { Ok(all) });
    read.with_context(|| {
        format!("{} is not what `run --format json` of this version writes", file.display())
    })
}

fn no_results() -> serde_json::Error {
    serde::de::Error::custom("it is empty")
}
