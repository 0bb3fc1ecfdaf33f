//! `show`: a run of a scenario file as a page, or two side by side, opened.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anstream::{eprintln, println};
use anyhow::Context;
use clap::Args;

use super::explain;
use super::outputs::Output;
use crate::System;
use crate::backend::{self, Backend};
use crate::failures;
use crate::report;
use crate::run::Keep;
use crate::scenario::{self, Scenario};

/// Plays scenario files, writes the runs as one HTML page and, at a terminal, opens it.
#[derive(Args)]
pub struct Show {
    /// A scenario, as those in scenarios/, or two to see side by side. One that ends in .html is a page
    /// from before, of another build perhaps.
    #[arg(required = true, num_args = 1..=2)]
    pub(super) files: Vec<PathBuf>,
    /// What they are played on; two show one file on both.
    #[arg(long, value_enum)]
    backend: Vec<Backend>,
    /// Where the page goes; among the failures unless given.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Show {
    /// Does it; a run that breaks something is shown as well as another.
    ///
    /// # Errors
    /// If a file is no scenario, the backend cannot play it, or the page cannot be written.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        let default = [Backend::default()];
        let backends = if self.backend.is_empty() { &default[..] } else { &self.backend };
        let shown: Vec<(&PathBuf, Backend)> = match (&self.files[..], backends) {
            ([file], [one]) => vec![(file, *one)],
            ([file], [left, right]) => vec![(file, *left), (file, *right)],
            ([left, right], [one]) => vec![(left, *one), (right, *one)],
            (_, _) => anyhow::bail!("two runs are shown: of two files, or of one on two backends"),
        };
        let beside = if shown.len() == 2 { "beside.html" } else { "html" };
        let name = self.files[0].with_extension(beside);
        let among = || Path::new(failures::DIRECTORY).join(name.file_name().unwrap_or_default());
        let file = self.html.clone().unwrap_or_else(among);
        anyhow::ensure!(!self.files.contains(&file), "{} is what is to be shown", file.display());
        let output = Output::create(&file)?;
        let pages: Vec<String> = shown
            .iter()
            .map(|(file, backend)| page::<S>(file, *backend))
            .collect::<Result<_, _>>()?;
        let text = match &pages[..] {
            [left, right] => S::two_pages(left, right),
            pages => pages.concat(),
        };
        output.write(&text)?;
        println!("{}", file.display());
        if std::io::stdout().is_terminal() {
            open(&file);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of a scenario's run, or one from before.
fn page<S: System>(file: &Path, backend: Backend) -> anyhow::Result<String> {
    if file.extension().is_some_and(|extension| extension == "html") {
        return std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()));
    }
    let scenario: Scenario<S> = scenario::read_file(file)?;
    let outcome = backend::play(&scenario, backend, Keep::All)?;
    let command = report::replay_file_command::<S>(file, backend);
    let verdict = report::verdict(&outcome, &command);
    eprintln!("{}", verdict.lines().next().unwrap_or_default());
    let explanation = explain::for_page(file, &scenario, backend, &outcome)?;
    Ok(S::page(&scenario, &command, &outcome, explanation.as_deref()))
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
