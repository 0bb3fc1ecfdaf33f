//! A session's state and stream, which its task and the hub's owner share. The owner writes what it
//! queued by itself, with the task's waker: what does not go at once the task finishes.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{CloseCode, Config, Limits, Message, ServerBuilder, WebSocketStream};

use super::io::{Farewell, Next, Write};
use super::state::SessionState;
use crate::hub::Input;
use crate::protocol::codec::encode_hub_frame;
use crate::protocol::{ActorAddress, Outgoing};
use crate::server::intake::Intake;
use crate::server::owner::Line;
use crate::time::Timestamp;

/// A WebSocket and the state of the session that it belongs to.
pub(super) struct Socket<S> {
    pub state: SessionState,
    pub stream: WebSocketStream<Intake<S>>,
    /// A message for which the codec has no room yet.
    staged: Option<Message>,
    hub_address: ActorAddress,
    /// The hub's decision to close, until the session's task takes it.
    farewell: Option<Farewell>,
    /// The session's task; none before its first turn, at which it writes what is queued.
    task: Option<Waker>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Writes happen at the latest at `batch_bytes_max`.
    pub(super) fn new(
        state: SessionState,
        stream: Intake<S>,
        batch_bytes_max: usize,
        hub_address: ActorAddress,
    ) -> Self {
        let codec = Config::default().flush_threshold(batch_bytes_max);
        let builder = ServerBuilder::new().limits(Limits::unlimited()).config(codec);
        let stream = builder.serve(stream);
        Self { state, stream, staged: None, hub_address, farewell: None, task: None }
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

    /// Writes what the state wants written; ready if anything was done.
    pub(super) fn poll_write(
        &mut self,
        task: &mut Context<'_>,
        now: Duration,
        clock: impl Fn() -> Timestamp,
    ) -> Poll<()> {
        let mut polled = Poll::Pending;
        loop {
            let written = match self.staged.take() {
                Some(message) => match self.stream.poll_ready_unpin(task) {
                    Poll::Pending => {
                        self.staged = Some(message);
                        return polled;
                    }
                    Poll::Ready(ready) => {
                        ready.and_then(|()| self.stream.start_send_unpin(message))
                    }
                },
                None => match self.state.next(now, &clock) {
                    Next::Write(write) => {
                        self.staged = Some(self.message(write));
                        Ok(())
                    }
                    Next::Flush => match self.stream.poll_flush_unpin(task) {
                        Poll::Pending => return polled,
                        Poll::Ready(flushed) => flushed.map(|()| self.state.flushed()),
                    },
                    Next::End => match self.poll_end(task) {
                        Poll::Pending => return polled,
                        Poll::Ready(()) => {
                            self.state.ended();
                            Ok(())
                        }
                    },
                    Next::Wait => return polled,
                },
            };
            if written.is_err() {
                self.state.cannot_write();
            }
            polled = Poll::Ready(());
        }
    }

    /// A broken stream ended already.
    fn poll_end(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let _ = ready!(self.stream.poll_flush_unpin(task));
        let _ = ready!(Pin::new(self.stream.get_mut()).poll_shutdown(task));
        Poll::Ready(())
    }

    fn message(&self, write: Write) -> Message {
        match write {
            Write::Message(message) => Message::text(encode_hub_frame(&message, &self.hub_address)),
            Write::Ping => Message::ping(""),
            Write::Close(reason) => {
                let code = CloseCode::try_from(reason.code());
                let code = code.unwrap_or(CloseCode::INTERNAL_SERVER_ERROR);
                Message::close(Some(code), reason.text())
            }
        }
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Line for Mutex<Socket<S>> {
    fn queue(&self, message: Outgoing) {
        lock(self).state.queue(message);
    }

    fn close(&self, farewell: Farewell) {
        let mut socket = lock(self);
        socket.farewell = Some(farewell);
        socket.wake();
    }

    fn write(&self, now: Duration, time: Timestamp) -> Option<Input> {
        let mut socket = lock(self);
        let task = socket.task.clone()?;
        let reads = socket.state.reads();
        let _ = socket.poll_write(&mut Context::from_waker(&task), now, || time);
        let told = socket.state.report();
        let is_rest = told.is_some() && socket.state.has_queued();
        if is_rest || socket.state.closed().is_some() || socket.state.reads() != reads {
            task.wake();
        }
        told
    }
}

/// What a panic left behind is as it was before the step, or will be closed by the session's end.
pub(super) fn lock<S>(socket: &Mutex<Socket<S>>) -> MutexGuard<'_, Socket<S>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}
