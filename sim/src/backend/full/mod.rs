//! The real server, the real clients and raw connections, on whatever wire.

mod client;
mod hub;
mod raw;

pub use client::Client;
pub use hub::Hub;
pub use raw::Raw;
