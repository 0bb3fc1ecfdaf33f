//! The commands that only this hub's simulator has.

mod against;
mod dialect_check;
mod explore;
mod matrix;
mod mutants;
mod scripted;

pub use against::Against;
pub use dialect_check::DialectCheck;
pub use dst::commands::{now, shrink};
pub use explore::Explore;
pub use matrix::{Matrix, Pages};
pub use mutants::Mutants;
pub use scripted::Hub;
