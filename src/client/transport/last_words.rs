//! A stream that notices every byte that comes, and that can be read after a write failed: the hub's
//! close frame, which says whether the client may come back, can still be on its way when the hub
//! takes no more bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::framing::FrameMeter;

pub(super) struct LastWords<S> {
    stream: S,
    deaf: bool,
    meter: FrameMeter,
    has_news: bool,
    /// The message that the last bytes belonged to.
    latest: Option<u64>,
}

impl<S> LastWords<S> {
    pub(super) fn new(stream: S) -> Self {
        let meter = FrameMeter::default();
        Self { stream, deaf: false, meter, has_news: false, latest: None }
    }

    /// The bytes since the last call, if they make no whole message: whether they are the message's
    /// first, and the bytes that its headers declare so far.
    pub(super) fn take_part(&mut self) -> Option<(bool, u64)> {
        let news = std::mem::take(&mut self.has_news);
        let (message, declared) = self.meter.in_the_making().filter(|_| news)?;
        Some((self.latest.replace(message) != Some(message), declared))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(task, buffer);
        let mut come = &buffer.filled()[before..];
        this.has_news |= !come.is_empty();
        // The codec bounds messages.
        while let Some((taken, _)) = this.meter.read(come, u64::MAX) {
            come = &come[taken..];
        }
        read
    }
}

/// After a failed write, everything written is discarded.
impl<S: AsyncWrite + Unpin> AsyncWrite for LastWords<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(task, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = slices.iter().map(|slice| slice.len()).sum();
        if this.deaf {
            return Poll::Ready(Ok(all));
        }
        let written = match ready!(Pin::new(&mut this.stream).poll_write_vectored(task, slices)) {
            Ok(written) if written > 0 || all == 0 => written,
            Ok(_) | Err(_) => {
                this.deaf = true;
                all
            }
        };
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.deaf && ready!(Pin::new(&mut this.stream).poll_flush(task)).is_err() {
            this.deaf = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(task)
    }
}
