//! What is delivered, to whom, in which order, and what is said of it: I8, I16, I18 to I27, I36
//! to I45, I57.

mod answers;
mod arrival;
mod handover;
mod lateness;
mod metadata;
mod outcomes;
mod readers;
mod recipients;
mod recovery;
mod remembered;
mod replies;
mod truth;

pub(super) use answers::Answers;
pub(super) use arrival::Arrival;
pub(super) use handover::Handover;
pub(super) use lateness::Lateness;
pub(super) use outcomes::Outcomes;
pub(super) use readers::Readers;
pub(super) use recipients::Recipients;
pub(crate) use recovery::{Book, Recovery};
pub(super) use replies::Replies;
pub(super) use truth::Truth;
