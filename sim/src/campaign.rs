//! Many seeds of this hub.

use crate::SignalHub;

pub use dst::campaign::{ENFORCED_FROM, Stopped, Verdict, run, run_with};

/// Which seeds to play, and when to stop before the last.
pub type Plan = dst::campaign::Plan<SignalHub>;
/// What becomes of a seed.
pub type Played = dst::campaign::Played<SignalHub>;
/// What those who wait may say and hear.
pub type Watcher<'a> = dst::campaign::Watcher<'a, SignalHub>;
/// What a campaign found.
pub type Findings = dst::campaign::Findings<SignalHub>;
/// A failed run.
pub type Failure = dst::campaign::Failure<SignalHub>;
/// Failures that are alike.
pub type DistinctFailure<'a> = dst::campaign::DistinctFailure<'a, SignalHub>;
