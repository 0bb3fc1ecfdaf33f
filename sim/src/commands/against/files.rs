//! Scenario files of a hub.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anstream::eprintln;
use anyhow::{Context, ensure};
use dst::campaign::Findings;
use dst::commands::{Ticker, to_stdout};
use dst::verdict::Invariant as _;
use dst::{failures, interrupt, report};
use signal_hub_sim::against::{
    self, Break, Fate, Outcome, Played, Results, Scenario, Target, Violation,
};
use signal_hub_sim::invariants::Invariant;

use super::Against;

impl Against {
    pub(super) fn conform(&self, target: &Arc<Target>) -> anyhow::Result<Results> {
        let (_, promises) = target.speaker(&Default::default())?;
        let mut files = Vec::new();
        for path in &self.files {
            if path.is_dir() {
                let found = failures::scenarios_in(path);
                files.extend(found.with_context(|| format!("cannot read {}", path.display()))?);
            } else {
                files.push(path.clone());
            }
        }
        ensure!(!files.is_empty(), "there are no scenario files in {:?}", self.files);
        let read = files.iter().map(|file| against::read(file, target));
        let scenarios = read.collect::<anyhow::Result<Vec<Scenario>>>()?;
        let (done, of) = (Arc::new(AtomicUsize::new(0)), files.len());
        let played = done.clone();
        let ticker = Ticker::begin(move |elapsed| {
            let played = played.load(Ordering::Relaxed);
            format!("{:.0} s: {played} of {of} files", elapsed.as_secs_f64())
        });
        let heard = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let outcomes = against::play_all(&scenarios, self.jobs, &interrupt::came, &heard);
        drop(ticker);
        let mut findings = Findings::default();
        let mut results = self.results(format!("{of} files"));
        let mut breaks = Vec::new();
        for ((file, scenario), outcome) in files.iter().zip(&scenarios).zip(outcomes) {
            let fate = match outcome {
                None => Fate::Skipped { reason: "it was interrupted".to_owned() },
                Some(Err(skipped)) => Fate::Skipped { reason: skipped.reason },
                Some(Ok(outcome)) => {
                    findings.add(&outcome);
                    let broken = self.broke(target, file, scenario, outcome, &mut results.once);
                    let code = broken.as_ref().map(|(invariant, _)| format!("{invariant:?}"));
                    breaks.extend(broken);
                    code.map_or(Fate::Passed, |code| Fate::Broke { code })
                }
            };
            if let Fate::Skipped { reason } = &fate {
                results.skipped.insert(file.display().to_string(), reason.clone());
            }
            results.files.push(Played { file: file.clone(), title: scenario.title.clone(), fate });
        }
        Ok(results.with_runs(&findings).judged(&promises, &findings.sightings, breaks))
    }

    pub(super) fn breaks_again(
        &self,
        target: &Arc<Target>,
        scenario: &Scenario,
        violation: &Violation,
    ) -> usize {
        against::breaks_again(scenario, target, self.tries, violation, &interrupt::came)
    }

    /// What broke only once, for people.
    pub(super) fn once(&self, run: &str, violation: &Violation) -> String {
        let (invariant, evidence) = (violation.invariant, &violation.evidence);
        let tries = self.tries;
        format!("{run} broke {invariant} once, and in none of {tries} more tries: {evidence}")
    }

    /// A file that broke something is tried again: in how many tries it does is told.
    fn broke(
        &self,
        target: &Arc<Target>,
        file: &Path,
        scenario: &Scenario,
        outcome: Outcome,
        once: &mut Vec<String>,
    ) -> Option<(Invariant, Break)> {
        let violation = outcome.violation.clone()?;
        let broke = self.breaks_again(target, scenario, &violation);
        if violation.invariant.goes_by_time() && broke == 0 {
            once.push(self.once(&file.display().to_string(), &violation));
            return None;
        }
        let tries = (1 + broke, 1 + self.tries);
        let command = against::replay_command(&self.command(), file);
        let story = report::failure(&outcome, &command);
        eprintln!("{story}\ntries    broke in {} of {} tries\n", tries.0, tries.1);
        let broken = Break {
            run: file.display().to_string(),
            evidence: violation.evidence.clone(),
            count: 1,
            command,
            file: Some(file.to_owned()),
            steps: Some(scenario.steps.len()),
            tries: Some(tries),
            story,
            moments: against::report::moments(&outcome),
        };
        Some((violation.invariant, broken))
    }

    pub(super) fn replay(&self, file: &Path, target: &Arc<Target>) -> anyhow::Result<Results> {
        let (_, promises) = target.speaker(&Default::default())?;
        let scenario = against::read(file, target)?;
        let outcome = against::play(&scenario)?;
        let mut findings = Findings::default();
        findings.add(&outcome);
        if self.trace {
            to_stdout(&report::lines(&outcome.events))?;
        }
        let mut results = self.results(file.display().to_string());
        let broken = self.broke(target, file, &scenario, outcome, &mut results.once);
        let fate = match &broken {
            Some((invariant, _)) => Fate::Broke { code: format!("{invariant:?}") },
            None => Fate::Passed,
        };
        results.files.push(Played { file: file.to_owned(), title: scenario.title.clone(), fate });
        let breaks = broken.into_iter().collect();
        Ok(results.with_runs(&findings).judged(&promises, &findings.sightings, breaks))
    }
}
