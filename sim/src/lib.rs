//! Plays scenarios against the hub in a simulated world and proves what must hold.
//!
//! The map, in the order in which a run travels:
//!
//! - [`scenario`]: who does what when, from a seed.
//! - [`seeds`]: which seeds to play.
//! - [`campaign`]: plays many of them.
//! - [`explore`]: every order of events of a few actors, on the core alone.
//! - `lower`: what an action says in the words of the protocol.
//! - [`backend`]: plays one scenario: the real server and the real clients on a simulated network.
//! - [`runtime`]: the world that they live in, on madsim.
//! - [`net`]: its network, and what can be done to it.
//! - [`run`]: takes down what happens and has it judged at once.
//! - [`history`]: what happened.
//! - [`invariants`]: what must hold, judged on the history alone.
//! - [`situations`]: what must have happened for that to mean something.
//! - [`failures`]: shrunk to what they take, as files.
//! - [`report`]: what people get to see.
//! - [`mutants`]: known bugs, planted to see the invariants find them.
//! - [`hash`]: the same in every process and build.

pub mod scenario;

mod system;

pub use system::SignalHub;

pub use dst::seeds;

pub mod campaign;

pub mod explore;

mod lower;

pub mod backend;

pub mod runtime;

pub use dst::net;

pub mod run;

pub mod history;

pub mod invariants;

pub mod situations;

pub use dst::failures;

pub mod report;

pub mod mutants;

pub use dst::hash;
