//! One WebSocket to a hub and nothing else: no session, no reconnecting. For tools and tests that
//! write each frame themselves.

use bytes::Bytes;

use super::transport::{Arrival, Reading, Transport, Unwritten};
use super::{DisconnectReason, HubUrl};
use crate::runtime::Runtime;

/// A WebSocket to a hub. Dropped, it ends without a close frame.
pub struct RawTransport(Transport);

/// What arrives.
#[derive(Debug)]
pub enum RawArrival {
    /// The bytes of one text or binary message.
    Frame(Bytes),
    /// Nothing more will arrive.
    Lost(DisconnectReason),
}

impl RawTransport {
    /// Connects and shakes hands. Reads no frame longer than `frame_bytes_max`, and has no timeout.
    ///
    /// # Errors
    /// [`DisconnectReason::ConnectFailed`] says why no WebSocket was opened.
    pub async fn dial<R: Runtime>(
        runtime: R,
        hub: HubUrl,
        frame_bytes_max: usize,
    ) -> Result<Self, DisconnectReason> {
        Transport::dial(runtime, hub, None, frame_bytes_max).await.map(Self)
    }

    /// Queues a text message; [`RawTransport::next`] writes it.
    pub fn queue(&mut self, text: String) {
        self.0.queue(text);
    }

    /// Writes what is queued and meanwhile waits for what arrives. Cancel safe.
    pub async fn next(&mut self) -> RawArrival {
        loop {
            match self.0.next(Reading::Open).await {
                Arrival::Frame(bytes) => return RawArrival::Frame(bytes),
                Arrival::Lost(why) => return RawArrival::Lost(why),
                Arrival::Alive | Arrival::Part { .. } => {}
            }
        }
    }

    /// Writes what is queued, then closes with a handshake. Has no timeout.
    pub async fn finish(self) {
        self.0.close(Unwritten::Write).await;
    }
}
