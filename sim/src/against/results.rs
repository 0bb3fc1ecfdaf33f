//! What came of testing a hub: each rule, each file, each failure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dst::campaign::{Findings, Stopped, Verdict};
use dst::coverage::Sightings;
use serde::{Deserialize, Serialize};

use super::AnyHub;
use super::dialect::Promises;
use super::judge::{FROM_OUTSIDE, Finding, is_judged};
use super::report::Moment;
use crate::invariants::Invariant;

/// The version of the format; fields that are added do not change it.
pub(super) const VERSION: u32 = 1;

/// What came of one hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// Of the format.
    pub version: u32,
    /// What it is called in reports.
    pub hub: String,
    /// What it speaks.
    pub dialect: String,
    /// What was played, in words.
    pub played: String,
    /// Runs that could be played.
    pub runs: u64,
    /// Those that could not, by seed or file, each with the reason.
    pub skipped: BTreeMap<String, String>,
    /// What it means.
    pub verdict: Verdict,
    /// The program's.
    pub exit_code: u8,
    /// Why it ended early, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// In the order of the catalogue of invariants.
    pub rules: Vec<Rule>,
    /// The scenario files that were played, in order.
    pub files: Vec<Played>,
    /// What goes by time and broke once, and in none of more tries: a machine that was busy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<String>,
}

/// What is known of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Such as `I14`.
    pub code: String,
    /// A few words.
    pub name: String,
    /// What must hold, in one sentence.
    pub sentence: String,
    /// Whether the hub promises what it takes.
    pub promised: bool,
    /// How often it was decided.
    pub decided: u64,
    /// How often it could not be.
    pub undecided: u64,
    /// How it broke, each kind once, the smallest story first.
    pub broken: Vec<Break>,
}

/// One way in which something broke.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Break {
    /// The seed or the file.
    pub run: String,
    /// What was seen, with names and numbers.
    pub evidence: String,
    /// How many runs broke so.
    pub count: usize,
    /// Plays it again.
    pub command: String,
    /// The scenario file of it.
    pub file: Option<PathBuf>,
    /// How many steps that has.
    pub steps: Option<usize>,
    /// In how many tries it broke, and of how many.
    pub tries: Option<(usize, usize)>,
    /// What happened, for people.
    pub story: String,
    /// The same as clients see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
}

/// How a scenario file fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Played {
    /// Which one.
    pub file: PathBuf,
    /// What it is about.
    pub title: String,
    /// What came of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What came of a scenario file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "camelCase")]
pub enum Fate {
    /// It did what it says.
    Passed,
    /// It cannot be played against this hub.
    Skipped {
        /// Why not.
        reason: String,
    },
    /// It broke this rule.
    Broke {
        /// Its code.
        code: String,
    },
}

impl Results {
    /// Nothing yet.
    pub fn of(hub: &str, dialect: &str, played: String) -> Self {
        Self {
            version: VERSION,
            hub: hub.to_owned(),
            dialect: dialect.to_owned(),
            played,
            runs: 0,
            skipped: BTreeMap::new(),
            verdict: Verdict::Unplayed,
            exit_code: Verdict::Unplayed.exit_code(),
            stopped: None,
            rules: Vec::new(),
            files: Vec::new(),
            once: Vec::new(),
        }
    }

    /// With what was judged, and how it broke.
    #[must_use]
    pub fn judged(
        mut self,
        promises: &Promises,
        sightings: &Sightings<Finding>,
        breaks: Vec<(Invariant, Break)>,
    ) -> Self {
        let times = |invariant, decided| sightings.of(Finding { invariant, decided }).times;
        let others = breaks.iter().map(|(invariant, _)| *invariant);
        let others = others.filter(|invariant| !FROM_OUTSIDE.contains(invariant));
        let mut all: Vec<Invariant> = FROM_OUTSIDE.into_iter().chain(others).collect();
        all.sort_unstable();
        all.dedup();
        self.rules = all
            .into_iter()
            .map(|invariant| {
                let own = breaks.iter().filter(|(broken, _)| *broken == invariant);
                let mut broken: Vec<Break> = own.map(|(_, broken)| broken.clone()).collect();
                broken.sort_by_key(|broken| broken.steps.unwrap_or(usize::MAX));
                Rule {
                    code: format!("{invariant:?}"),
                    name: invariant.name().to_owned(),
                    sentence: invariant.sentence().to_owned(),
                    promised: !broken.is_empty() || is_judged(invariant, promises),
                    decided: times(invariant, true),
                    undecided: times(invariant, false),
                    broken,
                }
            })
            .collect();
        let broken = Verdict::of(breaks.iter().map(|(invariant, _)| *invariant));
        self.verdict = broken.after(self.runs, 0, self.stopped);
        self.exit_code = self.verdict.exit_code();
        self
    }

    /// With the runs of a campaign.
    #[must_use]
    pub fn with_runs(mut self, findings: &Findings<AnyHub>) -> Self {
        (self.runs, self.stopped) = (findings.runs, findings.stopped);
        let skipped = findings.skipped.iter();
        self.skipped
            .extend(skipped.map(|(seed, why)| (format!("seed {seed}"), why.reason.clone())));
        self
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For people: each rule and each file a line, then what came of it all.
    pub fn text(&self) -> String {
        let rows = super::report::rows(std::slice::from_ref(self));
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        let files: Vec<String> =
            self.files.iter().map(|played| played.file.display().to_string()).collect();
        for (_, reason) in self.skipped.iter().filter(|(run, _)| !files.contains(run)) {
            *reasons.entry(reason).or_default() += 1;
        }
        let skips = reasons.iter().map(|(reason, times)| format!("skipped {times}: {reason}\n"));
        let once = self.once.iter().map(|once| format!("{once}\n"));
        let below: String = skips.chain(once).collect();
        let skipped = self.skipped.len();
        let verdict = if self.verdict == Verdict::Passed { "PASSED" } else { "FAILED" };
        let verdict = if self.runs == 0 { "VOID  " } else { verdict };
        let skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let Self { hub, dialect, played, runs, .. } = self;
        format!("{rows}{below}\n{verdict}   {hub} ({dialect}): {played}, {runs} played{skips}\n")
    }
}

/// The command that plays a file against the same hub.
pub fn replay_command(against: &str, file: &Path) -> String {
    format!("{against} --replay {}", file.display())
}
