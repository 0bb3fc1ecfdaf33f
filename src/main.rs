//! The command line. It composes the library's parts and decides nothing.

mod bench;
mod packaging;
mod serve;
mod token_tool;
mod tools;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime;

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
    Bench(bench::Bench),
    Completions(packaging::Completions),
    Man(packaging::Man),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !matches!(arguments.command, Command::Serve(_)) {
        serve::begin_plainly();
    }
    let outcome = match arguments.command {
        Command::Serve(arguments) => arguments.run(),
        Command::Send(arguments) => block_on(1, arguments.run()),
        Command::Listen(arguments) => block_on(1, arguments.run()),
        Command::Token(arguments) => arguments.run(),
        Command::Bench(arguments) => block_on(1, arguments.run()),
        Command::Completions(arguments) => arguments.run(Arguments::command()),
        Command::Man(arguments) => arguments.run(Arguments::command()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("signal-hub: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs `command` on so many threads.
fn block_on(
    threads: usize,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut runtime = match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(threads).enable_all().build()?.block_on(command)
}
