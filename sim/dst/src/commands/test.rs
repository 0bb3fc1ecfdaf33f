//! `test`: a scenario file as a Rust test.

use std::any;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::outputs::to_stdout;
use crate::System;
use crate::backend::Backend;
use crate::report;
use crate::scenario::{self, Scenario};

/// How the engine itself is named.
const ENGINE: &str = "dst";

/// Prints a Rust test that plays a scenario file, ready to paste.
#[derive(Args)]
pub struct PrintTest {
    /// A scenario, as those in scenarios/.
    pub(super) file: PathBuf,
}

impl PrintTest {
    /// Does it.
    ///
    /// # Errors
    /// If the file is no scenario.
    pub fn run<S: System>(&self) -> anyhow::Result<ExitCode> {
        to_stdout(&rust_test::<S>(&self.file)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A scenario file as a Rust test.
///
/// # Errors
/// If the file is no scenario.
pub fn rust_test<S: System>(file: &Path) -> anyhow::Result<String> {
    let scenario = scenario::read_file::<S>(file)?;
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(test(&scenario, &text, file))
}

/// It needs nothing around it: whoever pastes it may paste it anywhere among the simulator's tests.
fn test<S: System>(scenario: &Scenario<S>, text: &str, file: &Path) -> String {
    let (name, path, of) = (name(&scenario.title, file), S::RUST_PATH, of_whom::<S>());
    let replay = report::replay_file_command::<S>(file, Backend::default());
    let text = text.replace('\r', "");
    // As many as no quote in the text is followed by.
    let fence = (1..).map(|length| "#".repeat(length)).find(|f| !text.contains(&format!("\"{f}")));
    let fence = fence.unwrap_or_default();
    let why = scenario.why.lines().map(|line| format!("/// {line}\n")).collect::<String>();
    format!(
        r##"{why}#[test]
fn {name}() {{
    use {path}::backend::{{self, Backend}};
    use {path}::run::Keep;
    use {path}::{{report, scenario}};

    let text = r{fence}"{text}"{fence};
    let scenario = scenario::read{of}(text).expect("it is a scenario");
    let outcome =
        backend::play(&scenario, Backend::Simulated, Keep::All).expect("it can be played");
    let replay = {replay:?};
    let told = report::verdict(&outcome, replay);
    assert!(outcome.violation.is_none(), "{{told}}");
}}
"##
    )
}

/// Whose scenario the engine reads, from within the crate that says so.
fn of_whom<S: System>() -> String {
    let path = any::type_name::<S>().split_once("::").filter(|_| S::RUST_PATH == ENGINE);
    path.map_or_else(String::new, |(_, path)| format!("::<{}>", ["crate", path].join("::")))
}

/// A name for a function: the title's words, or those of the file's name.
fn name(title: &str, file: &Path) -> String {
    let words = |text: &str| {
        let letters = text.to_lowercase();
        let words =
            letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_")
    };
    let name = match words(title) {
        title if title.is_empty() => words(&file.file_stem().unwrap_or_default().to_string_lossy()),
        title => title,
    };
    // It may begin with a digit, or be a word of Rust's own.
    if name.contains('_') && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name
    } else {
        format!("plays_{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_called_by_the_words_of_its_title() {
        let named = |title| name(title, Path::new("failures/I14-f271b8de.json"));
        assert_eq!(
            named("I14 subscriptions survive reconnection"),
            "i14_subscriptions_survive_reconnection"
        );
        assert_eq!(named("Alice's 2nd \"try\""), "alice_s_2nd_try");
        assert_eq!(named("match"), "plays_match");
        assert_eq!(named("3 clients"), "plays_3_clients");
        assert_eq!(named(""), "i14_f271b8de");
    }
}
