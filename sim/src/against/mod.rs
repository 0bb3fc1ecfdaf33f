//! Any hub, from outside: the scenarios, storms, invariants and stories of this simulator against a process that
//! nobody here wrote. Real connections go through the network of the real backend; what the hub is, only its
//! dialect knows; what it does is judged by what clients did and saw.

pub mod check;
pub mod child;
mod client;
mod deploy;
pub mod dialect;
pub mod history;
pub mod judge;
mod line;
pub mod lines;
pub mod outside;
mod own;
mod play;
mod process;
mod program;
mod raw;
pub mod report;
mod results;
mod shrinker;
mod subject;
mod system;
mod target;
mod trial;
mod watched;
mod words;

use crate::invariants::Invariant;

pub use client::Agreement;
pub use dialect::Promise;
pub use play::adapted;
pub use process::end_all;
pub use results::{Break, Fate, Played, Results, Rule, replay_command};
pub use subject::{Run, Subject};
pub use system::{AnyHub, of_any_hub, of_this_hub};
pub use target::{Place, Target, Times, Tongue, quoted, words};
pub use trial::{LAST_TRIES, Small, Storms, at, breaks_again, play, play_all, read, shrink};

/// Who does what when.
pub type Scenario = dst::scenario::Scenario<AnyHub>;
/// An invariant that does not hold, and how that shows.
pub type Violation = dst::verdict::Violation<AnyHub>;
/// What a run came to.
pub type Outcome = dst::backend::Outcome<AnyHub>;

/// What ends a run whose dialect is broken: it says nothing of the hub.
fn broken_dialect(why: &str) -> Violation {
    Violation::new(Invariant::NoPanic, why)
}

/// What it means that a hub sends without end.
fn flooded(why: &str) -> Violation {
    Violation::new(Invariant::I19, why)
}
