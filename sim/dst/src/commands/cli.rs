//! The whole command line of a simulator.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprintln, print};
use anyhow::bail;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    Adopt, Bench, Distill, Explain, Merge, PrintScenario, PrintTest, Replay, Run, Scenarios, Show,
    Shrink,
};
use crate::System;
use crate::scenario;

/// The end of each simulator's help.
const EXIT_CODES: &str = "\
Exit codes: 0 all passed; 1 usage or environment; 2 an invariant broke (safety); 3 what must come true did \
not (liveness); 4 not deterministic; 5 nothing failed, but nothing was played, or what had to come up in so \
many runs did not (void); 6 two backends differ; 130 ended by Ctrl-C, and nothing had failed until then.";

/// Plays seeded storms in a simulated world and judges them.
#[derive(Parser)]
struct Cli<S: System> {
    #[command(subcommand)]
    command: Commands<S>,
}

/// What every simulator can do. A program with commands of its own has this in a variant that is
/// `#[command(flatten)]`.
#[derive(Subcommand)]
#[non_exhaustive]
pub enum Commands<S: System> {
    /// Plays storms: traffic and faults, then healing, calm, probes.
    Run(Box<Run<S>>),
    /// Judges the shards of a campaign together.
    Merge(Merge),
    /// Leaves the smallest set of storms that come to all that those of some folders come to.
    Distill(Distill),
    /// Measures what a hub input costs, with all checks on, on one core.
    Bench(Bench<S>),
    /// Plays a scenario file.
    Replay(Replay),
    /// Tells why a scenario fails.
    Explain(Explain),
    /// Writes the run of a scenario file as a page, or two side by side, and opens it.
    Show(Show),
    /// Prints the scenario of a seed, as a file that can be replayed and edited.
    Scenario(PrintScenario<S>),
    /// Prints a Rust test that plays a scenario file, ready to paste.
    Test(PrintTest),
    /// Shrinks a scenario that fails and leaves the result in failures/.
    Shrink(Shrink),
    /// Moves a failure's file to scenarios/found/, for `cargo test` to play from now on.
    Adopt(Adopt),
    /// Plays every scenario file on every backend and compares what their actors see.
    Scenarios(Scenarios),
    /// Prints the JSON Schema of scenario files.
    Schema {
        /// As a page for people.
        #[arg(long)]
        markdown: bool,
    },
}

impl<S: System> Commands<S> {
    /// The scenario file that it is about, if it is about one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Replay(Replay { file, .. })
            | Self::Explain(Explain { file, .. })
            | Self::Test(PrintTest { file, .. })
            | Self::Shrink(Shrink { file, .. })
            | Self::Adopt(Adopt { file, .. }) => Some(file),
            Self::Show(show) => show.files.first().map(PathBuf::as_path),
            _ => None,
        }
    }

    /// The same with the file of another system.
    ///
    /// # Errors
    /// Itself, if it is about no file.
    pub fn of<T: System>(self) -> Result<Commands<T>, Self> {
        Ok(match self {
            Self::Replay(replay) => Commands::Replay(replay),
            Self::Explain(explain) => Commands::Explain(explain),
            Self::Show(show) => Commands::Show(show),
            Self::Test(print) => Commands::Test(print),
            Self::Shrink(shrink) => Commands::Shrink(shrink),
            Self::Adopt(adopt) => Commands::Adopt(adopt),
            other => return Err(other),
        })
    }

    /// Does it; the exit code tells what came of it.
    ///
    /// # Errors
    /// What kept it from being done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(what) = scenario::clash::<S>() {
            bail!("{what}");
        }
        match self {
            Self::Run(run) => run.run(),
            Self::Merge(merge) => merge.run::<S>(),
            Self::Distill(distill) => distill.run::<S>(),
            Self::Bench(bench) => Ok(bench.run()),
            Self::Replay(replay) => replay.run::<S>(),
            Self::Explain(explain) => explain.run::<S>(),
            Self::Show(show) => show.run::<S>(),
            Self::Scenario(print) => Ok(print.run()),
            Self::Test(print) => print.run::<S>(),
            Self::Shrink(shrink) => shrink.run::<S>(),
            Self::Adopt(adopt) => adopt.run::<S>(),
            Self::Scenarios(scenarios) => scenarios.run::<S>(),
            Self::Schema { markdown } => {
                let format =
                    if markdown { scenario::reference::<S> } else { scenario::schema::<S> };
                print!("{}", format());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// The `main` of a simulator that has no commands of its own.
pub fn main<S: System>() -> ExitCode {
    run(Cli::<S>::command().name(S::NAME), |cli: Cli<S>| cli.command.run())
}

/// The `main` of a simulator with a command line of its own; `does` does what it says.
pub fn main_of<C: Parser>(does: impl FnOnce(C) -> anyhow::Result<ExitCode>) -> ExitCode {
    run(C::command(), does)
}

fn run<C: FromArgMatches>(
    command: clap::Command,
    does: impl FnOnce(C) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let found = command.after_long_help(EXIT_CODES).try_get_matches();
    let parsed = found.and_then(|found| C::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    does(cli).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(1)
    })
}
