//! The engine that hubs share, on NATS: rows lie in one stream of JetStream in the shape of a bucket, messages go over
//! core NATS. [`connect`] checks what it finds; the [`Engine`] then takes requests and gives events until nobody
//! asks any more.
//!
//! Nothing decides here: what is asked and not yet answered is a state without I/O, and whatever the engine says that
//! cannot be read, is late or says no more than that something failed is *unknown*.

mod check;
mod error;
mod output;
mod settings;
mod state;
mod task;
#[cfg(test)]
mod tests;
mod watch;
mod wire;

pub use error::NatsError;
pub use settings::{Credentials, Settings};
pub use task::{Engine, connect};
