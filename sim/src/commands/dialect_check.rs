//! `dialect-check`: tests a dialect without a hub.

use std::process::ExitCode;

use anstream::println;
use anyhow::{Result, bail};
use clap::Args;
use signal_hub_sim::against::check::{Check, check};

/// Has a dialect that is a process show that it keeps to the lines of docs/DIALECTS.md. Exits with 1 if a check
/// fails.
#[derive(Args)]
pub struct DialectCheck {
    /// The program and its arguments; no shell reads them.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl DialectCheck {
    /// # Errors
    /// If a check fails.
    pub fn run(&self) -> Result<ExitCode> {
        let checks = check(&self.command);
        for Check { what, failed } in &checks {
            match failed {
                None => println!("passed  {what}"),
                Some(instead) => println!("FAILED  {what}: {instead}"),
            }
        }
        let failed = checks.iter().filter(|check| check.failed.is_some()).count();
        if failed > 0 {
            bail!("{failed} of {} checks failed", checks.len());
        }
        println!("{} checks passed", checks.len());
        Ok(ExitCode::SUCCESS)
    }
}
