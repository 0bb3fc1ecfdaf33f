//! One WebSocket session: its task tells the session's state what comes from the stream, and does
//! what the state decides. Reading and writing never wait for each other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio_util::sync::PollSender;
use tokio_websockets::{Error, Message};

use self::socket::{Socket, lock};
use super::Shell;
use super::intake::{Intake, Skimmed};
use super::owner::{Event, Outbox};
use crate::hub::{CloseCause, Input, SessionKey};
use crate::protocol::codec::{Bounds, decode_client_frame};
use crate::protocol::{ClientFrame, Verb};
use crate::runtime::{Alarm, Runtime};

mod io;
mod parts;
mod phase;
mod socket;
mod state;

pub use io::{Farewell, Heard, Manner, Next, Reads, Write};
pub use state::SessionState;

/// A session as its task has it.
pub(super) struct Session<'a, R: Runtime, S> {
    shell: &'a Shell<R>,
    bounds: Bounds,
    socket: Arc<Mutex<Socket<S>>>,
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
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// Takes over `stream` after the HTTP upgrade.
    pub(super) fn new(shell: &'a Shell<R>, key: SessionKey, stream: S) -> Self {
        let (config, limits) = (&shell.config, &shell.limits);
        let stream = Intake::new(stream, config.connect_bytes_max(), limits.excess_bytes_max);
        let state = SessionState::new(key, config, limits, shell.runtime.monotonic());
        let hub_address = config.hub_address.clone();
        let socket = Socket::new(state, stream, limits.batch_bytes_max, hub_address);
        Self {
            shell,
            bounds: config.bounds(),
            socket: Arc::new(Mutex::new(socket)),
            events: PollSender::new(shell.events.clone()),
            pending_input: None,
            alarm: Alarm::default(),
            wanted: None,
        }
    }

    /// The owner's end.
    pub(super) fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.socket) as _)
    }

    /// Passes frames to the owner and messages to the peer until the session is over for the hub.
    pub(super) async fn talk(&mut self) -> CloseCause {
        poll_fn(|task| {
            loop {
                match self.closed() {
                    Some(cause) if self.pending_input.is_none() => return Poll::Ready(cause),
                    Some(_) => ready!(self.poll_enqueue_input(task)),
                    None => {
                        let step = self.poll_step(task);
                        if step.is_pending() && self.closed().is_none() {
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
            while !lock(&self.socket).state.is_over() {
                ready!(self.poll_step(task));
            }
            Poll::Ready(())
        })
        .await;
    }

    fn closed(&self) -> Option<CloseCause> {
        lock(&self.socket).state.closed()
    }

    /// Does what is to be done; ready once something was done.
    fn poll_step(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let now = self.shell.runtime.monotonic();
        let shared = Arc::clone(&self.socket);
        let mut socket = lock(&shared);
        let is_due = now >= socket.state.next_deadline();
        if is_due {
            let told = socket.state.tick(now);
            self.pending_input = self.pending_input.take().or(told);
        }
        let is_closing = socket.turn(task, now);
        if is_closing {
            self.pending_input.take_if(|told| !matches!(told, Input::Drained(..)));
        }
        let shell = self.shell;
        let steps = [
            self.poll_wanted(&mut socket, task, now),
            socket.poll_write(task, now, || shell.clock.now()),
            self.poll_enqueue(&mut socket, task),
            self.poll_read(&mut socket, task, now),
        ];
        if is_due || is_closing || steps.iter().any(Poll::is_ready) {
            Poll::Ready(())
        } else {
            self.poll_alarm(&socket, task, now)
        }
    }

    /// Lets a client whose hub:connect was refused read why and close by itself: to some clients a
    /// connection that closes at once looks like one that never opened.
    fn poll_wanted(
        &mut self,
        socket: &mut Socket<S>,
        task: &mut Context<'_>,
        now: Duration,
    ) -> Poll<()> {
        if !socket.state.is_lingering() {
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
        socket.state.give_way(now);
        Poll::Ready(())
    }

    fn poll_enqueue(&mut self, socket: &mut Socket<S>, task: &mut Context<'_>) -> Poll<()> {
        if self.pending_input.is_none() {
            self.pending_input = socket.state.report();
        }
        self.poll_enqueue_input(task)
    }

    fn poll_enqueue_input(&mut self, task: &mut Context<'_>) -> Poll<()> {
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

    fn poll_read(
        &mut self,
        socket: &mut Socket<S>,
        task: &mut Context<'_>,
        now: Duration,
    ) -> Poll<()> {
        if self.pending_input.is_some() {
            return Poll::Pending;
        }
        let heard = match socket.state.reads() {
            Reads::Messages => ready!(self.poll_message(socket, task)),
            Reads::Bytes(bytes_max) => {
                match ready!(socket.stream.get_mut().poll_skim(task, bytes_max)) {
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
        self.pending_input = socket.state.hear(now, heard);
        Poll::Ready(())
    }

    /// The next message, or its parts so far. Pings and close frames are answered on the way.
    fn poll_message(&self, socket: &mut Socket<S>, task: &mut Context<'_>) -> Poll<Heard> {
        let next = socket.stream.poll_next_unpin(task);
        let intake = socket.stream.get_mut();
        Poll::Ready(match next {
            Poll::Ready(next) => {
                intake.is_told();
                self.heard(intake, next)
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

    fn heard(&self, intake: &mut Intake<S>, next: Option<Result<Message, Error>>) -> Heard {
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
            intake.allow(self.shell.config.message_bytes_max);
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

    fn poll_alarm(
        &mut self,
        socket: &Socket<S>,
        task: &mut Context<'_>,
        now: Duration,
    ) -> Poll<()> {
        let deadline = Some(socket.state.next_deadline()).filter(|at| *at < Duration::MAX);
        self.alarm.set(deadline, |at| Box::pin(self.shell.runtime.sleep(at.saturating_sub(now))));
        self.alarm.poll_ring(task)
    }
}

#[cfg(test)]
mod tests;
