//! `replay` and `scenario`: a file played, and the file of a seed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprint, eprintln, print};
use clap::{Args, ValueEnum};

use super::explain;
use super::outputs::{Output, to_stdout};
use super::progress::Ticker;
use crate::System;
use crate::backend::{self, Backend};
use crate::report;
use crate::run::Keep;
use crate::scenario::{self, Scenario};

/// Plays a scenario file.
#[derive(Args)]
pub struct Replay {
    /// A scenario, as those in scenarios/.
    pub(super) file: PathBuf,
    /// What it is played on.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Prints the whole transcript on stdout.
    #[arg(long)]
    trace: bool,
    /// The transcript is for people or, with a track for everybody, for ui.perfetto.dev.
    #[arg(long, value_enum)]
    trace_format: Option<Trace>,
    /// Writes the run as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// How a transcript is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Trace {
    /// For people.
    Text,
    /// For ui.perfetto.dev.
    Perfetto,
}

impl Trace {
    /// The one that is wanted, if one is.
    pub fn of(is_wanted: bool, format: Option<Self>) -> Option<Self> {
        format.or(is_wanted.then_some(Self::Text))
    }
}

impl Replay {
    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// If the file is no scenario, the backend cannot play it, or the page cannot be written.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let command = report::replay_file_command::<S>(&self.file, self.backend);
        let scenario: Scenario<S> = scenario::read_file(&self.file)?;
        for what in S::doubts(&scenario) {
            eprintln!("note: hub: {what}");
        }
        let page = self.html.as_deref().map(Output::create).transpose()?;
        let trace = Trace::of(self.trace, self.trace_format);
        play((&scenario, Some(&self.file)), self.backend, &command, trace, page)
    }
}

/// Plays a scenario, which may be that of a file, and tells what came of it; `command` does the same again.
pub(super) fn play<S: System>(
    (scenario, file): (&Scenario<S>, Option<&Path>),
    backend: Backend,
    command: &str,
    trace: Option<Trace>,
    page: Option<Output>,
) -> anyhow::Result<ExitCode> {
    let ticker = Ticker::begin(|elapsed| format!("{:.0} s: it goes on", elapsed.as_secs_f64()));
    let outcome = backend::play(scenario, backend, Keep::All)?;
    drop(ticker);
    let verdict = report::verdict(&outcome, command) + "\n";
    let (result, beside) = match trace {
        Some(Trace::Text) => (S::transcript(&outcome.events), verdict),
        Some(Trace::Perfetto) => (report::perfetto(&outcome), verdict),
        None => (verdict, String::new()),
    };
    if let Some(page) = page {
        let explain = |file| explain::for_page(file, scenario, backend, &outcome);
        let explanation = file.map(explain).transpose()?.flatten();
        page.write(&S::page(scenario, command, &outcome, explanation.as_deref()))?;
    }
    to_stdout(&result)?;
    eprint!("{beside}");
    Ok(ExitCode::from(super::exit_code_of(&outcome)))
}

/// Prints the scenario of a seed, as a file that can be replayed and edited.
#[derive(Args)]
pub struct PrintScenario<S: System> {
    #[arg(long)]
    seed: u64,
    /// What kind of minute the seed makes.
    #[arg(long, value_enum, default_value = report::profile_word::<S>(S::Profile::default()))]
    profile: S::Profile,
}

impl<S: System> PrintScenario<S> {
    /// Does it.
    pub fn run(&self) -> ExitCode {
        print!("{}", scenario::write(&S::generate(self.profile, self.seed)));
        ExitCode::SUCCESS
    }
}
