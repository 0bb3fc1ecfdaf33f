//! Deterministic simulation testing of a server that many clients talk to, called the hub here. One
//! implements the trait [`Service`]: a server and its client as functions on a
//! [`Runtime`](runtime::Runtime), what must hold of what they note, and the scenario of a seed; or, for whoever has
//! more to say, [`System`] and [`Deploy`](backend::Deploy). One gets a network with faults, scenarios as files and from seeds, runs that are judged event by event,
//! campaigns on all cores, failures shrunk to a few steps, reports, and the commands of a simulator.
//! Nothing here knows which hub it is.
//!
//! The map, in the order in which a run travels:
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
//! - [`run`]: takes down what happens and has it judged at once.
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
