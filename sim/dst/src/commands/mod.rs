//! The commands that every simulator has: [`main`] is the whole of a simulator that has no others,
//! [`Commands`] what one with others begins with. Results go to stdout, everything else to stderr; the exit
//! code tells the kind of failure.
//!
//! A simulator of [`Echo`](crate::service#all-of-one):
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use clap::{Parser, Subcommand};
//! use dst::commands::Commands;
//!
//! /// A simulator with a command of its own.
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(subcommand)]
//!     command: Command,
//! }
//!
//! #[derive(Subcommand)]
//! enum Command {
//!     #[command(flatten)]
//!     Every(Commands<Echo>),
//!     /// Says hello.
//!     Hello,
//! }
//!
//! // Its `main` is `main_of(|cli: Cli| ..)`; that of one without commands of its own, `main::<Echo>()`.
//! let cli = Cli::try_parse_from(["echo", "run", "--profile", "quiet", "--seeds", "0..20"])?;
//! assert!(matches!(cli.command, Command::Every(Commands::Run(_))));
//! assert!(Cli::try_parse_from(["echo", "run", "--profile", "careless"]).is_err());
//! # Ok(())
//! # }
//! ```

mod bench;
mod cli;
mod corpus;
mod explain;
mod files;
mod merge;
mod night;
mod outputs;
mod progress;
mod replay;
mod run;
mod show;
mod test;

use std::time::{Duration, Instant};

pub use bench::Bench;
pub use cli::{Commands, main, main_of};
pub use corpus::Distill;
pub use explain::Explain;
pub use files::{Adopt, Scenarios, Shrink, shrink};
pub use merge::Merge;
pub use outputs::{Output, to_stdout};
pub use progress::Ticker;
pub use replay::{PrintScenario, Replay};
pub use run::Run;
pub use show::Show;
pub use test::{PrintTest, rust_test};

use crate::System;
use crate::backend::Outcome;
use crate::campaign::Verdict;
use replay::play;

/// What a run comes to, for whoever started the program.
pub fn exit_code_of<S: System>(outcome: &Outcome<S>) -> u8 {
    let broken = outcome.violation.iter().map(|violation| violation.invariant);
    Verdict::of(broken).exit_code()
}

/// The time of day, for people who wait.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "outside the simulation, for who waits")]
    Instant::now()
}

/// What this process took of all cores so far, where the system tells.
pub fn cpu_time() -> Option<Duration> {
    #[cfg(unix)]
    return rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().ok();
    #[cfg(not(unix))]
    return None;
}
