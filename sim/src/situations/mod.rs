//! It must have happened: what a campaign has to meet before its silence proves anything. Each
//! situation is counted on the history alone, as the invariants are judged.

mod aimed;
mod at_clients;
mod names;
mod required;
mod seen;
mod shape;
mod tokens;
mod watch;

pub use dst::coverage::Sighting;
pub use names::{IMPOSSIBLE, Situation};
pub use required::required;
pub use shape::Shape;
pub use watch::Watch;

/// Takes note of a situation.
type Saw<'a> = &'a mut dyn FnMut(Situation);

/// How often each situation came up.
pub type Sightings = dst::coverage::Sightings<Situation>;
