//! signal-hub routes messages between actors over WebSockets.
//!
//! The map, in the order in which a message travels:
//!
//! - [`time`]: the only form in which the core knows time.
//! - [`protocol`]: the messages on the wire, pure data.
//! - [`auth`]: from a token to its bearer's rights, a pure function.
//! - [`hub`]: the core, a function from (state, now, input) to (state, outputs), without I/O.
//! - [`store`]: what the hub keeps on a disk, without a clock or a task.
//! - [`runtime`]: what the shells need from the world (tasks, clock, sockets), and its form on
//!   tokio.
//! - [`server`]: the shell that serves a hub to WebSocket clients.
//! - [`settings`]: every setting, its range and its default.
//! - [`client`]: a client that registers, subscribes, asks and comes back after a lost connection.
//!
//! The feature `client` has the client alone, `server` the hub and its shell; `cli`, the default,
//! has both, and what the program and its settings need.

#![warn(missing_docs)]

pub mod time;

pub mod protocol;

#[cfg(feature = "server")]
pub mod auth;

#[cfg(feature = "server")]
pub mod hub;

#[cfg(feature = "server")]
pub mod store;

pub mod runtime;

#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "cli")]
pub mod settings;

#[cfg(feature = "client")]
pub mod client;

/// What a client's program names, for one `use`.
#[cfg(feature = "client")]
pub mod prelude {
    pub use crate::client::{
        ActorConfig, Client, ClientConfig, ClientError, Event, Events, HubUrl, Message, Messages,
        SendOutcome,
    };
    pub use crate::protocol::{ActorAddress, Json, Topic};
    pub use crate::runtime::{Runtime, Tokio};
}
