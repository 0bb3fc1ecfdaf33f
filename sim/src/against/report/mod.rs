//! What was found of several hubs beside each other: a row a rule or a scenario file, a column a hub, and of each rule
//! that does not hold the smallest story.

mod html;
mod junit;
mod matrix;
mod merge;
mod moments;
mod table;
#[cfg(test)]
mod tests;

pub use html::html;
pub use junit::junit;
pub use merge::{NotMerged, merged};
pub use moments::{Moment, Way, moments};
pub use table::{rows, table};
