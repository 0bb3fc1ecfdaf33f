//! The simulator's commands. Results go to stdout, everything else to stderr; the exit code tells
//! the kind of failure.

mod commands;

/// A campaign is made of many small values: a fifth of its time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use signal_hub_sim::SignalHub;
use signal_hub_sim::nodes::{self, Nodes};

/// Plays seeded storms against the hub in a simulated world and judges them.
#[derive(Parser)]
#[command(name = "signal-hub-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Engine(dst::commands::Commands<SignalHub>),
    /// Explores every order of events of a few actors, on the core alone.
    Explore(commands::Explore),
    /// The same for several hubs that share one engine: their storms, and files that say "hubs".
    #[command(subcommand)]
    Nodes(dst::commands::Commands<Nodes>),
    /// Tests any hub from outside, by storms or scenario files.
    Against(Box<commands::Against>),
    /// Shows what `against` found of several hubs beside each other.
    Matrix(commands::Matrix),
    /// Plants known bugs in a scratch copy and sees that the invariants find them.
    Mutants(commands::Mutants),
    /// Serves clients as a hub that behaves badly on purpose, by a script.
    Hub(commands::Hub),
    /// Tests a dialect that is a process, without a hub.
    DialectCheck(commands::DialectCheck),
}

fn main() -> ExitCode {
    dst::commands::main_of(|cli: Cli| match cli.command {
        Command::Engine(command) if command.file().is_some_and(nodes::is_of_several) => {
            command.of::<Nodes>().map_or_else(|command| command.run(), |command| command.run())
        }
        Command::Engine(command) => command.run(),
        Command::Explore(explore) => explore.run(),
        Command::Nodes(command) => command.run(),
        Command::Against(against) => against.run(),
        Command::Matrix(matrix) => matrix.run(),
        Command::Mutants(mutants) => mutants.run(),
        Command::Hub(hub) => hub.run(),
        Command::DialectCheck(check) => check.run(),
    })
}
