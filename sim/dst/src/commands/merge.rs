//! `merge`: the shards of a campaign, judged together.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::outputs::Outputs;
use crate::System;
use crate::report::Results;

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
        let shards = self.files.iter().map(|file| read(file)).collect::<anyhow::Result<_>>()?;
        outputs.tell::<S>(&Results::merged(shards)?, None)
    }
}

fn read(file: &Path) -> anyhow::Result<Results> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is not what `run --format json` of this version writes", file.display())
    })
}
