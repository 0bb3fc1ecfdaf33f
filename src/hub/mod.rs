//! The core: a function from (state, now, input) to (state, outputs). It opens no socket, reads no
//! clock and cannot fail; whatever can surprise it is handed in.

mod audit;
mod config;
mod ids;

use std::net::SocketAddr;

use serde::Serialize;

pub use audit::{DropReason, EndReason, ForgetReason, Record};
pub use config::Config;
pub use ids::Ids;

use crate::protocol::{ClientFrame, CloseReason, Malformed, Outgoing};
use crate::time::Timestamp;

/// Names one accepted connection inside this process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionKey(pub u64);

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    pub address: SocketAddr,
}

/// What left a session's outgoing queue for the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub messages: usize,
    /// The sum of [`Outgoing::weight`].
    pub bytes: usize,
}

/// How a connection ended, as the shell saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// The hub closed it: an [`Output::Close`] was carried out.
    Hub,
    /// The client sent a close frame.
    Client,
    /// The stream ended or broke without a close frame.
    Lost,
    /// The client broke the WebSocket protocol.
    Protocol,
}

/// What happened to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A WebSocket was accepted. The key is new.
    Opened(SessionKey, Peer),
    /// A text or binary frame arrived.
    Frame(SessionKey, Result<ClientFrame, Malformed>),
    /// A WebSocket ping or pong arrived: a sign of life.
    Alive(SessionKey),
    /// Messages left the outgoing queue for the socket.
    Drained(SessionKey, Written),
    /// The connection is gone. Comes once for each [`Input::Opened`], and last.
    Closed(SessionKey, CloseCause),
    /// Nothing but time has passed.
    Tick,
    /// The hub is to end: every session is told and closed.
    Shutdown,
}

/// What the shell must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put a message into the session's outgoing queue.
    Send(SessionKey, Outgoing),
    /// Write what is queued, then close the WebSocket with this reason.
    Close(SessionKey, CloseReason),
    /// Write an audit record.
    Audit(Record),
}

/// The hub. See [`Hub::handle`].
#[derive(Debug, Clone)]
pub struct Hub {
    config: Config,
    outputs: Vec<Output>,
}

impl Hub {
    /// An empty hub.
    pub fn new(config: Config, _ids: Ids) -> Self {
        Self { config, outputs: Vec::new() }
    }

    /// What the hub may use and how long it waits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Expires what is due at `now`, then applies `input`. The outputs borrow the hub: take them
    /// all before the next input.
    #[must_use = "the outputs are what the hub does"]
    pub fn handle(&mut self, _now: Timestamp, _input: Input) -> impl Iterator<Item = Output> + '_ {
        self.outputs.drain(..)
    }

    /// When the hub must be called again at the latest, with [`Input::Tick`] if need be.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}
