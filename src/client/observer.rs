//! Lets an observer, such as the simulator, watch everything that a client sends and receives.

use super::DisconnectReason;
use crate::protocol::ClientFrame;
use crate::protocol::codec::HubFrame;
use crate::time::Timestamp;

/// Watches one client. `()` ignores everything.
pub trait Observer: Send + 'static {
    /// The client passed `frame` to its transport; the frame may never arrive.
    fn sent(&mut self, _now: Timestamp, _frame: &ClientFrame) {}

    /// The client read `frame` and is about to act on it.
    fn received(&mut self, _now: Timestamp, _frame: &HubFrame) {}

    /// The transport changed.
    fn transport(&mut self, _now: Timestamp, _change: &TransportChange) {}
}

impl Observer for () {}

/// A change of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportChange {
    /// The client began to connect.
    Dialling,
    /// The WebSocket is open.
    Up,
    /// The transport, or the attempt to open one, ended.
    Lost(DisconnectReason),
    /// The client gave the transport up: it sends a close frame and reads no more.
    Abandoned,
}
