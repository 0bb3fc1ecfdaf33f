//! It must have happened: what a campaign has to meet before its silence proves anything. Each
//! situation is counted on the history alone, as the invariants are judged.

mod names;
mod shape;
mod sightings;
mod watch;

pub use names::{IMPOSSIBLE, Situation};
pub use shape::{SHAPE_EVERY, Shape};
pub use sightings::{Sighting, Sightings};
pub use watch::Watch;
