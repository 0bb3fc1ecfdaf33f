//! The nouns: tables that know nothing of each other. The verbs in `requests` keep the rules
//! between them.

mod deadlines;
mod dedupe;
mod detached;
mod few;
mod log;
mod logs;
mod owned;
mod rate_limit;
mod registration;
mod registry;
mod seats;
mod sessions;
mod table;
mod topics;
mod touched;

pub use deadlines::{Deadline, SessionDeadlines};
pub use sessions::Phase;
pub(crate) use table::Table;

pub(super) use deadlines::Deadlines;
pub(super) use dedupe::{DedupeCache, DedupeKey, Outcome};
pub(super) use few::Few;
pub(super) use log::{Kept, Log, Lost};
pub(super) use logs::Logs;
pub(super) use rate_limit::{RateLimit, RateLimiter};
pub(super) use registration::{Registration, RegistrationState};
pub(super) use registry::Registry;
pub(super) use seats::{Seat, Seats};
pub(super) use sessions::{Session, Sessions};
pub(super) use topics::Topics;
pub(super) use touched::Touched;
