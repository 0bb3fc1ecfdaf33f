//! The server on real sockets, against a WebSocket client that is not ours.

// Clippy's leave to unwrap in tests does not reach their fixtures.
#![allow(clippy::unwrap_used)]

mod admin;
mod auth;
mod bench;
mod clients;
mod cluster;
mod command;
mod examples;
mod faulty;
mod fixture;
mod http;
mod limits;
mod protocol_page;
mod recovery;
mod reload;
mod sessions;
mod settings;
mod shutdown;
mod store;
mod stranger;
mod tls;
