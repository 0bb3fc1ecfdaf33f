//! `distill`, and the folders that guided campaigns begin with and leave.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anstream::println;
use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::System;
use crate::backend::{self, Backend, Outcome};
use crate::campaign::{self, Bounds, Choice, Findings, Plan, Tally, Watcher};
use crate::failures;
use crate::hash::stable_hash;
use crate::run::Keep;
use crate::scenario::{self, Scenario};

/// What the kept corpus may take: `cargo test` plays it.
const CORPUS: Bounds = Bounds { files: 200, bytes: 1 << 20 };

/// Leaves the smallest set of storms that come to all that those of some folders come to.
#[derive(Args)]
pub struct Distill {
    /// Where they are.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Where the set is left; other scenario files in this folder go.
    #[arg(long, value_name = "DIR", default_value = failures::CORPUS)]
    into: PathBuf,
    /// What they are played on.
    #[arg(long, value_enum, default_value_t = Backend::Message)]
    backend: Backend,
    /// Threads; all cores unless given.
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    jobs: Option<usize>,
}

impl Distill {
    /// Does it.
    ///
    /// # Errors
    /// If a file cannot be read or written, is no storm, or fails.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let mut scenarios = Vec::new();
        for folder in &self.folders {
            let read = read::<S>(folder)?.into_iter();
            scenarios
                .extend(read.filter(|scenario| !scenarios.contains(scenario)).collect::<Vec<_>>());
        }
        let choices = self.choices(&scenarios)?;
        let kept = campaign::distill(&choices, CORPUS);
        let stale =
            if self.into.exists() { failures::scenarios_in(&self.into)? } else { Vec::new() };
        for file in stale {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        keep(&self.into, kept.iter().map(|place| &scenarios[*place]))?;
        let bytes: usize = kept.iter().map(|place| choices[*place].bytes).sum();
        let all: BTreeSet<_> = choices.iter().flat_map(|choice| &choice.features).collect();
        let met: BTreeSet<_> = kept.iter().flat_map(|place| &choices[*place].features).collect();
        let (all, met) = (Tally::of(all), Tally::of(met));
        println!(
            "kept     {} of {} scenarios, {} KiB, in {}\n\
             met      {} of {} situations, {} of {} pairs, {} of {} shapes",
            kept.len(),
            scenarios.len(),
            bytes.div_ceil(1024),
            self.into.display(),
            met.situations,
            all.situations,
            met.pairs,
            all.pairs,
            met.shapes,
            all.shapes,
        );
        Ok(ExitCode::SUCCESS)
    }

    /// What each comes to.
    fn choices<S: System>(&self, scenarios: &[Scenario<S>]) -> anyhow::Result<Vec<Chosen<S>>> {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        let plan = Plan {
            jobs: self.jobs.or_else(cores).unwrap_or(1),
            ..Plan::of(S::Profile::default(), self.backend, 0..scenarios.len() as u64)
        };
        let play = |place| {
            let played = backend::play(&scenarios[place as usize], self.backend, Keep::Nothing)?;
            Ok(Outcome { seed: place, ..played })
        };
        let choices = Mutex::new(Vec::new());
        let progress = |_: &mut Findings<S>, outcome: &Outcome<S>| {
            let bytes = scenario::write(&scenarios[outcome.seed as usize]).len();
            let mut choices = choices.lock().unwrap_or_else(PoisonError::into_inner);
            choices.push(Choice { bytes, features: campaign::features(outcome) });
        };
        let watcher = Watcher { progress: &progress, ..Watcher::SILENT };
        let findings = campaign::run_with(&plan, &play, &watcher);
        if let Some((place, failure)) = findings.failures.first_key_value() {
            let (title, invariant) =
                (&scenarios[*place as usize].title, failure.violation.invariant);
            bail!("{title} breaks {invariant}: what fails is for `shrink` and `adopt`");
        }
        if let Some(skipped) = findings.skipped.into_values().next() {
            return Err(skipped.into());
        }
        Ok(choices.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

type Chosen<S> = Choice<<S as System>::Situation, <S as System>::Shape>;

/// The storms of a folder, in the order of their names.
pub fn read<S: System>(folder: &Path) -> anyhow::Result<Vec<Scenario<S>>> {
    let files = failures::scenarios_in(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let read = files.iter().map(|file| {
        let scenario = scenario::read_file::<S>(file)?;
        ensure!(
            scenario::is_storm(&scenario),
            "{}: no storm: its steps need times, the last one heals, and the ending is calm",
            file.display()
        );
        Ok(scenario)
    });
    read.collect()
}

/// Leaves each in a file that is named after what it is.
pub fn keep<'a, S: System>(
    folder: &Path,
    scenarios: impl Iterator<Item = &'a Scenario<S>>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    for scenario in scenarios {
        let text = scenario::write(scenario);
        let name = format!("{:016x}.json", stable_hash(text.as_bytes()));
        fs::write(folder.join(name), text).with_context(failed)?;
    }
    Ok(())
}
