//! Tells whoever waits on stderr how far a campaign is: a bar on a terminal, else a line now and
//! then.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::System;
use crate::campaign::Findings;
use crate::coverage::Situation;
use anstream::eprintln;
use indicatif::{ProgressBar, ProgressStyle};

use super::now;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// How far a campaign is.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// When the latest line was written, where there is no terminal.
    told: Option<Mutex<Instant>>,
    runs_max: u64,
    budget: Option<Duration>,
}

impl Progress {
    /// Of `runs_max` runs, or as many as fit into the budget.
    pub fn begin(runs_max: u64, budget: Option<Duration>) -> Self {
        let begun = now();
        let told = (!std::io::stderr().is_terminal()).then(|| Mutex::new(begun));
        let bar = if told.is_some() { ProgressBar::hidden() } else { ProgressBar::new(runs_max) };
        let style = match budget {
            Some(_) => "{elapsed} {spinner} {pos} runs, {per_sec}, {msg}",
            None => "{elapsed} [{wide_bar}] {pos}/{len} runs, {per_sec}, {eta} left, {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, begun, told, runs_max, budget }
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        now() - self.begun
    }

    /// Whether the budget is used up.
    pub fn time_is_up(&self) -> bool {
        self.budget.is_some_and(|budget| self.elapsed() >= budget)
    }

    /// One more run is done.
    pub fn step<S: System>(&self, findings: &Findings<S>) {
        self.bar.inc(1);
        let Some(told) = &self.told else {
            self.bar.set_message(met(findings));
            return;
        };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if now() - *told >= LINE_EVERY {
            *told = now();
            eprintln!("{}", self.line(findings));
        }
    }

    fn line<S: System>(&self, findings: &Findings<S>) -> String {
        let elapsed = self.elapsed();
        let rate = findings.runs as f64 / elapsed.as_secs_f64().max(1e-9);
        let by_runs = (self.runs_max - findings.runs) as f64 / rate.max(1e-9);
        let by_budget = self.budget.map(|budget| budget.saturating_sub(elapsed).as_secs_f64());
        let left = by_budget.map_or(by_runs, |budget| budget.min(by_runs));
        let met = met(findings);
        format!(
            "{:.0} s: {} runs, {rate:.1}/s, {left:.0} s left, {met}",
            elapsed.as_secs_f64(),
            findings.runs
        )
    }

    /// Writes text for people without harm to the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn met<S: System>(findings: &Findings<S>) -> String {
    let met = findings.sightings.iter().filter(|(_, sighting)| sighting.runs > 0).count();
    format!("{} failed, {met}/{} situations", findings.failures.len(), S::Situation::ALL.len())
}
