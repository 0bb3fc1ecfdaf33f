//! Any hub, from outside: the scenarios, storms, invariants and stories of this simulator against a process that
//! nobody here wrote. Real connections go through the network of the real backend; what the hub is, only its
//! dialect knows; what it does is judged by what clients did and saw.

pub mod dialect;
pub mod history;
pub mod judge;
mod subject;
mod system;

pub use subject::{Run, Subject};
pub use system::{AnyHub, of_any_hub, of_this_hub};

/// Who does what when.
pub type Scenario = dst::scenario::Scenario<AnyHub>;
/// An invariant that does not hold, and how that shows.
pub type Violation = dst::verdict::Violation<AnyHub>;
/// What a run came to.
pub type Outcome = dst::backend::Outcome<AnyHub>;
