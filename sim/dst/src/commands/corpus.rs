//! `distill`, and the folders that guided campaigns begin with and leave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstream::println;
use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::System;
use crate::backend::{self, Backend, Outcome};
use crate::campaign::{self, Bounds, Choice, Feature, FeatureOf, Plan, Tally, Watcher};
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
    /// Where the set is left; what an earlier call left there goes.
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
        let choices = self.choices(&scenarios, |place| scenarios[place].clone())?;
        let all = union::<S>(&choices);
        let chosen = campaign::distill(&choices, Bounds { bytes: usize::MAX, ..CORPUS });
        let wanted = own::<S>(&chosen, &choices);
        let thinned = Mutex::new(BTreeMap::new());
        let choices = self.choices(&chosen, |number| {
            let thin = self.thin(&scenarios[chosen[number]], &wanted[number]);
            lock(&thinned).insert(number, thin.clone());
            thin
        })?;
        let thinned = lock(&thinned);
        let kept = campaign::distill(&choices, CORPUS);
        let before =
            if self.into.exists() { failures::scenarios_in(&self.into)? } else { Vec::new() };
        for file in before.iter().filter(|file| is_kept_in(&self.into, file)) {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        keep(&self.into, kept.iter().map(|number| &thinned[number]))?;
        let choices: Vec<Chosen<S>> = kept.iter().map(|number| choices[*number].clone()).collect();
        let bytes: usize = choices.iter().map(|choice| choice.bytes).sum();
        // A step less can bring about what none of them came to.
        let met = Tally::of(union::<S>(&choices).intersection(&all));
        let all = Tally::of(&all);
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

    /// What each comes to; `scenario` is asked for it once.
    fn choices<S: System, T: Sync>(
        &self,
        all: &[T],
        scenario: impl Fn(usize) -> Scenario<S> + Sync,
    ) -> anyhow::Result<Vec<Chosen<S>>> {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        let plan = Plan {
            jobs: self.jobs.or_else(cores).unwrap_or(1),
            ..Plan::of(S::Profile::default(), self.backend, 0..all.len() as u64)
        };
        let choices = Mutex::new(BTreeMap::new());
        let play = |place| {
            let scenario = scenario(place as usize);
            let outcome = backend::play(&scenario, self.backend, Keep::Nothing)?;
            let (bytes, features) =
                (scenario::write(&scenario).len(), campaign::features(&outcome));
            lock(&choices).insert(place, (scenario.title, Choice { bytes, features }));
            Ok(Outcome { seed: place, ..outcome })
        };
        let findings = campaign::run_with(&plan, &play, &Watcher::SILENT);
        let choices = choices.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((place, failure)) = findings.failures.first_key_value() {
            let (title, invariant) = (&choices[place].0, failure.violation.invariant);
            bail!("{title} breaks {invariant}: what fails is for `shrink` and `adopt`");
        }
        if let Some(skipped) = findings.skipped.into_values().next() {
            return Err(skipped.into());
        }
        Ok(choices.into_values().map(|(_, choice)| choice).collect())
    }

    /// Without the steps that it takes for nothing that is wanted.
    fn thin<S: System>(&self, storm: &Scenario<S>, wanted: &BTreeSet<FeatureOf<S>>) -> Scenario<S> {
        scenario::thin(storm, &mut |candidate| {
            let is_storm = scenario::is_storm(candidate);
            let played = is_storm.then(|| backend::play(candidate, self.backend, Keep::Nothing));
            played.and_then(Result::ok).is_some_and(|outcome| {
                outcome.violation.is_none() && wanted.is_subset(&campaign::features(&outcome))
            })
        })
    }
}

/// What each brings that those before it do not, but for shapes: any step less changes them.
fn own<S: System>(chosen: &[usize], choices: &[Chosen<S>]) -> Vec<BTreeSet<FeatureOf<S>>> {
    let mut covered = BTreeSet::new();
    let own = chosen.iter().map(|place| {
        let features = choices[*place].features.iter().copied();
        let is_new = |feature: &FeatureOf<S>| covered.insert(*feature);
        let new = features.filter(is_new).filter(|feature| !matches!(feature, Feature::Shape(_)));
        new.collect()
    });
    own.collect()
}

fn union<S: System>(choices: &[Chosen<S>]) -> BTreeSet<FeatureOf<S>> {
    choices.iter().flat_map(|choice| choice.features.iter().copied()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Returns whether [`keep`] could have left it there: what somebody else did is nobody's to remove.
fn is_kept_in(folder: &Path, file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let (rank, hash) = name.split_once('-').unwrap_or(("0", name));
    let is_rank = rank.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_rank && is_hash && file.parent() == Some(folder)
}

/// Leaves each in a file that is named after its place and what it is.
pub fn keep<'a, S: System>(
    folder: &Path,
    scenarios: impl Iterator<Item = &'a Scenario<S>>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write to {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    for (place, scenario) in scenarios.enumerate() {
        let text = scenario::write(scenario);
        let name = format!("{place:03}-{:016x}.json", stable_hash(text.as_bytes()));
        fs::write(folder.join(name), text).with_context(failed)?;
    }
    Ok(())
}
