//! Counters, queues, tables, deadlines: nothing is lost from the books, nothing grows, nothing is
//! left behind, nothing takes long: I17, I28 to I34, I51, I52, I58.

mod accounts;
mod bounds;
mod conservation;
mod directory;
mod pauses;
mod queues;
mod rate_limit;
mod rest;
mod room;
mod timeouts;
mod timers;
mod work;

pub(super) use accounts::Accounting;
pub(super) use bounds::Bounds;
pub(super) use conservation::{Tally, check_against};
pub(super) use directory::Directory;
pub(super) use pauses::Pauses;
pub(super) use queues::Queues;
pub(super) use rate_limit::RateLimits;
pub(super) use room::Room;
pub(super) use timeouts::Timeouts;
pub(super) use timers::Timers;
pub(super) use work::BoundedWork;

pub use conservation::check_balance;
pub use rest::check_rest;
