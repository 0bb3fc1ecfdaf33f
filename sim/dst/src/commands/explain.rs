//! `explain`: why a scenario fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::outputs::{Format, to_stdout};
use super::progress::Ticker;
use crate::System;
use crate::backend::{Backend, Outcome};
use crate::explain::{self, BACKENDS, Explanation};
use crate::failures;
use crate::report;
use crate::scenario::{self, Scenario};

/// Tells why a scenario fails: when that became likely, what differs from the nearest scenario that passes, what
/// led to it, and which planted bugs break like that.
#[derive(Args)]
pub struct Explain {
    /// A scenario that fails, such as one that a failure left.
    pub(super) file: PathBuf,
    /// What it is played on; unless given, message, simulated or both, whichever fails first.
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// What stdout gets.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Explain {
    /// Does it; the exit code is that of `replay`.
    ///
    /// # Errors
    /// If the file or the storm beside it is no scenario, or no backend can play it.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        ensure!(
            self.backend != Some(Backend::Real),
            "explain plays a scenario again and again, and on real sockets nothing fails the same way twice"
        );
        let scenario: Scenario<S> = scenario::read_file(&self.file)?;
        let storm = failures::storm_beside(&self.file)?;
        let only = self.backend.map(|backend| [backend]);
        let backends = only.as_ref().map_or(&BACKENDS[..], |only| &only[..]);
        let ticker = Ticker::begin(|elapsed| format!("{:.0} s: it goes on", elapsed.as_secs_f64()));
        let explained = explain::explain(&scenario, storm.as_ref(), backends)?;
        drop(ticker);
        let Some(explanation) = explained else {
            let names: Vec<String> = backends.iter().map(ToString::to_string).collect();
            to_stdout(&match self.format {
                Format::Text => {
                    format!("passed on {}: there is nothing to explain\n", names.join(" and "))
                }
                Format::Json => report::unexplained(&names),
            })?;
            return Ok(ExitCode::SUCCESS);
        };
        to_stdout(&match self.format {
            Format::Text => report::explanation(&scenario, &explanation),
            Format::Json => report::explained(&scenario, &explanation),
        })?;
        Ok(ExitCode::from(super::exit_code_of(&explanation.outcome)))
    }
}

/// What a page of the file's run says of why it fails, if it does so each time.
///
/// # Errors
/// If the storm beside the file is no scenario.
pub(super) fn for_page<S: System>(
    file: &Path,
    scenario: &Scenario<S>,
    backend: Backend,
    outcome: &Outcome<S>,
) -> anyhow::Result<Option<String>> {
    if outcome.violation.is_none() || backend == Backend::Real {
        return Ok(None);
    }
    let storm = failures::storm_beside(file)?;
    let explanation = Explanation::of(scenario, storm.as_ref(), backend, outcome.clone());
    Ok(Some(report::explanation(scenario, &explanation)))
}
