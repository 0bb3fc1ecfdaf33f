//! A campaign for people: a few numbers, then what it means and what to do next.

use std::fmt::Write;
use std::time::Duration;

use super::results::{Alike, Results, SEEDS_MAX};
use super::{command, profile_word};
use crate::System;
use crate::backend::Backend;
use crate::campaign::{ENFORCED_FROM, Stopped, Tally, Verdict, Won};

/// What a campaign took.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// By the clock.
    pub took: Duration,
    /// Of all cores together, where the system tells.
    pub cpu: Option<Duration>,
}

/// How much of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Numbers.
    Short,
    /// The names as well.
    Verbose,
}

/// A campaign in numbers, and its verdict.
pub fn summary<S: System>(results: &Results, pace: Option<Pace>, detail: Detail) -> String {
    let mut text = runs(results);
    if let Some(Pace { took, cpu }) = pace {
        rates(&mut text, results, "clock ", took);
        // The system counts CPU time in hundredths of a second.
        if let Some(cpu) = cpu.filter(|cpu| *cpu >= Duration::from_millis(500)) {
            rates(&mut text, results, "CPU   ", cpu);
        }
    }
    situations(&mut text, results, detail);
    if let Some(won) = results.won {
        corpus(&mut text, won);
    }
    for (seed, reason) in results.skipped.iter().take(SEEDS_MAX) {
        let _ = writeln!(text, "skipped  seed {seed}: {reason}");
    }
    for Alike { name, broken_by, count, seeds, file, .. } in &results.distinct_failures {
        let (seeds, file) = (some_seeds(seeds, *count), file.as_ref());
        let file = file.map_or_else(String::new, |file| format!("; {}", file.display()));
        let _ = writeln!(text, "broken   {name}, by {broken_by}: {seeds}{file}");
    }
    let (verdict, next) = (verdict(results), next::<S>(results));
    let _ = write!(text, "\n{verdict}\nnext     {next}\n");
    text
}

fn runs(results: &Results) -> String {
    let failed = results.failures.len() as u64;
    let mut text = format!("runs     {} passed, {failed} failed", results.runs - failed);
    let _ = match results.skipped.len() {
        0 => writeln!(text),
        skipped => writeln!(text, ", {skipped} skipped"),
    };
    if results.standstills > 0 {
        let tries = results.standstills;
        let _ =
            writeln!(text, "tries    {tries} more, in which the machine stood still, say nothing");
    }
    if results.backend == Backend::Both.to_string() {
        let (seeds, steps) = (results.compared, results.compared_steps);
        let _ =
            writeln!(text, "same     both showed the same to actors: {seeds} seeds, {steps} steps");
    }
    if let Some(stopped) = results.stopped {
        let _ = writeln!(text, "stopped  before the last seed: {}", reason(stopped));
    }
    text
}

fn rates(text: &mut String, results: &Results, what: &str, span: Duration) {
    let seconds = span.as_secs_f64().max(1e-9);
    let _ = writeln!(
        text,
        "{what}   {:.1} seeds/s, {:.0} hub inputs/s, {:.0} simulated s/s ({:.1} s)",
        results.runs as f64 / seconds,
        results.hub_inputs as f64 / seconds,
        results.simulated_milliseconds as f64 / 1e3 / seconds,
        seconds,
    );
}

/// How many of those that have to come up did; names are for whoever can do something about them.
fn situations(text: &mut String, results: &Results, detail: Detail) {
    let required = results.situations.iter().filter(|seen| seen.required).count();
    let met = match required {
        0 => {
            let met = results.situations.iter().filter(|seen| seen.runs > 0).count();
            format!("{met} situations, none of which had to come up")
        }
        _ => format!("{} of {required} situations", required - results.missing.len()),
    };
    let shapes = results.shapes.map_or_else(String::new, |shapes| format!(", {shapes} shapes"));
    let is_told = detail == Detail::Verbose || results.verdict == Verdict::Void;
    let more =
        if results.missing.is_empty() || is_told { "" } else { " (--verbose says which not)" };
    let _ = writeln!(text, "met      {met}{shapes}{more}");
    let missing = results.situations.iter().filter(|seen| results.missing.contains(&seen.name));
    for seen in missing.filter(|_| is_told) {
        let _ = writeln!(text, "never    {}: {}", seen.name, seen.sentence);
    }
}

/// What a guided campaign kept, and what changing it was good for.
fn corpus(text: &mut String, won: Won) {
    let Won { begun, kept, changed_runs, by_changed, by_others } = won;
    let _ = writeln!(text, "corpus   {kept} scenarios, of {begun} at first");
    let told = |Tally { situations, pairs, shapes }| {
        format!("{situations} situations, {pairs} pairs, {shapes} shapes")
    };
    let _ = writeln!(
        text,
        "new      {} in {changed_runs} runs of changed ones, {} in all others",
        told(by_changed),
        told(by_others)
    );
}

/// What it means, in one sentence.
pub fn verdict(results: &Results) -> String {
    let (runs, failed) = (results.runs, results.failures.len());
    match results.verdict {
        Verdict::Passed => format!("PASSED   {runs} runs, and every invariant held in all of them"),
        Verdict::Interrupted if runs == 0 => {
            "ENDED    by Ctrl-C before any run was over".to_owned()
        }
        Verdict::Interrupted => {
            format!("ENDED    by Ctrl-C: every invariant held in the {runs} runs until then")
        }
        Verdict::Void => {
            let missing = results.missing.len();
            format!(
                "VOID     no invariant broke, but {missing} of the situations that so many runs must \
                 meet never came up: this proves nothing"
            )
        }
        Verdict::Unplayed => "VOID     no seed was played: this proves nothing".to_owned(),
        Verdict::Differs | Verdict::NotLive | Verdict::Unsafe => {
            match results.distinct_failures.as_slice() {
                [only] => format!("FAILED   {failed} of {runs} runs broke {}", only.name),
                more => format!("FAILED   {failed} of {runs} runs broke in {} ways", more.len()),
            }
        }
    }
}

/// What to do about it.
fn next<S: System>(results: &Results) -> String {
    match results.verdict {
        Verdict::Passed if results.shard.is_some() => format!(
            "{} merge judges the shards together: give it what each wrote with --format json",
            S::command()
        ),
        Verdict::Passed => {
            let begun = results.runs + results.skipped.len() as u64;
            let (from, more) =
                (results.seeds.start.saturating_add(begun), begun.max(ENFORCED_FROM));
            let seeds = format!("--seeds {from}..{}", from.saturating_add(more));
            format!("other seeds meet other situations: {} {seeds}", run::<S>(results))
        }
        Verdict::Interrupted => "the same command plays them again, and goes on".to_owned(),
        Verdict::Void => "play more seeds, or look why these can come up no more".to_owned(),
        Verdict::Unplayed => match results.stopped {
            Some(Stopped::TimeUp) => "give it a longer --budget".to_owned(),
            _ if !results.skipped.is_empty() => {
                format!("choose a --backend that can play them: {} cannot", results.backend)
            }
            _ if results.shard.is_some() => "deal the seeds out to fewer shards".to_owned(),
            _ => format!("choose --seeds below {}", u64::MAX),
        },
        Verdict::Differs | Verdict::NotLive | Verdict::Unsafe => {
            let first = results.distinct_failures.first();
            let (command, file) = first.map_or(("", None), |f| (&*f.command, f.file.as_ref()));
            let keep = file.map_or_else(String::new, |file| {
                format!("; {} adopt {} keeps it as a test", S::command(), file.display())
            });
            format!("{command} plays it again{keep}")
        }
    }
}

/// The command that plays such seeds.
fn run<S: System>(results: &Results) -> String {
    let usual = results.profile == profile_word::<S>(S::Profile::default());
    let profile = if usual { String::new() } else { format!(" --profile {}", results.profile) };
    let guided = results.guided.as_ref().map(|flags| format!(" {flags}")).unwrap_or_default();
    command::<S>(&format!("run{guided}{profile}"), &results.backend)
}

/// As many as fit on a line.
pub(super) fn some_seeds(seeds: &[u64], count: usize) -> String {
    let text: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let more = if count > seeds.len() { ", ..." } else { "" };
    format!("{} {}{more}", if count == 1 { "seed" } else { "seeds" }, text.join(", "))
}

const fn reason(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Failure => "a failure was to be the last",
        Stopped::Saturated => "nothing new came up any more",
        Stopped::TimeUp => "the time was over",
        Stopped::Interrupted => "Ctrl-C",
    }
}
