//! One WebSocket to the hub, from the dial to the last byte.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

use super::link::Reading;
use super::{DisconnectReason, HubUrl, Trust};
use crate::runtime::Runtime;

mod handshake;
mod last_words;

use last_words::LastWords;

/// Pings that may come before an answer is written; a hub that sends more does not read.
const UNANSWERED_PINGS_MAX: usize = 1024;

pub(super) struct Transport {
    socket: WebSocketStream<LastWords<TokioIo<Upgraded>>>,
    /// Whether something may be in the socket's own queue.
    unflushed: bool,
    unanswered_pings: usize,
}

pub(super) enum Arrival {
    /// The bytes of one text or binary message.
    Frame(Bytes),
    /// A control frame came.
    Alive,
    /// Bytes came of a message that is not whole yet: whether they are its first, and the bytes that
    /// its headers declare so far.
    Part { first: bool, declared: u64 },
    /// Nothing more will arrive.
    Lost(DisconnectReason),
}

impl Transport {
    /// Connects and shakes hands. Has no timeout.
    pub(super) async fn dial<R: Runtime>(
        runtime: R,
        hub: HubUrl,
        trust: Option<Trust>,
        frame_bytes_max: usize,
    ) -> Result<Self, DisconnectReason> {
        let seed = runtime.random_seed();
        let stream = runtime.connect(hub.authority()).await.map_err(connect_failed)?;
        Self::over(stream, seed, &hub, trust.as_ref(), frame_bytes_max).await
    }

    /// Shakes hands with the hub at the other end of `stream`. Has no timeout.
    pub(super) async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        stream: S,
        seed: [u8; 32],
        hub: &HubUrl,
        trust: Option<&Trust>,
        frame_bytes_max: usize,
    ) -> Result<Self, DisconnectReason> {
        let nonce = handshake::Nonce::new(seed);
        let upgraded = if hub.speaks_tls() {
            let trust = trust.ok_or_else(|| connect_failed("nobody is trusted to be the hub"))?;
            let stream = trust.connect(hub.host(), stream).await.map_err(connect_failed)?;
            handshake::upgrade(stream, hub, &nonce).await
        } else {
            handshake::upgrade(stream, hub, &nonce).await
        };
        let stream = upgraded.map_err(connect_failed)?;
        let limits = Limits::default().max_payload_len(Some(frame_bytes_max));
        let socket = ClientBuilder::new().limits(limits).take_over(LastWords::new(stream));
        Ok(Self { socket, unflushed: false, unanswered_pings: 0 })
    }

    /// Writes the messages that `next` returns and meanwhile waits for what arrives.
    pub(super) fn poll_next(
        &mut self,
        task: &mut Context<'_>,
        reading: Reading,
        next: impl FnMut() -> Option<String>,
    ) -> Poll<Arrival> {
        if let Err(error) = self.write(task, next) {
            return Poll::Ready(Arrival::Lost(DisconnectReason::Broken(error.to_string())));
        }
        match reading {
            Reading::Open => self.read(task),
            Reading::Stalled => Poll::Pending,
        }
    }

    /// Closes with a handshake after these messages. Has no timeout.
    pub(super) async fn close(mut self, last: impl IntoIterator<Item = String>) {
        for text in last {
            if self.socket.feed(Message::text(text)).await.is_err() {
                break;
            }
        }
        // The transport is over, whatever the error.
        let _ = self.socket.close().await;
    }

    fn read(&mut self, task: &mut Context<'_>) -> Poll<Arrival> {
        let mut is_alive = false;
        loop {
            let next = match self.socket.poll_next_unpin(task) {
                Poll::Pending => {
                    return match self.socket.get_mut().take_part() {
                        Some((first, declared)) => Poll::Ready(Arrival::Part { first, declared }),
                        None if is_alive => Poll::Ready(Arrival::Alive),
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(next) => next,
            };
            is_alive = true;
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    return Poll::Ready(Arrival::Lost(DisconnectReason::Broken(error.to_string())));
                }
                None => {
                    let why = "the stream ended without a close frame".to_owned();
                    return Poll::Ready(Arrival::Lost(DisconnectReason::Broken(why)));
                }
            };
            if let Some(arrival) = self.arrival_of(message) {
                return Poll::Ready(arrival);
            }
        }
    }

    fn write(
        &mut self,
        task: &mut Context<'_>,
        mut next: impl FnMut() -> Option<String>,
    ) -> Result<(), tokio_websockets::Error> {
        while self.socket.poll_ready_unpin(task)?.is_ready()
            && let Some(text) = next()
        {
            self.socket.start_send_unpin(Message::text(text))?;
            self.unflushed = true;
        }
        if self.unflushed && self.socket.poll_flush_unpin(task)?.is_ready() {
            self.unflushed = false;
            self.unanswered_pings = 0;
        }
        Ok(())
    }

    fn arrival_of(&mut self, message: Message) -> Option<Arrival> {
        if message.is_text() || message.is_binary() {
            return Some(Arrival::Frame(message.into_payload().into()));
        }
        if let Some((code, reason)) = message.as_close() {
            let code = Some(u16::from(code)).filter(|code| *code != NO_STATUS);
            return Some(Arrival::Lost(DisconnectReason::Closed {
                code,
                reason: reason.to_owned(),
            }));
        }
        if message.is_ping() {
            self.unflushed = true;
            self.unanswered_pings += 1;
            if self.unanswered_pings > UNANSWERED_PINGS_MAX {
                let why = "the hub sends pings and reads no answers".to_owned();
                return Some(Arrival::Lost(DisconnectReason::Broken(why)));
            }
        }
        None
    }
}

/// The code of a close frame without one (RFC 6455, section 7.1.5).
const NO_STATUS: u16 = 1005;

fn connect_failed(error: impl fmt::Display) -> DisconnectReason {
    DisconnectReason::ConnectFailed(error.to_string())
}
