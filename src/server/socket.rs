//! The WebSocket codec over a byte stream, for a reader and a writer in one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{Config, Error, Message, ServerBuilder, WebSocketStream};

use super::Limits;
use super::intake::{Intake, Skimmed};

/// A WebSocket. The lock is never waited for: both users run in one task and hold it for one poll.
pub(super) struct Socket<S>(Mutex<WebSocketStream<Intake<S>>>);

/// Why there is no next message.
pub(super) enum ReadError {
    /// A message of so many bytes, beyond what is read at all.
    TooLarge(usize),
    Codec(Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over `stream` behind the HTTP upgrade. Writes happen at the latest when
    /// `batch_bytes_max` have gathered.
    pub(super) fn new(stream: S, message_bytes_max: usize, limits: &Limits) -> Self {
        let stream = Intake::new(stream, message_bytes_max, limits.excess_bytes_max);
        let config = Config::default().flush_threshold(limits.batch_bytes_max);
        let unlimited = tokio_websockets::Limits::unlimited();
        Self(Mutex::new(ServerBuilder::new().limits(unlimited).config(config).serve(stream)))
    }

    /// From here on messages may be so large.
    pub(super) fn allow(&self, message_bytes_max: usize) {
        self.stream().get_mut().allow(message_bytes_max);
    }

    /// How large messages may be.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.stream().get_ref().message_bytes_max()
    }

    /// The next message. Pings and close frames are answered in passing.
    pub(super) async fn next(&self) -> Option<Result<Message, ReadError>> {
        poll_fn(|cx| {
            let mut stream = self.stream();
            let next = stream.poll_next_unpin(cx);
            let intake = stream.get_mut();
            if next.is_ready() {
                intake.is_told();
            } else if let Some(bytes) = intake.too_large() {
                return Poll::Ready(Some(Err(ReadError::TooLarge(bytes))));
            }
            next.map_err(ReadError::Codec)
        })
        .await
    }

    /// Waits for bytes that make no whole message yet: which message, and how many bytes it is to
    /// have as far as its headers have come.
    pub(super) async fn part(&self) -> (u64, u64) {
        poll_fn(|cx| self.stream().get_mut().poll_part(cx)).await
    }

    /// Queues `message`, once there is room for it.
    pub(super) async fn feed(&self, message: Message) -> Result<(), Error> {
        poll_fn(|cx| self.stream().poll_ready_unpin(cx)).await?;
        self.stream().start_send_unpin(message)
    }

    /// Writes what is queued.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| self.stream().poll_flush_unpin(cx)).await
    }

    /// Writes what is queued and ends the stream.
    pub(super) async fn end(&self) {
        // A broken stream has ended already.
        let _ = self.flush().await;
        let _ = poll_fn(|cx| Pin::new(self.stream().get_mut()).poll_shutdown(cx)).await;
    }

    /// Ends the stream, then reads past the codec until the peer ends it too: a stream that is
    /// dropped with unread bytes is reset, and a reset can overtake the close frame.
    pub(super) async fn drain(&self) {
        self.end().await;
        while self.skim(u64::MAX).await != Skimmed::Nothing {}
    }

    /// Reads past the codec, which must not be read any more, and keeps nothing.
    pub(super) async fn skim(&self, message_bytes_max: u64) -> Skimmed {
        poll_fn(|cx| self.stream().get_mut().poll_skim(cx, message_bytes_max)).await
    }

    fn stream(&self) -> MutexGuard<'_, WebSocketStream<Intake<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
