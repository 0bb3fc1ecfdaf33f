//! The command line. It composes what the library offers and decides nothing.

mod access;
mod token_tool;
mod tools;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use signal_hub::hub::Config;
use signal_hub::runtime::Tokio;
use signal_hub::server::Server;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Routes messages between actors over WebSockets.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a hub until SIGINT or SIGTERM.
    Serve(Serve),
    Send(tools::Send),
    Listen(tools::Listen),
    Token(token_tool::Token),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    #[command(flatten)]
    access: access::Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let outcome = match arguments.command {
        Command::Serve(arguments) => serve(arguments).await,
        Command::Send(arguments) => arguments.run().await,
        Command::Listen(arguments) => arguments.run().await,
        Command::Token(arguments) => arguments.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("signal-hub: {error:#}");
        ExitCode::FAILURE
    })
}

/// Stdout belongs to what the commands have to say. `RUST_LOG` chooses what is logged.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

async fn serve(arguments: Serve) -> anyhow::Result<ExitCode> {
    // Caught from before the line on stdout: whoever reads it may signal at once.
    let interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    let terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let access = arguments.access.load(arguments.listen)?;
    let server = Server::bind(Tokio, arguments.listen, Config::default(), ())
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?
        .with_access(access);
    writeln!(io::stdout(), "listening on ws://{}/ws", server.local_address()?)
        .context("cannot write to stdout")?;
    server.run(first_of(interrupt, terminate)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn first_of(mut interrupt: Signal, mut terminate: Signal) {
    select! {
        biased;
        _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
    }
}
