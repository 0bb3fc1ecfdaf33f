//! The simulator's commands. Results go to stdout, everything else to stderr; the exit code tells
//! the kind of failure.

mod commands;

/// A campaign is made of many small values: a fifth of its time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

use anstream::{eprintln, print};
use clap::{Parser, Subcommand};
use dst::commands::{
    Adopt, Bench, Distill, Explain, Merge, PrintScenario, PrintTest, Replay, Run, Scenarios, Show,
    Shrink,
};
use signal_hub_sim::SignalHub;
use signal_hub_sim::scenario;

/// Plays seeded storms against the hub in a simulated world and judges them.
///
/// Exit codes: 0 all passed; 1 usage or environment; 2 an invariant broke (safety); 3 what must
/// come true did not (liveness); 4 not deterministic; 5 nothing failed, but nothing was played, or what
/// had to come up in so many runs did not (void); 6 two backends differ; 130 ended by Ctrl-C, and
/// nothing had failed until then.
#[derive(Parser)]
#[command(name = "signal-hub-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays storms: 60 simulated seconds of traffic and faults each, then healing, calm, probes.
    Run(Box<Run<SignalHub>>),
    /// Judges the shards of a campaign together.
    Merge(Merge),
    /// Leaves the smallest set of storms that come to all that those of some folders come to.
    Distill(Distill),
    /// Explores every order of events of a few actors, on the core alone.
    Explore(commands::Explore),
    /// Measures what a hub input costs, with all checks on, on one core.
    Bench(Bench<SignalHub>),
    /// Plays a scenario file.
    Replay(Replay),
    /// Tells why a scenario fails.
    Explain(Explain),
    /// Writes the run of a scenario file as a page, or two side by side, and opens it.
    Show(Show),
    /// Prints the scenario of a seed, as a file that can be replayed and edited.
    Scenario(PrintScenario<SignalHub>),
    /// Prints a Rust test that plays a scenario file, ready to paste.
    Test(PrintTest),
    /// Shrinks a scenario that fails and leaves the result in failures/.
    Shrink(Shrink),
    /// Moves a failure's file to scenarios/found/, where `cargo test` plays it from now on.
    Adopt(Adopt),
    /// Plays every scenario file on every backend and compares what their actors see.
    Scenarios(Scenarios),
    /// Tests any hub from outside, by storms or scenario files.
    Against(Box<commands::Against>),
    /// Shows what `against` found of several hubs beside each other.
    Matrix(commands::Matrix),
    /// Prints the JSON Schema of scenario files.
    Schema,
    /// Plants known bugs in a scratch copy and sees that the invariants find them.
    Mutants(commands::Mutants),
    /// Tests a dialect that is a process, without a hub.
    DialectCheck(commands::DialectCheck),
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
        Command::Run(run) => run.run(),
        Command::Merge(merge) => merge.run::<SignalHub>(),
        Command::Distill(distill) => distill.run::<SignalHub>(),
        Command::Explore(explore) => explore.run(),
        Command::Bench(bench) => Ok(bench.run()),
        Command::Replay(replay) => replay.run::<SignalHub>(),
        Command::Explain(explain) => explain.run::<SignalHub>(),
        Command::Show(show) => show.run::<SignalHub>(),
        Command::Scenario(print) => Ok(print.run()),
        Command::Test(print) => print.run::<SignalHub>(),
        Command::Shrink(shrink) => shrink.run::<SignalHub>(),
        Command::Adopt(adopt) => adopt.run::<SignalHub>(),
        Command::Scenarios(scenarios) => scenarios.run::<SignalHub>(),
        Command::Against(against) => against.run(),
        Command::Matrix(matrix) => matrix.run(),
        Command::Schema => {
            print!("{}", scenario::schema());
            Ok(ExitCode::SUCCESS)
        }
        Command::Mutants(mutants) => mutants.run(),
        Command::DialectCheck(check) => check.run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(1)
    })
}
