//! Tells whoever waits on stderr how far it is: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::System;
use crate::campaign::Findings;
use crate::coverage::Situation;
use anstream::eprintln;
use indicatif::{ProgressBar, ProgressStyle};

use super::now;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Says something on stderr now and then, until it is dropped: whatever takes long goes on meanwhile.
pub struct Ticker {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Says what `line` is told the time for.
    pub fn begin(line: impl Fn(Duration) -> String + Send + 'static) -> Self {
        let (over, told) = mpsc::channel();
        let begun = now();
        #[expect(clippy::disallowed_methods, reason = "outside the simulation, for who waits")]
        let thread = std::thread::spawn(move || {
            while told.recv_timeout(LINE_EVERY) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{}", line(now() - begun));
            }
        });
        Self { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.over = None;
        // What it panicked of, if it did, is said already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// How far a campaign is.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    budget: Option<Duration>,
    found: Arc<Mutex<Found>>,
    ticker: Option<Ticker>,
}

/// What a line tells of it.
#[derive(Default)]
struct Found {
    runs: u64,
    words: String,
}

impl Progress {
    /// Of `runs_max` runs, or as many as fit into the budget.
    pub fn begin(runs_max: u64, budget: Option<Duration>) -> Self {
        let begun = now();
        let found = Arc::new(Mutex::new(Found::default()));
        let is_seen = std::io::stderr().is_terminal();
        let ticker = (!is_seen).then(|| {
            let found = found.clone();
            Ticker::begin(move |elapsed| {
                let found = found.lock().unwrap_or_else(PoisonError::into_inner);
                line(&found, elapsed, runs_max, budget)
            })
        });
        let bar = if is_seen { ProgressBar::new(runs_max) } else { ProgressBar::hidden() };
        let style = match budget {
            None if runs_max < ENDLESS => {
                "{elapsed} [{wide_bar}] {pos}/{len} runs, {per_sec}, {eta} left, {msg}"
            }
            Some(_) | None => "{elapsed} {spinner} {pos} runs, {per_sec}, {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar, begun, budget, found, ticker }
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        now() - self.begun
    }

    /// Returns whether the budget is used up.
    pub fn time_is_up(&self) -> bool {
        self.budget.is_some_and(|budget| self.elapsed() >= budget)
    }

    /// One more run is done.
    pub fn step<S: System>(&self, findings: &Findings<S>) {
        let words = met(findings);
        self.bar.inc(1);
        self.bar.set_message(words.clone());
        let found = Found { runs: findings.runs, words };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Writes text for people without harm to the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// It is over; says for how long it went on.
    pub fn end(mut self) -> Duration {
        self.bar.finish_and_clear();
        self.ticker = None;
        self.elapsed()
    }
}

/// From so many runs on, nobody waits for the last.
const ENDLESS: u64 = u64::MAX / 2;

fn line(found: &Found, elapsed: Duration, runs_max: u64, budget: Option<Duration>) -> String {
    let seconds = elapsed.as_secs_f64();
    if found.runs == 0 {
        return format!("{seconds:.0} s: no run is over yet");
    }
    let rate = found.runs as f64 / seconds.max(1e-9);
    let by_runs = (runs_max < ENDLESS).then(|| (runs_max - found.runs) as f64 / rate);
    let by_budget = budget.map(|budget| budget.saturating_sub(elapsed).as_secs_f64());
    let left = by_runs.into_iter().chain(by_budget).reduce(f64::min);
    let left = left.map_or_else(String::new, |left| format!("{left:.0} s left, "));
    format!("{seconds:.0} s: {} runs, {rate:.1}/s, {left}{}", found.runs, found.words)
}

fn met<S: System>(findings: &Findings<S>) -> String {
    let met = findings.sightings.iter().filter(|(_, sighting)| sighting.runs > 0).count();
    format!("{} failed, {met}/{} situations", findings.failures.len(), S::Situation::ALL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_is_left_as_far_as_that_is_known() {
        let told = |runs, runs_max, budget: Option<u64>| {
            let found = Found { runs, words: "0 failed".to_owned() };
            line(&found, Duration::from_secs(10), runs_max, budget.map(Duration::from_secs))
        };
        assert_eq!(told(0, 200, None), "10 s: no run is over yet");
        assert_eq!(told(20, 200, None), "10 s: 20 runs, 2.0/s, 90 s left, 0 failed");
        assert_eq!(told(20, 200, Some(60)), "10 s: 20 runs, 2.0/s, 50 s left, 0 failed");
        assert_eq!(told(20, u64::MAX, Some(60)), "10 s: 20 runs, 2.0/s, 50 s left, 0 failed");
        assert_eq!(told(20, u64::MAX, None), "10 s: 20 runs, 2.0/s, 0 failed");
    }
}
