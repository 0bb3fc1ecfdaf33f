//! signal-hub routes messages between actors over WebSockets.
//!
//! The map, in the order in which a message travels:
//!
//! - [`time`]: the one clock value the core knows.
//! - [`protocol`]: the words on the wire, pure data.
//! - [`auth`]: who a token says its bearer is, a pure function.
//! - [`hub`]: the core: a function from (state, now, input) to (state, outputs), no I/O.
//! - [`runtime`]: what the shells need from the world (tasks, clock, sockets), and tokio's answer.
//! - [`server`]: the shell that serves a hub to WebSocket clients.
//! - [`settings`]: every setting, its range and its default.
//! - [`client`]: a client that registers, subscribes, asks and comes back after a lost connection.

pub mod time;

pub mod protocol;

pub mod auth;

pub mod hub;

pub mod runtime;

pub mod server;

pub mod settings;

pub mod client;
