//! A session's state and stream, which its task and the hub's owner share. The owner writes what it
//! queued by itself, with the task's waker: what does not go at once the task finishes.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::{Farewell, Next, Write};
use super::state::SessionState;
use crate::hub::Input;
use crate::protocol::codec::write_hub_frame;
use crate::protocol::framing::{write_close, write_ping, write_pong, write_text};
use crate::protocol::{ActorAddress, Outgoing};
use crate::server::owner::Line;
use crate::time::Timestamp;

/// A WebSocket and the state of the session that it belongs to.
pub(super) struct Socket<S> {
    pub state: SessionState,
    stream: S,
    /// Encoded bytes that the stream has not taken, from `unsent_at` on.
    unsent: Vec<u8>,
    unsent_at: usize,
    /// Whether the last frame was encoded.
    said_close: bool,
    hub_address: ActorAddress,
    /// The hub's decision to close, until the session's task takes it.
    farewell: Option<Farewell>,
    /// The session's task; none before its first turn, at which it writes what is queued.
    task: Option<Waker>,
}

thread_local! {
    /// Where a batch is encoded; what the stream does not take moves to the socket.
    static BATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The room of a batch that is kept for the next one.
const BATCH_ROOM_MAX: usize = 256 * 1024;

impl<S> Socket<S> {
    pub(super) fn new(state: SessionState, stream: S, hub_address: ActorAddress) -> Self {
        Self {
            state,
            stream,
            unsent: Vec::new(),
            unsent_at: 0,
            said_close: false,
            hub_address,
            farewell: None,
            task: None,
        }
    }

    /// The task has its turn. Returns whether the hub's decision to close came since the last one.
    pub(super) fn turn(&mut self, task: &Context<'_>, now: Duration) -> bool {
        if !self.task.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            self.task = Some(task.waker().clone());
        }
        let Some(farewell) = self.farewell.take() else { return false };
        self.state.farewell(now, farewell);
        true
    }

    /// Answers a ping, unless the close frame is out.
    pub(super) fn answer_ping(&mut self, says: &[u8]) {
        if !self.said_close {
            write_pong(&mut self.unsent, says);
        }
    }

    /// Says close, if it was not said: `code` is empty or two bytes.
    pub(super) fn say_close(&mut self, code: &[u8], reason: &str) {
        if !self.said_close {
            self.said_close = true;
            write_close(&mut self.unsent, code, reason);
        }
    }

    /// Nothing follows the close frame.
    fn encode(&mut self, write: Write, batch: &mut Vec<u8>) {
        if self.said_close {
            return self.state.cannot_write();
        }
        // What is unsent goes first.
        let to = if self.unsent.is_empty() { batch } else { &mut self.unsent };
        match write {
            Write::Message(message) => {
                write_text(to, |to| write_hub_frame(to, &message, &self.hub_address));
            }
            Write::Ping => write_ping(to),
            Write::Close(reason) => {
                self.said_close = true;
                write_close(to, &reason.code().to_be_bytes(), reason.text());
            }
        }
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn poll_read(
        &mut self,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }

    /// Writes what the state wants written; ready if anything was done.
    pub(super) fn poll_write(
        &mut self,
        task: &mut Context<'_>,
        now: Duration,
        clock: impl Fn() -> Timestamp,
    ) -> Poll<()> {
        // Taken, so that nobody else's batch begins with what a panic leaves.
        let mut batch = BATCH.take();
        let polled = self.poll_batch(&mut batch, task, now, clock);
        self.unsent.append(&mut batch);
        batch.shrink_to(BATCH_ROOM_MAX);
        BATCH.set(batch);
        polled
    }

    fn poll_batch(
        &mut self,
        batch: &mut Vec<u8>,
        task: &mut Context<'_>,
        now: Duration,
        clock: impl Fn() -> Timestamp,
    ) -> Poll<()> {
        let mut polled = Poll::Pending;
        loop {
            let done = match self.state.next(now, &clock) {
                Next::Write(write) => {
                    self.encode(write, batch);
                    Poll::Ready(Ok(()))
                }
                Next::Flush => self.poll_flush(batch, task).map_ok(|()| self.state.flushed()),
                Next::End => self.poll_end(task).map(|()| {
                    self.state.ended();
                    Ok(())
                }),
                // Pongs wait for nothing.
                Next::Wait if !self.unsent.is_empty() => self.poll_flush(batch, task),
                Next::Wait => Poll::Pending,
            };
            match done {
                Poll::Pending => return polled,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    (self.said_close, self.unsent, self.unsent_at) = (true, Vec::new(), 0);
                    batch.clear();
                    self.state.cannot_write();
                }
            }
            polled = Poll::Ready(());
        }
    }

    /// Writes all that is encoded.
    fn poll_flush(&mut self, batch: &mut Vec<u8>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        ready!(poll_write_all(stream.as_mut(), task, &self.unsent, &mut self.unsent_at))?;
        (self.unsent, self.unsent_at) = (Vec::new(), 0);
        let mut written = 0;
        let polled = poll_write_all(stream.as_mut(), task, batch, &mut written);
        batch.drain(..written);
        ready!(polled)?;
        stream.poll_flush(task)
    }

    /// A broken stream ended already.
    fn poll_end(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let _ = ready!(self.poll_flush(&mut Vec::new(), task));
        let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(task));
        Poll::Ready(())
    }
}

/// Writes `bytes` from `at` on, and moves `at`.
fn poll_write_all<S: AsyncWrite>(
    mut stream: Pin<&mut S>,
    task: &mut Context<'_>,
    bytes: &[u8],
    at: &mut usize,
) -> Poll<io::Result<()>> {
    while *at < bytes.len() {
        match ready!(stream.as_mut().poll_write(task, &bytes[*at..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *at += written,
        }
    }
    Poll::Ready(Ok(()))
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Line for Mutex<Socket<S>> {
    fn close(&self, mut messages: Vec<Outgoing>, farewell: Farewell) {
        let mut socket = lock(self);
        socket.state.queue_all(&mut messages);
        socket.farewell = Some(farewell);
        socket.wake();
    }

    fn report_heard(&self) {
        lock(self).state.report_heard();
    }

    fn write(&self, messages: &mut Vec<Outgoing>, now: Duration, time: Timestamp) -> Option<Input> {
        let mut socket = lock(self);
        socket.state.queue_all(messages);
        let task = socket.task.clone()?;
        let reads = socket.state.reads();
        let _ = socket.poll_write(&mut Context::from_waker(&task), now, || time);
        let (told, has_rest) = socket.state.report_to_owner(reads);
        *messages = socket.state.take_room();
        if has_rest {
            task.wake();
        }
        told
    }
}

/// What a panic left behind is as it was before the step, or will be closed by the session's end.
pub(super) fn lock<S>(socket: &Mutex<Socket<S>>) -> MutexGuard<'_, Socket<S>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}
