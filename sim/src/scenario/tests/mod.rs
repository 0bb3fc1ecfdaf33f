//! What the engine makes of this hub's scenarios.

mod file;
mod schema;
mod shrinker;
mod token;
