//! One WebSocket to a hub and nothing else: no session, no reconnecting. For tools and tests that
//! write each frame themselves.

use std::collections::VecDeque;
use std::future::poll_fn;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Reading;
use super::transport::{Arrival, Transport};
use super::{DisconnectReason, HubUrl, Trust};
use crate::runtime::Runtime;

/// A WebSocket to a hub. Dropped, it ends without a close frame.
pub struct RawTransport {
    transport: Transport,
    outgoing: VecDeque<String>,
}

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
        let transport = Transport::dial(runtime, hub, None, frame_bytes_max).await?;
        Ok(Self { transport, outgoing: VecDeque::new() })
    }

    /// Shakes hands with the hub at the other end of `stream`, a `wss` hub with the help of
    /// `trust`. `seed` makes the handshake's nonce; otherwise like [`RawTransport::dial`].
    ///
    /// # Errors
    /// [`DisconnectReason::ConnectFailed`] says why no WebSocket was opened.
    pub async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        stream: S,
        seed: [u8; 32],
        hub: &HubUrl,
        trust: Option<&Trust>,
        frame_bytes_max: usize,
    ) -> Result<Self, DisconnectReason> {
        let transport = Transport::over(stream, seed, hub, trust, frame_bytes_max).await?;
        Ok(Self { transport, outgoing: VecDeque::new() })
    }

    /// Queues a text message; [`RawTransport::next`] writes it.
    pub fn queue(&mut self, text: String) {
        self.outgoing.push_back(text);
    }

    /// Messages that are queued and not written yet.
    pub fn queued(&self) -> usize {
        self.outgoing.len()
    }

    /// Writes what is queued and meanwhile waits for what arrives. Cancel safe.
    pub async fn next(&mut self) -> RawArrival {
        loop {
            match self.arrival().await {
                Arrival::Frame(bytes) => return RawArrival::Frame(bytes),
                Arrival::Lost(why) => return RawArrival::Lost(why),
                Arrival::Alive | Arrival::Part { .. } => {}
            }
        }
    }

    async fn arrival(&mut self) -> Arrival {
        let Self { transport, outgoing } = self;
        poll_fn(|task| transport.poll_next(task, Reading::Open, || outgoing.pop_front())).await
    }

    /// Writes what is queued, then closes with a handshake. Has no timeout.
    pub async fn finish(self) {
        self.transport.close(self.outgoing).await;
    }
}
