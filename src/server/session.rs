//! One WebSocket session: its task tells the session's state what comes from the stream, and does
//! what the state decides. Reading and writing never wait for each other.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::select;
use tokio::sync::mpsc::PermitIterator;
use tokio::sync::mpsc::error::TrySendError;

use self::hearing::{heard, says_connect};
use self::socket::{Socket, lock};
use super::Shell;
use super::intake::{Intake, Skimmed, Unread};
use super::owner::{Event, Outbox};
use crate::hub::{CloseCause, Input, SessionKey};
use crate::protocol::codec::Template;
use crate::runtime::{Alarm, Runtime};

mod hearing;
mod io;
mod parts;
mod phase;
mod socket;
mod state;

pub use io::{Farewell, Heard, Manner, Next, Reads, Write};
pub use state::SessionState;

/// The owner's room for events; none if the owner is lost.
type Room<'a> = Pin<Box<dyn Future<Output = Option<PermitIterator<'a, Event>>> + Send + 'a>>;

/// The inputs that may wait for the owner's room; no more is read meanwhile. Few, for whoever waits
/// for room waits for those of all who came before.
const INPUTS_MAX: usize = 16;

/// A session as its task has it.
pub(super) struct Session<'a, R: Runtime, S> {
    shell: &'a Shell<R>,
    socket: Arc<Mutex<Socket<S>>>,
    intake: Intake,
    template: Template,
    /// Inputs for which the owner has no room yet, which is how the hub's load slows clients down.
    /// They get it together, so that under load the hub's answers go together too.
    pending_inputs: Vec<Input>,
    /// Ends when the owner has.
    room: Option<Room<'a>>,
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
        let state = SessionState::new(key, config, limits, shell.runtime.monotonic());
        let socket = Socket::new(state, stream, config.hub_address.clone());
        Self {
            shell,
            socket: Arc::new(Mutex::new(socket)),
            intake: Intake::new(config.connect_bytes_max(), limits.excess_bytes_max),
            template: Template::default(),
            pending_inputs: Vec::new(),
            room: None,
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
                    Some(cause) if self.pending_inputs.is_empty() => return Poll::Ready(cause),
                    Some(_) => ready!(self.poll_enqueue_inputs(task)),
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

    /// Gives up the room that it waits for, which others may need.
    pub(super) fn stop_waiting(&mut self) {
        self.room = None;
    }

    fn closed(&self) -> Option<CloseCause> {
        lock(&self.socket).state.closed()
    }

    /// Does what is to be done; ready once something was done.
    fn poll_step(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let now = self.shell.runtime.monotonic();
        let steps =
            [self.poll_turn(task, now), self.poll_enqueue_inputs(task), self.poll_read(task, now)];
        if steps.iter().any(Poll::is_ready) { Poll::Ready(()) } else { self.poll_alarm(task, now) }
    }

    /// What needs the state and the stream together.
    fn poll_turn(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        let (shell, shared) = (self.shell, Arc::clone(&self.socket));
        let mut socket = lock(&shared);
        let is_due = now >= socket.state.next_deadline();
        if is_due {
            let told = socket.state.tick(now);
            if self.pending_inputs.is_empty() {
                self.pending_inputs.extend(told);
            }
        }
        let is_closing = socket.turn(task, now);
        if is_closing {
            self.pending_inputs.retain(|told| matches!(told, Input::Drained(..)));
        }
        let steps = [
            self.poll_wanted(&mut socket, task, now),
            socket.poll_write(task, now, || shell.clock.now()),
        ];
        drop(socket.state.take_room());
        if self.pending_inputs.is_empty() {
            self.pending_inputs.extend(socket.state.report());
        }
        let is_done = is_due || is_closing || steps.iter().any(Poll::is_ready);
        if is_done { Poll::Ready(()) } else { Poll::Pending }
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

    fn poll_enqueue_inputs(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let count = self.pending_inputs.len();
        if count == 0 {
            self.room = None;
            return Poll::Pending;
        }
        let shell = self.shell;
        let permits = match &mut self.room {
            None => match shell.events.try_reserve_many(count) {
                Err(TrySendError::Full(())) => {
                    let room = Box::pin(async move { shell.events.reserve_many(count).await.ok() });
                    ready!(self.room.insert(room).as_mut().poll(task))
                }
                permits => permits.ok(),
            },
            Some(room) => ready!(room.as_mut().poll(task)),
        };
        self.room = None;
        // A lost owner's end of the session is dropped, which closes the session.
        for (permit, input) in permits.into_iter().flatten().zip(self.pending_inputs.drain(..)) {
            permit.send(Event::Input(input));
        }
        self.give_room_back();
        Poll::Ready(())
    }

    /// An idle session holds no room for inputs.
    fn give_room_back(&mut self) {
        if self.pending_inputs.is_empty() && self.pending_inputs.capacity() > 0 {
            INPUTS.set(mem::take(&mut self.pending_inputs));
        }
    }

    fn poll_read(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        if !self.pending_inputs.is_empty() {
            return Poll::Pending;
        }
        let reads = lock(&self.socket).state.reads();
        BYTES.with_borrow_mut(|buffer| match reads {
            Reads::Messages => self.poll_messages(buffer, task, now),
            Reads::Bytes(bytes_max) => self.poll_skim(buffer, task, now, bytes_max),
            Reads::Nothing => Poll::Pending,
        })
    }

    /// Reads what comes into `buffer`, and passes on the messages in it.
    fn poll_messages(
        &mut self,
        buffer: &mut [u8],
        task: &mut Context<'_>,
        now: Duration,
    ) -> Poll<()> {
        let mut unread = self.intake.take_unread();
        let is_fresh = unread.bytes.is_empty();
        let bytes = if is_fresh {
            let come = ready!(self.poll_bytes(buffer, task));
            if come == 0 {
                self.hear(now, Heard::Lost);
                return Poll::Ready(());
            }
            &mut buffer[..come]
        } else {
            &mut unread.bytes
        };
        let (mut at, mut is_whole) = (unread.at, false);
        loop {
            self.pending_inputs = INPUTS.take();
            at += self.read_messages(&mut bytes[at..], now, is_whole);
            let is_full = self.pending_inputs.len() == self.inputs_max();
            let _ = self.poll_enqueue_inputs(task);
            if !is_full || !self.pending_inputs.is_empty() {
                break;
            }
            is_whole = true;
        }
        self.give_room_back();
        if at < bytes.len() {
            self.intake.leave(match is_fresh {
                true => Unread { bytes: bytes[at..].to_vec(), at: 0 },
                false => Unread { at, ..unread },
            });
        }
        Poll::Ready(())
    }

    /// Hears messages until the state or the inputs that wait have no room for more; `is_whole` if
    /// messages came whole right before. Returns the bytes that were read.
    fn read_messages(&mut self, bytes: &mut [u8], now: Duration, mut is_whole: bool) -> usize {
        let (shell, inputs_max) = (self.shell, self.inputs_max());
        let mut socket = lock(&self.socket);
        let (mut at, mut reads) = (0, socket.state.reads());
        while self.pending_inputs.len() < inputs_max && reads == Reads::Messages {
            let (taken, received) = self.intake.read(&mut bytes[at..]);
            at += taken;
            let is_nothing = received.is_none();
            let heard = match received {
                Some(received) => heard(shell, &mut socket, &mut self.template, received),
                // What a message was before was told then.
                None if is_whole => break,
                None => match self.intake.part() {
                    Some((message, declared)) => Heard::Part { message, declared },
                    None => break,
                },
            };
            if says_connect(&heard) {
                self.intake.allow(shell.config.message_bytes_max);
            }
            self.pending_inputs.extend(socket.state.hear(now, heard));
            reads = socket.state.reads();
            if is_nothing {
                break;
            }
            is_whole = true;
        }
        at
    }

    /// They must have room all at once.
    fn inputs_max(&self) -> usize {
        INPUTS_MAX.min(self.shell.events.max_capacity())
    }

    /// Reads past messages; `buffer` is the thread's, so that an idle connection holds no memory.
    fn poll_skim(
        &mut self,
        buffer: &mut [u8],
        task: &mut Context<'_>,
        now: Duration,
        bytes_max: u64,
    ) -> Poll<()> {
        let mut skimmed = self.intake.skim_unread();
        let heard = loop {
            match skimmed {
                Some(Skimmed::Close) => break Heard::Close,
                Some(Skimmed::TooLarge(actual)) => {
                    let max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
                    break Heard::TooLarge { actual, max };
                }
                Some(Skimmed::Excess) => break Heard::Lost,
                None => {}
            }
            match ready!(self.poll_bytes(buffer, task)) {
                0 => break Heard::Lost,
                come => skimmed = self.intake.skim(&buffer[..come], bytes_max),
            }
        };
        self.hear(now, heard);
        Poll::Ready(())
    }

    /// Reads; 0: the stream has ended or is broken.
    fn poll_bytes(&self, buffer: &mut [u8], task: &mut Context<'_>) -> Poll<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(lock(&self.socket).poll_read(task, &mut buffer));
        Poll::Ready(read.map_or(0, |()| buffer.filled().len()))
    }

    fn hear(&mut self, now: Duration, heard: Heard) {
        self.pending_inputs.extend(lock(&self.socket).state.hear(now, heard));
    }

    fn poll_alarm(&mut self, task: &mut Context<'_>, now: Duration) -> Poll<()> {
        let deadline = lock(&self.socket).state.next_deadline();
        let deadline = Some(deadline).filter(|at| *at < Duration::MAX);
        self.alarm.set(deadline, |at| Box::pin(self.shell.runtime.sleep(at.saturating_sub(now))));
        self.alarm.poll_ring(task)
    }
}

/// The bytes of one read.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// Nothing stays in it from one read to the next.
    static BYTES: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    /// Room for the inputs of a read.
    static INPUTS: RefCell<Vec<Input>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests;
