//! What a package of the program ships beside it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;

/// Print what a shell needs to complete commands and flags.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell that they are for.
    shell: Shell,
}

/// Write the manual pages, one for the program and one for each command.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder that they go to; it is made if it is not there.
    directory: PathBuf,
}

impl Completions {
    pub fn run(&self, mut program: clap::Command) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "signal-hub", &mut script);
        // For bash it writes a name with a hyphen in two ways, which then do not match (clap 6529).
        let script = String::from_utf8(script)?.replace("signal__subcmd__hub", "signal__hub");
        io::stdout().write_all(script.as_bytes()).context("cannot write to stdout")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub fn run(&self, program: clap::Command) -> anyhow::Result<ExitCode> {
        let cannot = || format!("cannot write manual pages to {}", self.directory.display());
        std::fs::create_dir_all(&self.directory).with_context(cannot)?;
        clap_mangen::generate_to(program, &self.directory).with_context(cannot)?;
        Ok(ExitCode::SUCCESS)
    }
}
