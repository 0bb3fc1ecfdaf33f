//! A connection's byte stream, with TLS or without, and what was read ahead of its reader.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// Bytes of the first read: a browser's request fits.
const FIRST_READ_BYTES: usize = 4096;

/// A byte stream whose reads begin with the bytes that were read ahead.
pub(super) struct Stream<S> {
    ahead: Bytes,
    stream: Either<S, Box<TlsStream<S>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    pub(super) fn plain(stream: S) -> Self {
        Self { ahead: Bytes::new(), stream: Either::Left(stream) }
    }

    pub(super) fn tls(stream: TlsStream<S>) -> Self {
        Self { ahead: Bytes::new(), stream: Either::Right(Box::new(stream)) }
    }

    /// What one read brings; nothing at the stream's end.
    pub(super) async fn read_first(&mut self) -> io::Result<Bytes> {
        poll_fn(|task| {
            // Allocated here, so that a waiting connection does not hold the memory.
            let mut bytes = [0; FIRST_READ_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *self).poll_read(task, &mut buffer))?;
            Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())))
        })
        .await
    }

    /// The next reads begin with `bytes`.
    pub(super) fn unread(&mut self, bytes: Bytes) {
        debug_assert!(self.ahead.is_empty(), "bytes are read ahead once");
        self.ahead = bytes;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(task, buffer);
        }
        let most = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(most));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
