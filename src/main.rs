//! The command line. It composes the library's parts and decides nothing.

mod serve;
mod token_tool;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sessions allocate and free small pieces in the order of their queues, which fragments the
/// system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Routes messages between actors over WebSockets.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Send(tools::Send),
    Listen(tools::Listen),
    Token(token_tool::Token),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !matches!(arguments.command, Command::Serve(_)) {
        serve::begin_plainly();
    }
    let outcome = match arguments.command {
        Command::Serve(arguments) => arguments.run().await,
        Command::Send(arguments) => arguments.run().await,
        Command::Listen(arguments) => arguments.run().await,
        Command::Token(arguments) => arguments.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("signal-hub: {error:#}");
        ExitCode::FAILURE
    })
}
