//! `show`: a run of a scenario file as a page, opened.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anstream::{eprintln, println};
use clap::Args;

use super::outputs::Output;
use crate::System;
use crate::backend::{self, Backend};
use crate::failures;
use crate::report;
use crate::run::Keep;
use crate::scenario::{self, Scenario};

/// Plays a scenario file, writes the run as one HTML page and, at a terminal, opens it.
#[derive(Args)]
pub struct Show {
    /// A scenario, as those in scenarios/.
    file: PathBuf,
    /// What it is played on.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Where the page goes; beside the failures unless given.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Show {
    /// Does it; a run that breaks something is shown as well as another.
    ///
    /// # Errors
    /// If the file is no scenario, the backend cannot play it, or the page cannot be written.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let scenario: Scenario<S> = scenario::read_file(&self.file)?;
        let name = self.file.with_extension("html");
        let beside = || Path::new(failures::DIRECTORY).join(name.file_name().unwrap_or_default());
        let page = self.html.clone().unwrap_or_else(beside);
        let output = Output::create(&page)?;
        let outcome = backend::play(&scenario, self.backend, Keep::All)?;
        let command = report::replay_file_command::<S>(&self.file, self.backend);
        output.write(&S::page(&scenario, &command, &outcome))?;
        let verdict = report::verdict(&outcome, &command);
        eprintln!("{}", verdict.lines().next().unwrap_or_default());
        println!("{}", page.display());
        if std::io::stdout().is_terminal() {
            open(&page);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Opens a page with whatever this system opens pages with; the path was printed in any case.
fn open(page: &Path) {
    let (program, arguments): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(page).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_err() {
        eprintln!("{program} is not there to open it");
    }
}
