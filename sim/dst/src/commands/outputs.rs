//! Where the results of a campaign go.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::eprint;
use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::System;
use crate::report::{self, Detail, Pace, Results};

/// Who gets to see the results.
#[derive(Args)]
pub struct Outputs {
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes what was found for programs that read JUnit.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Names what never came up.
    #[arg(long)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A summary for people.
    Text,
    /// All results, without times.
    Json,
}

/// Outputs that can be written.
pub struct Opened {
    format: Format,
    detail: Detail,
    junit: Option<Output>,
    step_summary: Option<Output>,
}

/// A file that waits for what it is to hold.
pub struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    /// Makes it, with its folder, or empties it: what stands in it from an earlier time would be taken for the result.
    ///
    /// # Errors
    /// If that cannot be; it is known before anybody has waited.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        Self::of(path, made.and_then(|()| File::create(path)))
    }

    /// Makes it, with its folder, or goes on where it ends.
    ///
    /// # Errors
    /// If that cannot be.
    pub fn append(path: &Path) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let file = made.and_then(|()| File::options().append(true).create(true).open(path));
        Self::of(path, file)
    }

    fn of(path: &Path, file: std::io::Result<File>) -> anyhow::Result<Self> {
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes it.
    ///
    /// # Errors
    /// If that fails after all.
    pub fn write(mut self, text: &str) -> anyhow::Result<()> {
        self.add(text)
    }

    /// Writes more of it.
    ///
    /// # Errors
    /// If that fails after all.
    pub fn add(&mut self, text: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Writes a result. Nobody has to read it, but it must not get lost.
///
/// # Errors
/// If there is no room for it.
pub fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Outputs {
    /// Opens them, those that GitHub asks for as well.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn open(&self) -> anyhow::Result<Opened> {
        let step_summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        Ok(Opened {
            format: self.format,
            detail: if self.verbose { Detail::Verbose } else { Detail::Short },
            junit: self.junit.as_deref().map(Output::create).transpose()?,
            step_summary: step_summary.map(|path| Output::append(Path::new(&path))).transpose()?,
        })
    }
}

impl Opened {
    /// Writes the results; the exit code is what they mean.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn tell<S: System>(self, results: Results, pace: Option<Pace>) -> anyhow::Result<ExitCode> {
        self.tell_all::<S>(&[(results, pace)])
    }

    /// The same of several campaigns, one after the other; the exit code is that of the worst.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn tell_all<S: System>(
        mut self,
        all: &[(Results, Option<Pace>)],
    ) -> anyhow::Result<ExitCode> {
        for (results, pace) in all {
            match self.format {
                Format::Text if all.len() > 1 => {
                    let summary = report::summary::<S>(results, *pace, self.detail);
                    to_stdout(&format!("profile  {}\n{summary}\n", results.profile))?;
                }
                Format::Text => to_stdout(&report::summary::<S>(results, *pace, self.detail))?,
                Format::Json => to_stdout(&(results.json() + "\n"))?,
            }
            if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
                eprint!("{}", report::annotations(results));
            }
            if let Some(step_summary) = &mut self.step_summary {
                step_summary.add(&report::step_summary(results))?;
            }
        }
        if let Some(junit) = self.junit {
            let took = |pace: &Option<Pace>| pace.map(|pace| pace.took);
            let all: Vec<_> = all.iter().map(|(results, pace)| (results, took(pace))).collect();
            junit.write(&report::junit_of_all::<S>(&all)?)?;
        }
        let worst = all.iter().max_by_key(|(results, _)| results.verdict);
        Ok(ExitCode::from(worst.map_or(0, |(results, _)| results.exit_code)))
    }
}
