//! One WebSocket session: its task tells the session's state what comes from the stream and from
//! the owner, and does what the state decides. Reading and writing never wait for each other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio_util::sync::PollSender;
use tokio_websockets::{CloseCode, Config, Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::Shell;
use super::intake::{Intake, Skimmed};
use super::owner::{Event, Orders};
use crate::hub::{CloseCause, Input, SessionKey};
use crate::protocol::codec::{Bounds, decode_client_frame, encode_hub_frame};
use crate::protocol::{ClientFrame, CloseReason, Verb};
use crate::runtime::{Alarm, Runtime};

mod io;
mod parts;
mod phase;
mod state;

pub use io::{Farewell, Heard, Manner, Next, Reads, Write};
pub use state::SessionState;

/// A WebSocket and the session that it belongs to.
pub(super) struct Session<'a, R: Runtime, S> {
    shell: &'a Shell<R>,
    bounds: Bounds,
    state: SessionState,
    socket: WebSocketStream<Intake<S>>,
    /// A message for which the codec has no room yet.
    staged: Option<Message>,
    /// None once the last message is queued.
    orders: Option<Orders>,
    events: PollSender<Event>,
    /// An input for which the owner has no room yet, which is how the hub's load slows clients
    /// down.
    pending_input: Option<Input>,
    alarm: Alarm<Duration, Pin<Box<R::Sleep>>>,
    /// Ends when the place of a lingering client is needed.
    wanted: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

impl<'a, R, S> Session<'a, R, S>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Takes over `stream` after the HTTP upgrade. Writes happen at the latest at
    /// `batch_bytes_max`.
    pub(super) fn new(shell: &'a Shell<R>, key: SessionKey, stream: S, orders: Orders) -> Self {
        let (config, limits) = (&shell.config, &shell.limits);
        let stream = Intake::new(stream, config.connect_bytes_max(), limits.excess_bytes_max);
        let codec = Config::default().flush_threshold(limits.batch_bytes_max);
        let builder = ServerBuilder::new().limits(Limits::unlimited()).config(codec);
        Self {
            shell,
            bounds: config.bounds(),
            state: SessionState::new(key, config, limits, shell.runtime.monotonic()),
            socket: builder.serve(stream),
            staged: None,
            orders: Some(orders),
            events: PollSender::new(shell.events.clone()),
            pending_input: None,
            alarm: Alarm::default(),
            wanted: None,
        }
    }

    /// Passes frames to the owner and messages to the peer until the session is over for the hub.
    pub(super) async fn talk(&mut self) -> CloseCause {
        poll_fn(|task| {
            loop {
                match self.state.closed() {
                    Some(cause) if self.pending_input.is_none() => return Poll::Ready(cause),
                    Some(_) => ready!(self.poll_enqueue_input(task)),
                    None => {
                        let step = self.poll_step(task);
                        if step.is_pending() && self.state.closed().is_none() {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
        .await
    }

    /// Does what no longer concerns the hub: lets the last words arrive, or waits for the peer.
    pub(super) async fn part(&mut self) {
        poll_fn(|task| {
            while !self.state.is_over() {
                ready!(self.poll_step(task));
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Does what is to be done; ready once something was done.
    fn poll_step(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let now = self.shell.runtime.monotonic();
        let is_due = now >= self.state.next_deadline();
        if is_due {
            let told = self.state.tick(now);
            self.pending_input = self.pending_input.take().or(told);
        }
        let steps = [
            self.poll_orders(task, now),
            self.poll_wanted(task, now),
            self.poll_write(task, now),
            self.poll_enqueue_input(task),
            self.poll_read(task, now),
        ];
        if is_due || steps.iter().any(Poll::is_ready) {
            Poll::Ready(())
        } else {
            self.poll_alarm(task, now)
        }
    }

    fn poll_orders(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        let Some(orders) = &mut self.orders else { return Poll::Pending };
        if let Poll::Ready(farewell) = orders.close.poll_unpin(task) {
            while let Ok(message) = orders.outgoing.try_recv() {
                self.state.queue(message);
            }
            self.orders = None;
            self.pending_input.take_if(|told| !matches!(told, Input::Drained(..)));
            // No farewell means that the owner is lost.
            let lost = Farewell::at_once(CloseReason::InternalError);
            self.state.farewell(now, farewell.unwrap_or(lost));
            return Poll::Ready(());
        }
        let mut polled = Poll::Pending;
        while let Poll::Ready(Some(message)) = orders.outgoing.poll_recv(task) {
            self.state.queue(message);
            polled = Poll::Ready(());
        }
        polled
    }

    /// Lets a client whose hub:connect was refused read why and close by itself: to some clients a
    /// connection that closes at once looks like one that never opened.
    fn poll_wanted(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        if !self.state.is_lingering() {
            return Poll::Pending;
        }
        let shell = self.shell;
        let wanted = self.wanted.get_or_insert_with(|| {
            Box::pin(async move {
                select! {
                    biased;
                    () = shell.stopping.cancelled() => {}
                    () = shell.waiting_room.give_way() => {}
                }
            })
        });
        ready!(wanted.as_mut().poll(task));
        self.state.give_way(now);
        Poll::Ready(())
    }

    fn poll_write(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        let mut polled = Poll::Pending;
        loop {
            let written = match self.staged.take() {
                Some(message) => match self.socket.poll_ready_unpin(task) {
                    Poll::Pending => {
                        self.staged = Some(message);
                        return polled;
                    }
                    Poll::Ready(ready) => {
                        ready.and_then(|()| self.socket.start_send_unpin(message))
                    }
                },
                None => match self.state.next(now, || self.shell.clock.now()) {
                    Next::Write(write) => {
                        self.staged = Some(self.message(write));
                        Ok(())
                    }
                    Next::Flush => match self.socket.poll_flush_unpin(task) {
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
        let _ = ready!(self.socket.poll_flush_unpin(task));
        let _ = ready!(Pin::new(self.socket.get_mut()).poll_shutdown(task));
        Poll::Ready(())
    }

    fn poll_enqueue_input(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if self.pending_input.is_none() {
            self.pending_input = self.state.report();
        }
        if self.pending_input.is_none() {
            return Poll::Pending;
        }
        let room = ready!(self.events.poll_reserve(task));
        if let (Ok(()), Some(told)) = (room, self.pending_input.take()) {
            // A lost owner's end of the session is dropped, which closes the session.
            let _ = self.events.send_item(Event::Input(told));
        }
        Poll::Ready(())
    }

    fn poll_read(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        if self.pending_input.is_some() {
            return Poll::Pending;
        }
        let heard = match self.state.reads() {
            Reads::Messages => ready!(self.poll_message(task)),
            Reads::Bytes(bytes_max) => {
                match ready!(self.socket.get_mut().poll_skim(task, bytes_max)) {
                    Skimmed::Close => Heard::Close,
                    Skimmed::TooLarge(actual) => Heard::TooLarge {
                        actual,
                        max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
                    },
                    Skimmed::Nothing => Heard::Lost,
                }
            }
            Reads::Nothing => return Poll::Pending,
        };
        self.pending_input = self.state.hear(now, heard);
        Poll::Ready(())
    }

    /// The next message, or its parts so far. Pings and close frames are answered on the way.
    fn poll_message(&mut self, task: &mut Context<'_>) -> Poll<Heard> {
        let next = self.socket.poll_next_unpin(task);
        let intake = self.socket.get_mut();
        Poll::Ready(match next {
            Poll::Ready(next) => {
                intake.is_told();
                self.heard(next)
            }
            Poll::Pending => match intake.too_large() {
                Some(actual) => Heard::TooLarge { actual, max: intake.message_bytes_max() },
                None => {
                    let (message, declared) = ready!(intake.poll_part(task));
                    Heard::Part { message, declared }
                }
            },
        })
    }

    fn heard(&mut self, next: Option<Result<Message, Error>>) -> Heard {
        let message = match next {
            Some(Ok(message)) => message,
            Some(Err(Error::Protocol(_))) => return Heard::Violation,
            Some(Err(_)) | None => return Heard::Lost,
        };
        if message.is_close() {
            return Heard::Close;
        }
        if message.is_ping() {
            return Heard::Ping;
        }
        if message.is_pong() {
            return Heard::Pong;
        }
        let frame = decode_client_frame(&message.into_payload(), &self.bounds);
        if let Ok(ClientFrame::Request(request)) = &frame
            && let Ok(Verb::Connect(_)) = &request.verb
        {
            self.socket.get_mut().allow(self.shell.config.message_bytes_max);
        }
        Heard::Frame(frame.map(|frame| self.dated(frame)))
    }

    /// Translates the date of a request that may expire from the wall clock, by which clients date,
    /// to the hub's.
    fn dated(&self, mut frame: ClientFrame) -> ClientFrame {
        if let ClientFrame::Request(request) = &mut frame
            && request.ttl.is_some()
        {
            let timestamp = self.shell.clock.from_wall(request.timestamp);
            Arc::make_mut(request).timestamp = timestamp;
        }
        frame
    }

    fn message(&self, write: Write) -> Message {
        match write {
            Write::Message(message) => {
                Message::text(encode_hub_frame(&message, &self.shell.config.hub_address))
            }
            Write::Ping => Message::ping(""),
            Write::Close(reason) => {
                let code = CloseCode::try_from(reason.code());
                let code = code.unwrap_or(CloseCode::INTERNAL_SERVER_ERROR);
                Message::close(Some(code), reason.text())
            }
        }
    }

    fn poll_alarm(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        let deadline = Some(self.state.next_deadline()).filter(|at| *at < Duration::MAX);
        self.alarm.set(deadline, |at| Box::pin(self.shell.runtime.sleep(at.saturating_sub(now))));
        self.alarm.poll_ring(task)
    }
}

#[cfg(test)]
mod tests;
