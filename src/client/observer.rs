//! Lets somebody watch everything that a client says and hears: the simulator's ear.

use super::Loss;
use crate::protocol::ClientFrame;
use crate::protocol::codec::HubFrame;
use crate::time::Timestamp;

/// Watches one client. `()` watches nothing.
pub trait Observer: Send + 'static {
    /// The client handed `frame` to its transport; it may never arrive.
    fn sent(&mut self, _now: Timestamp, _frame: &ClientFrame) {}

    /// The client read `frame` and is about to act on it.
    fn received(&mut self, _now: Timestamp, _frame: &HubFrame) {}

    /// The transport changed.
    fn transport(&mut self, _now: Timestamp, _change: &TransportChange) {}
}

impl Observer for () {}

/// What happened to the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportChange {
    /// The client began to connect.
    Dialling,
    /// The WebSocket is open.
    Up,
    /// The transport, or the attempt to get one, ended.
    Lost(Loss),
    /// The client gave it up: it sends a close frame and reads no more.
    Abandoned,
}
