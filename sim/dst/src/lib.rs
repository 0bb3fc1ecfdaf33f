//! Deterministic simulation testing of servers and their clients.

#![warn(missing_docs)]

#[cfg(not(madsim))]
compile_error!(
    "the simulator needs `--cfg madsim`, which .cargo/config.toml sets: build from inside this \
     project, and add `--cfg madsim` to RUSTFLAGS if you set that variable, because it replaces \
     the flags of the file"
);

pub mod backend;
pub mod campaign;
pub mod commands;
pub mod coverage;
pub mod duration_text;
pub mod failures;
pub mod hash;
pub mod history;
pub mod net;
pub mod report;
pub mod run;
pub mod runtime;
pub mod scenario;
pub mod seeds;
pub mod system;
pub mod verdict;

pub use system::System;
