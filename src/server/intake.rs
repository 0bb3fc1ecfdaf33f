//! A session's stream below the codec: it notices every byte that comes, and stops a message that
//! is too large at its header.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::{io, mem};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::{FrameMeter, Noted};

/// A stream whose reads are watched and whose writes pass untouched.
pub(super) struct Intake<S> {
    stream: S,
    meter: FrameMeter,
    message_bytes_max: usize,
    /// The bytes that may still be read past the codec.
    excess_bytes_left: usize,
    /// The size of a message that is too large. From its header on nothing is let through.
    too_large: Option<usize>,
    /// The bytes from there on, and how many of them the meter has read.
    held: BytesMut,
    metered: usize,
    /// Whether a close frame came that the codec will not see.
    has_close: bool,
    /// Whether bytes came that make no whole message yet.
    has_news: bool,
    witness: Option<Waker>,
}

/// Why skimming ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skimmed {
    /// The peer's close frame has come.
    Close,
    /// A message of this many bytes begins, which is beyond the bound.
    TooLarge(usize),
    /// The stream ended or broke, or too much came.
    Nothing,
}

impl<S> Intake<S> {
    pub(super) fn new(stream: S, message_bytes_max: usize, excess_bytes_max: usize) -> Self {
        Self {
            stream,
            meter: FrameMeter::default(),
            message_bytes_max,
            excess_bytes_left: excess_bytes_max,
            too_large: None,
            held: BytesMut::new(),
            metered: 0,
            has_close: false,
            has_news: false,
            witness: None,
        }
    }

    /// Sets the bound on messages, including one that has begun already.
    pub(super) fn allow(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
        self.too_large = self.too_large.filter(|bytes| *bytes > message_bytes_max);
    }

    /// The bound on messages.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// The size of the message that the codec will not see.
    pub(super) fn too_large(&self) -> Option<usize> {
        self.too_large
    }

    /// Notes that all bytes until now made whole messages.
    pub(super) fn is_told(&mut self) {
        self.has_news = false;
    }

    /// Waits for bytes that make no whole message yet. Returns the message's number and the bytes
    /// that its headers declare so far.
    pub(super) fn poll_part(&mut self, task: &mut Context<'_>) -> Poll<(u64, u64)> {
        if let Some(part) = self.meter.in_the_making().filter(|_| self.has_news) {
            self.has_news = false;
            return Poll::Ready(part);
        }
        self.witness = Some(task.waker().clone());
        Poll::Pending
    }

    /// Reads bytes that the codec does not get. Returns the size of a message that is too large, if
    /// one begins.
    fn skip(&mut self, mut bytes: &[u8], message_bytes_max: u64) -> Option<usize> {
        let mut too_large = None;
        while let Some((at, noted)) = self.meter.read(bytes, message_bytes_max) {
            bytes = &bytes[at + 1..];
            match noted {
                Noted::Close => self.has_close = true,
                Noted::TooLarge(bytes) => {
                    too_large = Some(usize::try_from(bytes).unwrap_or(usize::MAX));
                }
            }
        }
        too_large
    }

    fn note(&mut self) {
        self.has_news = true;
        if let Some(witness) = self.witness.take() {
            witness.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> Intake<S> {
    /// Reads past the codec, which must not be read afterwards, and keeps nothing.
    pub(super) fn poll_skim(
        &mut self,
        task: &mut Context<'_>,
        message_bytes_max: u64,
    ) -> Poll<Skimmed> {
        let (held, metered) = (mem::take(&mut self.held), mem::take(&mut self.metered));
        self.skip(&held[metered..], u64::MAX);
        // Allocated here, so that an idle connection does not hold the memory.
        let mut bytes = [0; 4096];
        loop {
            if mem::take(&mut self.has_close) {
                return Poll::Ready(Skimmed::Close);
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(task, &mut buffer));
            let come = buffer.filled();
            if read.is_err() || come.is_empty() || come.len() > self.excess_bytes_left {
                return Poll::Ready(Skimmed::Nothing);
            }
            self.excess_bytes_left -= come.len();
            if let Some(bytes) = self.skip(come, message_bytes_max) {
                return Poll::Ready(Skimmed::TooLarge(bytes));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Intake<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.too_large.is_some() {
            // The caller that polls the codec checks `too_large`.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let mut read = mem::take(&mut this.metered);
        if this.held.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(task, buffer))?;
        } else {
            let most = this.held.len().min(buffer.remaining());
            buffer.put_slice(&this.held.split_to(most));
        }
        let come = &buffer.filled()[before..];
        if come.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut passed = come.len();
        let bytes_max = this.message_bytes_max as u64;
        while let Some((at, noted)) = this.meter.read(&come[read..], bytes_max) {
            read += at + 1;
            if let Noted::TooLarge(bytes) = noted {
                passed = read - 1;
                this.too_large = Some(usize::try_from(bytes).unwrap_or(usize::MAX));
                let rest = this.held.split();
                this.held.extend_from_slice(&come[passed..]);
                this.held.unsplit(rest);
                this.metered = 1;
                break;
            }
        }
        this.note();
        buffer.set_filled(before + passed);
        match passed {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Intake<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(task)
    }
}
