//! Storms of a hub, and their failures made small.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anstream::eprintln;
use anyhow::{Context, ensure};
use dst::campaign::{DistinctFailure, Findings, Stopped, Watcher};
use dst::commands::{Ticker, now};
use dst::scenario::Progress;
use dst::verdict::Invariant as _;
use dst::{failures, interrupt, report};
use signal_hub_sim::against::{
    self, AnyHub, Break, Outcome, Results, Scenario, Small, Storms, Target,
};
use signal_hub_sim::invariants::Invariant;

use super::Against;

impl Against {
    pub(super) fn storms(&self, target: &Arc<Target>) -> anyhow::Result<Results> {
        let storms = Storms::of(target, self.profile, self.lasts)?;
        ensure!(
            !self.seeds.is_endless() || self.budget.is_some(),
            "--seeds: say where they end, or when, with --budget"
        );
        let (start, failed) = (now(), Arc::new(AtomicUsize::new(0)));
        let (done, of) = (Arc::new(AtomicUsize::new(0)), self.seeds.0.end - self.seeds.0.start);
        let ticker = {
            let (done, failed) = (done.clone(), failed.clone());
            Ticker::begin(move |elapsed| {
                let (done, failed) = (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
                format!("{:.0} s: {done} of {of} storms, {failed} failed", elapsed.as_secs_f64())
            })
        };
        let time_is_up = || self.budget.is_some_and(|budget| start.elapsed() >= budget);
        let stop = || match (interrupt::came(), time_is_up()) {
            (true, _) => Some(Stopped::Interrupted),
            (false, true) => Some(Stopped::TimeUp),
            (false, false) => None,
        };
        let progress = |findings: &mut Findings<AnyHub>, _: &Outcome| {
            done.store(findings.runs as usize, Ordering::Relaxed);
            failed.store(findings.failures.len(), Ordering::Relaxed);
        };
        let watcher = Watcher { stop: &stop, progress: &progress };
        let findings = storms.play(self.seeds.0.clone(), self.jobs, self.fail_fast, &watcher);
        drop(ticker);
        let (mut breaks, mut once) = (Vec::new(), Vec::new());
        for failure in findings.distinct_failures() {
            let storm = storms.storm(failure.seeds[0]);
            match self.came_once(target, &storm, &failure) {
                Some(told) => once.push(told),
                None => breaks.push(self.told(target, &storm, &failure)?),
            }
        }
        let profile = report::profile_word::<AnyHub>(self.profile);
        let lasts = humantime::format_duration(self.lasts);
        let played = format!("storms of {profile}, {lasts} each, {} at once", self.jobs);
        let results = Results { once, ..self.results(played).with_runs(&findings) };
        Ok(results.judged(&storms.promises, &findings.sightings, breaks))
    }

    /// A failure of a machine that was busy: what goes by time has to come again.
    fn came_once(
        &self,
        target: &Arc<Target>,
        storm: &Scenario,
        failure: &DistinctFailure<'_, AnyHub>,
    ) -> Option<String> {
        let violation = &failure.first.violation;
        let is_doubted = violation.invariant.goes_by_time() && failure.seeds.len() == 1;
        let is_over = is_doubted && self.breaks_again(target, storm, violation) == 0;
        is_over.then(|| self.once(&format!("seed {}", failure.seeds[0]), violation))
    }

    /// Makes a failure small, leaves its file with what the hub said, and tells its story.
    fn told(
        &self,
        target: &Arc<Target>,
        storm: &Scenario,
        failure: &DistinctFailure<'_, AnyHub>,
    ) -> anyhow::Result<(Invariant, Break)> {
        let seed = failure.seeds[0];
        let violation = failure.first.violation.clone();
        let small = self.small(target, storm, &failure.first.outcome);
        let shrunk = small.as_ref().map_or_else(
            || failures::Shrunk {
                scenario: Scenario {
                    why: format!("Seen: {}.", violation.evidence),
                    ..storm.clone()
                },
                storm: storm.clone(),
                tries: 0,
                finished: false,
                outcome: failure.first.outcome.clone(),
            },
            |small| small.shrunk.clone(),
        );
        let file = failures::leave(Path::new(failures::DIRECTORY), &shrunk)?;
        let output = target.output_of(shrunk.scenario.seed).or_else(|| target.output_of(seed));
        let output = output.filter(|output| !output.is_empty());
        if let Some(output) = output {
            let beside = file.with_extension("out");
            std::fs::write(&beside, output)
                .with_context(|| format!("cannot write {}", beside.display()))?;
        }
        let command = against::replay_command(&self.command(), &file);
        let story = report::failure(&shrunk.outcome, &command);
        eprintln!("{story}");
        let tries = small.as_ref().map(|small| (small.broke, against::LAST_TRIES));
        if let Some((broke, of)) = tries {
            eprintln!("tries    broke in {broke} of {of} tries\n");
        }
        let told = Break {
            run: format!("seed {seed}"),
            evidence: violation.evidence.clone(),
            count: failure.seeds.len(),
            command,
            steps: Some(shrunk.scenario.steps.len()),
            file: Some(file),
            tries,
            story,
            moments: against::report::moments(&shrunk.outcome),
        };
        Ok((violation.invariant, told))
    }

    fn small(&self, target: &Arc<Target>, storm: &Scenario, outcome: &Outcome) -> Option<Small> {
        if self.shrink.is_zero() {
            return None;
        }
        let start = now();
        let bar = indicatif::ProgressBar::new_spinner();
        let mut time_is_up = |progress: Progress| {
            let Progress { pass, tries, steps } = progress;
            bar.set_message(format!("{pass}: {steps} steps left after {tries} tries"));
            bar.tick();
            start.elapsed() >= self.shrink || interrupt::came()
        };
        let small = against::shrink(target, self.tries, storm, outcome, &mut time_is_up);
        bar.finish_and_clear();
        let small = small?;
        let (from, to) = (storm.steps.len(), small.shrunk.scenario.steps.len());
        let (tries, took) = (small.shrunk.tries, start.elapsed());
        let why = if small.shrunk.finished { "nothing more can go" } else { "its time is up" };
        eprintln!("shrunk from {from} steps to {to} in {tries} tries, {took:.1?}: {why}");
        Some(small)
    }
}
