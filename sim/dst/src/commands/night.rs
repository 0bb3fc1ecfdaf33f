//! `run --night`: every profile, as far as the time goes, and a ledger of what was swept.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;

use super::outputs::Output;
use super::run::Run;
use crate::System;
use crate::backend::Backend;
use crate::interrupt;
use crate::report::{self, Sweep};

/// Sweeps the night's seeds with one profile after the other. What fails is counted, and the first of each kind
/// shrunk; the rest is swept all the same.
pub fn sweep<S: System>(run: &Run<S>, night: u64) -> anyhow::Result<ExitCode> {
    ensure!(
        run.backend != Backend::Real,
        "--night does nothing with --backend real: time is short"
    );
    let seeds = report::night(night).context("--night is too far away: no seed is so high")?;
    interrupt::listen();
    let mut ledger = run.ledger.as_deref().map(Output::append).transpose()?;
    let outputs = run.outputs.open()?;
    let (commit, budget) = (commit(), run.budget.context("--night needs a --budget")?);
    let profiles = S::Profile::value_variants();
    let (mut swept, mut spent) = (Vec::new(), Duration::ZERO);
    for (place, profile) in profiles.iter().enumerate() {
        // What one profile leaves is for the others; what one takes too much is not theirs to lack.
        let left = budget.saturating_sub(spent) / (profiles.len() - place) as u32;
        let share = left.max(budget / profiles.len() as u32);
        let plan = run.plan(*profile, seeds.clone())?;
        let (results, pace) = run.play(&plan, Some(share), Vec::new())?;
        spent += pace.took;
        if let Some(ledger) = &mut ledger {
            ledger.add(&Sweep::of(&results, night, &commit).line())?;
        }
        swept.push((results, Some(pace)));
        if interrupt::came() {
            break;
        }
    }
    outputs.tell_all::<S>(&swept)
}

/// What was built, as far as anybody can tell.
fn commit() -> String {
    let told = || {
        let mut git = Command::new("git");
        let output = git.args(["rev-parse", "HEAD"]).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    std::env::var("GITHUB_SHA").ok().or_else(told).unwrap_or_else(|| "unknown".to_owned())
}
