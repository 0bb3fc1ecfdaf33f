//! Mutants tried from outside: a hub with the bug in it, started as users start it, and judged by what clients see.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use dst::report;
use serde::Deserialize;

use super::patch::Mutant;
use crate::SignalHub;

/// The first seed.
const FIRST: u64 = 1;
/// Storms that each gets, until one fails.
const STORMS: u64 = 50;
/// How long the steps of each last.
const LASTS: &str = "12s";
/// Runs at the same time: most of a run is waiting.
const JOBS: &str = "50";

/// What came of one mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Which one.
    pub mutant: Mutant,
    /// What broke in the scenario files, and in how many of them.
    pub files: Option<(Vec<String>, usize)>,
    /// What broke in a storm, in the first that failed, and how many were played; only where no file did.
    pub storms: Option<(Vec<String>, u64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Results {
    runs: u64,
    skipped: BTreeMap<String, String>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    code: String,
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
struct Broken {
    count: usize,
}

impl Results {
    fn broken(&self) -> Vec<String> {
        let broken = self.rules.iter().filter(|rule| !rule.broken.is_empty());
        broken.map(|rule| rule.code.clone()).collect()
    }

    fn times(&self) -> usize {
        self.rules.iter().flat_map(|rule| &rule.broken).map(|broken| broken.count).sum()
    }
}

impl Outside {
    /// Tries a hub that was built with the mutant.
    ///
    /// # Errors
    /// If the trial itself fails, so that nothing is known.
    pub fn of(mutant: &Mutant, hub: &Path, source: &Path) -> Result<Self> {
        let files = against(hub, source, &["--conform", "--tries", "1"])?;
        let broken = |results: &Results| Some(results.broken()).filter(|broken| !broken.is_empty());
        let files = broken(&files).map(|names| (names, files.times()));
        if files.is_some() {
            return Ok(Self { mutant: mutant.clone(), files, storms: None });
        }
        let seeds = format!("{FIRST}..{}", FIRST + STORMS);
        let profile = report::profile_word::<SignalHub>(mutant.profile);
        let mut storms = vec!["--profile", &profile, "--seeds", &seeds, "--lasts", LASTS];
        storms.extend(["--shrink", "0s", "--fail-fast"]);
        let storms = against(hub, source, &storms)?;
        let storms = broken(&storms).map(|names| (names, storms.runs));
        Ok(Self { mutant: mutant.clone(), files, storms })
    }

    /// Returns whether it was found.
    pub const fn is_found(&self) -> bool {
        self.files.is_some() || self.storms.is_some()
    }

    /// For people, on one line.
    pub fn told(&self) -> String {
        format!("files: {}, storms: {}", self.in_files(), self.in_storms())
    }

    fn in_files(&self) -> String {
        let Some((names, files)) = &self.files else { return "-".to_owned() };
        format!("{} in {files}", names.join(", "))
    }

    fn in_storms(&self) -> String {
        let Some((names, runs)) = &self.storms else { return "-".to_owned() };
        format!("{} within {runs}", names.join(", "))
    }
}

/// All of them as a table, and how many were found.
pub fn markdown(all: &[Outside]) -> String {
    let found = all.iter().filter(|outside| outside.is_found()).count();
    let mut table = format!(
        "{found} of {} are found from outside.\n\n| mutant | what it declares | scenario files | storms | why not |\n\
         |---|---|---|---|---|\n",
        all.len()
    );
    for outside in all {
        let mutant = &outside.mutant;
        let why = match (&mutant.unseen, outside.is_found()) {
            (Some(why), false) => why.as_str(),
            _ => "",
        };
        let declared = mutant.declared().unwrap_or_default();
        table.push_str(&format!(
            "| {} | {declared} | {} | {} | {why} |\n",
            mutant.name,
            outside.in_files(),
            outside.in_storms()
        ));
    }
    table
}

fn against(hub: &Path, source: &Path, what: &[&str]) -> Result<Results> {
    let simulator = std::env::current_exe().context("nobody tells which program this is")?;
    let exec = format!("{} serve --listen 127.0.0.1:{{port}} --config {{config}}", hub.display());
    let output = Command::new(simulator)
        .args(["against", "--exec", &exec, "--format", "json", "--jobs", JOBS])
        .args(what)
        .current_dir(source)
        .stdin(Stdio::null())
        .output()
        .context("cannot start the trial")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.stdout.is_empty(), "it says nothing: {told}");
    let results: Results =
        serde_json::from_slice(&output.stdout).context("the results cannot be read")?;
    let why = results.skipped.values().next().map_or("", String::as_str);
    ensure!(results.runs > 0, "nothing could be played: {why}");
    Ok(results)
}
