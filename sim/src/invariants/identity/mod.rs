//! Sessions and the addresses that they own: I1 to I7, I9 to I12, I53 to I55, L10, I56.

mod acting;
mod authority;
mod lifecycle;
mod names;
mod ownership;
mod refusals;
mod registration;
mod takeover;
mod tokens;
mod versions;

pub(super) use acting::Acting;
pub(super) use authority::Authority;
pub(super) use lifecycle::{Lifecycle, Resurrection};
pub(super) use names::Names;
pub(super) use ownership::Ownership;
pub(super) use refusals::Refusals;
pub(super) use registration::LastRegistration;
pub(super) use takeover::Takeover;
pub(super) use tokens::Tokens;
pub(super) use versions::Versions;
