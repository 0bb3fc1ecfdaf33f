//! Several hubs on one stand-in engine, on the core alone or (`simulated`) as they run: what happens is a list of moves, which a seed makes, and an
//! impossible move does nothing, so that any part of the list can be played as well.

mod aims;
mod events;
mod judge;
mod moves;
mod play;
mod scenario;
mod simulated;
mod system;
mod talk;
mod weather;
mod world;

#[cfg(test)]
mod tests;

pub use aims::Profile;
pub use judge::Violation;
pub use scenario::{Action, Hubs, Scenario, Settings, is_of_several};
pub(crate) use world::steps::Step;
pub use world::steps::{LAG_MAX, WRITES_MAX};
pub use world::{Seen, Setting, World};

/// Several hubs that share an engine.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Nodes;
