//! The simulator's commands. Results go to stdout, everything else to stderr; the exit code tells
//! the kind of failure.

mod commands;

/// A campaign is made of many small values: a fifth of its time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprintln, print};
use anyhow::Context;
use clap::{Parser, Subcommand};
use signal_hub_sim::backend::{self, Backend};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{Profile, Scenario};
use signal_hub_sim::{report, scenario};

/// Plays seeded storms against the hub in a simulated world and judges them.
///
/// Exit codes: 0 all passed; 1 usage or environment; 2 an invariant broke (safety); 3 what must
/// come true did not (liveness); 4 not deterministic; 5 nothing failed, but what had to come up in so
/// many runs did not (void).
#[derive(Parser)]
#[command(name = "signal-hub-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays storms: 60 simulated seconds of traffic and faults each, then healing, calm, probes.
    Run(commands::Run),
    /// Explores every order of events of a few actors, on the core alone.
    Explore(commands::Explore),
    /// Measures what a hub input costs, with all checks on, on one core.
    Bench(commands::Bench),
    /// Plays a scenario file.
    Replay {
        /// A scenario, as those in scenarios/.
        file: PathBuf,
        /// What it is played on.
        #[arg(long, value_enum, default_value_t)]
        backend: Backend,
        /// Prints the whole transcript on stdout.
        #[arg(long)]
        trace: bool,
        /// Writes the run as one HTML page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Prints the scenario of a seed, as a file that can be replayed and edited.
    Scenario {
        #[arg(long)]
        seed: u64,
        /// What kind of minute the seed makes.
        #[arg(long, value_enum, default_value_t)]
        profile: Profile,
    },
    /// Shrinks a scenario that fails and leaves the result in failures/.
    Shrink(commands::Shrink),
    /// Moves a failure's file to scenarios/found/, where `cargo test` plays it from now on.
    Adopt(commands::Adopt),
    /// Plays every scenario file on every backend and compares what their actors see.
    Scenarios(commands::Scenarios),
    /// Prints the JSON Schema of scenario files.
    Schema,
    /// Plants known bugs in a scratch copy and sees that the invariants find them.
    Mutants(commands::Mutants),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let result = match cli.command {
        Command::Run(run) => run.play(),
        Command::Explore(explore) => explore.run(),
        Command::Bench(bench) => bench.measure(),
        Command::Replay { file, backend, trace, html } => {
            replay(&file, backend, trace, html.as_deref())
        }
        Command::Scenario { seed, profile } => print_scenario(profile, seed),
        Command::Shrink(shrink) => shrink.run(),
        Command::Adopt(adopt) => adopt.run(),
        Command::Scenarios(scenarios) => scenarios.run(),
        Command::Schema => {
            print!("{}", scenario::schema());
            Ok(ExitCode::SUCCESS)
        }
        Command::Mutants(mutants) => mutants.run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(1)
    })
}

fn replay(
    file: &Path,
    backend: Backend,
    trace: bool,
    html: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let command = format!("cargo sim replay {}", file.display());
    let scenario = scenario::read_file(file)?;
    for what in scenario::doubts(&scenario) {
        eprintln!("note: hub: {what}");
    }
    play(&scenario, backend, &command, trace, html)
}

/// `command` does the same again.
pub(crate) fn play(
    scenario: &Scenario,
    backend: Backend,
    command: &str,
    trace: bool,
    html: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let outcome = backend::play(scenario, backend, Keep::All)?;
    if trace {
        print!("{}", report::transcript(&outcome.events));
    }
    if let Some(file) = html {
        std::fs::write(file, report::html(scenario, command, &outcome))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    eprintln!("{}", report::verdict(&outcome, command));
    Ok(ExitCode::from(commands::exit_code_of(&outcome)))
}

fn print_scenario(profile: Profile, seed: u64) -> anyhow::Result<ExitCode> {
    print!("{}", scenario::write(&scenario::generate(profile, seed)));
    Ok(ExitCode::SUCCESS)
}
