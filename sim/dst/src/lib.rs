//! Deterministic simulation testing of a server that many clients talk to, called the hub here. One
//! implements [`Service`]: a server and its client as functions on a [`Runtime`](runtime::Runtime), what must hold
//! of what they note, and the scenario of a seed. One gets a network with faults, scenarios as files and from
//! seeds, runs that are judged event by event, campaigns on all cores, failures shrunk to a few steps, reports,
//! and the commands of a simulator. Nothing here knows which hub it is.
//!
//! # From a service to a failure that everybody can replay
//!
//! `Echo`, which [`service`] shows in full, has a bug that shows where two lines arrive at once.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::backend::{self, Backend};
//! use dst::campaign::{self, Plan, Watcher};
//! use dst::run::Keep;
//! use dst::{failures, report, scenario};
//!
//! // Runs, each in a world of its own that a seed decides.
//! let plan = Plan::<Echo>::of(Profile::Stalls, Backend::Simulated, 0..20);
//! let findings = campaign::run(&plan, &Watcher::SILENT);
//! let (seed, _) = findings.failures.first_key_value().ok_or("nothing failed")?;
//!
//! // The same again, with as few steps as still fail.
//! let storm = Echo::generate(Profile::Stalls, *seed);
//! let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_progress| false)?;
//! assert!(shrunk.scenario.steps.len() < storm.steps.len());
//!
//! // As a file, which means the same on every machine and after the generator has changed.
//! let file = scenario::write(&shrunk.scenario);
//! let outcome = backend::play(&scenario::read::<Echo>(&file)?, Backend::Simulated, Keep::All)?;
//! let told = report::verdict(&outcome, "cargo run -- replay echo.json");
//! assert!(told.contains("What a client says on a connection comes back to it, in order."));
//! # Ok(())
//! # }
//! ```
//!
//! [`commands::main`]`::<Echo>()` does all this from a command line. `examples/template` in the repository is a
//! folder to copy, with tests.
//!
//! # What one wants, and where it is
//!
//! | what one wants | where |
//! |---|---|
//! | to put a server under test | [`Service`]; [`System`] with [`Deploy`](backend::Deploy) for whoever has more to say |
//! | to say what must hold | [`invariants!`], [`Service::judge`], [`Violation`](verdict::Violation) |
//! | to have it fail | [`net::Fault`], [`disk`], [`scenario::HubAction`], [`scenario::ProcessAct`] |
//! | to know that a campaign met what it was to meet | [`Service::MUST_COME_UP`], [`coverage`] |
//! | a test for `cargo test` | [`backend::play`] with a file of [`scenario::read_file`]; [`seeds::Seeds::from_environment`] |
//! | the same on real sockets | [`backend::Backend::Real`] |
//! | to see why it fails | [`explain`], [`report`] |
//! | to simulate without any of this | [`runtime::simulate`] and [`net::Net`] |
//!
//! # The map
//!
//! In the order in which a run travels:
//!
//! - [`service`]: what is under test, the short way: two functions, what they note, what must hold of it.
//! - [`system`]: the same, with all that can be said.
//! - [`scenario`]: who does what when, as a value and as a file; the shrinker.
//! - [`seeds`]: which seeds to play.
//! - [`campaign`]: plays many of them, on many threads.
//! - [`backend`]: plays one scenario with the server and its clients, on a simulated or a real network.
//! - [`runtime`]: the world that processes live in, simulated or real.
//! - [`executor`]: what runs the tasks of a simulation: madsim, or one of our own that asks for no flag.
//! - [`net`]: its network, and what can be done to it.
//! - [`disk`]: what outlives a crash of the hub.
//! - [`run`]: takes down what happens and has it judged.
//! - [`history`]: what happened.
//! - [`verdict`]: what must hold, who judges that, and what a violation says.
//! - [`coverage`]: how often each situation came up: what never happened was not tested.
//! - [`failures`]: shrunk to what they take, as files.
//! - [`explain`]: when a failure became likely, and what differs from the nearest scenario that passes.
//! - [`report`]: what people and programs get to see.
//! - [`commands`]: all of this from a command line.
//! - [`interrupt`]: whether whoever waits still does.
//! - [`hash`] and [`duration_text`]: the same in every process and build, and in every file.

#![warn(missing_docs)]

pub mod backend;
pub mod campaign;
pub mod commands;
pub mod coverage;
pub mod disk;
pub mod duration_text;
pub mod executor;
pub mod explain;
pub mod failures;
pub mod hash;
pub mod history;
pub mod interrupt;
pub mod net;
pub mod report;
pub mod run;
pub mod runtime;
pub mod scenario;
pub mod seeds;
pub mod service;
pub mod system;
pub mod verdict;

pub use service::Service;
pub use system::System;

/// For [`invariants!`].
#[doc(hidden)]
pub use serde as __serde;
