//! The WebSocket codec over a byte stream, for a reader and a writer in one task.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{Config, Error, Message, ServerBuilder, WebSocketStream};

use super::Limits;

/// A WebSocket. The lock is never waited for: both users run in one task and hold it for one poll.
pub(super) struct Socket<S>(Mutex<WebSocketStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over `stream` behind the HTTP upgrade. Writes happen at the latest when
    /// `batch_bytes_max` have gathered.
    pub(super) fn new(stream: S, message_bytes_max: usize, limits: &Limits) -> Self {
        let excess = message_bytes_max.max(limits.excess_bytes_min);
        let config = Config::default().flush_threshold(limits.batch_bytes_max);
        let limits = tokio_websockets::Limits::default()
            .max_payload_len(message_bytes_max.checked_add(excess));
        Self(Mutex::new(ServerBuilder::new().limits(limits).config(config).serve(stream)))
    }

    /// The next message. Pings and close frames are answered in passing.
    pub(super) async fn next(&self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| self.stream().poll_next_unpin(cx)).await
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
        while self.discard().await.is_ok_and(|bytes| bytes > 0) {}
    }

    async fn discard(&self) -> io::Result<usize> {
        poll_fn(|cx| {
            // In here, so that an idle connection does not hold the room.
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(self.stream().get_mut()).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
        .await
    }

    fn stream(&self) -> MutexGuard<'_, WebSocketStream<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
