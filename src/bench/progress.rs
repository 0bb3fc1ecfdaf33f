//! Tells whoever waits on stderr what is going on: a bar on a terminal, else a line for each stage.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// One stage, of so many steps.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn begin(stage: &str, steps: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            eprintln!("{stage}");
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(steps).with_message(stage.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    pub fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
