//! This hub's half of its simulator: it plays scenarios against the real server and the real clients and
//! proves what must hold. [`SignalHub`] implements [`System`](dst::System) and
//! [`Deploy`](dst::backend::Deploy), through which the crate [`dst`], the half that knows no hub, does all
//! the rest: its map tells how a run travels.
//!
//! What this hub adds to it, in the same order:
//!
//! - [`engine`]: a stand-in for the engine that hubs of a cluster share.
//! - [`scenario`]: what actors of this hub can do, how it is set, and the scenario of a seed.
//! - [`explore`]: every order of events of a few actors, on the core alone.
//! - `lower`: what an action says in the words of the protocol.
//! - [`backend`]: how the real server and the real clients start; the same by whole messages.
//! - [`runtime`]: the simulated world as the server and the client want it.
//! - [`run`]: compares the hub itself with what its history tells.
//! - [`history`]: what the hub and its clients did.
//! - [`invariants`]: what must hold, judged on the history alone.
//! - [`situations`]: what must have happened for that to mean something.
//! - [`nodes`]: several hubs on one engine, by seed.
//! - [`report`]: a run as a story, a transcript and a page.
//! - [`mutants`]: known bugs, planted to see the invariants find them.
//! - [`against`]: any other hub, from outside.
//! - [`scripted`]: a hub that behaves badly on purpose, for the tests of any client.
//!
//! [`seeds`], [`campaign`], [`net`], [`failures`] and [`hash`] are those of [`dst`].

#![warn(missing_docs)]

#[cfg(not(madsim))]
compile_error!(
    "this simulator needs `--cfg madsim`, which .cargo/config.toml sets: build from inside this \
     project, and add `--cfg madsim` to RUSTFLAGS if you set that variable, because it replaces \
     the flags of the file"
);

pub mod engine;

pub mod nodes;

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

pub mod against;

pub mod scripted;

pub use dst::hash;
