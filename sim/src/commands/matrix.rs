//! `matrix`: what `against` found of several hubs, beside each other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use dst::commands::{Output, to_stdout};
use signal_hub_sim::against::Results;
use signal_hub_sim::against::report;

/// Shows what `against` found of several hubs beside each other: a row a rule, a column a hub.
#[derive(Args)]
pub struct Matrix {
    /// What `against` wrote to stdout with --format json; several of one hub are one column.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pages: Pages,
}

/// Where findings are written beside stdout.
#[derive(Args)]
pub struct Pages {
    /// Writes them as one page, with a drawing of each failure.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes them as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Matrix {
    /// Does it; the exit code is that of the worst.
    ///
    /// # Errors
    /// If a file cannot be read or written, or is of another version.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let read = self.files.iter().map(|file| read(file));
        let hubs = report::merged(read.collect::<anyhow::Result<_>>()?)?;
        to_stdout(&report::table(&hubs))?;
        self.pages.write(&hubs)?;
        let worst = hubs.iter().max_by_key(|hub| hub.verdict);
        Ok(ExitCode::from(worst.map_or(0, |hub| hub.exit_code)))
    }
}

impl Pages {
    /// Writes those that are wanted.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, hubs: &[Results]) -> anyhow::Result<()> {
        if let Some(path) = &self.html {
            Output::create(path)?.write(&report::html(hubs))?;
        }
        if let Some(path) = &self.junit {
            Output::create(path)?.write(&report::junit(hubs)?)?;
        }
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<Results> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let not = || format!("{} is not what `against --format json` writes", file.display());
    serde_json::from_str(&text).with_context(not)
}
