//! What this hub is played on: its server and its clients on any network of bytes, and a model of the
//! whole by messages.

mod belief;
mod deploy;
#[cfg(test)]
mod differential_tests;
mod full;
mod generate;
mod message;
#[cfg(test)]
mod tests;

pub use dst::backend::{Backend, Skipped, play, play_for, play_once};
pub use generate::generate;

use crate::SignalHub;

/// What a run came to.
pub type Outcome = dst::backend::Outcome<SignalHub>;
/// The server, the clients and the raw connections of a run.
type FullStack<W> = dst::backend::FullStack<SignalHub, W>;
