//! Known bugs, planted one at a time in a scratch copy of the project, to see that what looks for
//! bugs finds them. A null patch that must pass and a canary that must fail guard the run itself.

mod explained;
mod fate;
mod fates;
mod gain;
mod known;
mod matrix;
mod outside;
mod patch;
mod said;
mod scratch;
mod trials;

pub use explained::{Explained, Explanations};
pub use fate::{Fate, Kills, Trial};
pub use fates::Fates;
pub use gain::{Aim, Gain, worth_aiming};
pub use known::known_bugs;
pub use matrix::Matrix;
pub use outside::{Outside, markdown as outside_markdown};
pub use patch::{Expectation, Mutant, Scope};
pub use scratch::{Build, Programs, Scratch};
pub use trials::{Bench, MESSAGE_SEEDS, QUICK_SEEDS};
