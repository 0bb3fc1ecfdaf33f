//! A network of bytes with a clock and tasks that wait: what the streams of [`Net`](super::Net) ask
//! of the [`World`], and what becomes of its effects.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::agenda::Agenda;
use super::clock::{Alarms, Clock};
use super::event::{NetEvent, NetEventKind};
use super::ids::{ConnectionId, End, ListenerId};
use super::traffic::{Dial, Read};
use super::wakers::Wakers;
use super::world::World;

pub(super) struct Shell {
    pub(super) world: World<Bytes>,
    pub(super) alarms: Alarms,
    agenda: Agenda,
    pub(super) wakers: Wakers,
    pub(super) outbox: Vec<NetEvent>,
    /// Someone takes events out of the outbox already.
    pub(super) emitting: bool,
    pub(super) stopped: bool,
}

impl Shell {
    pub(super) fn new(world: World<Bytes>, clock: Box<dyn Clock>) -> Self {
        Self {
            world,
            alarms: Alarms::new(clock),
            agenda: Agenda::default(),
            wakers: Wakers::default(),
            outbox: Vec::new(),
            emitting: false,
            stopped: false,
        }
    }

    /// Does what is due and sets the alarm for what is not.
    pub(super) fn drive(&mut self, now: Duration) {
        self.alarms.forget_rung(now);
        while let Some(plan) = self.agenda.pop_due(now) {
            self.world.carry_out(now, plan);
            self.wake_and_schedule();
        }
        if let Some(next) = self.agenda.next() {
            self.alarms.wake_by(next);
        }
    }

    /// Carries out what came of a change.
    pub(super) fn settle(&mut self, now: Duration) {
        if self.stopped {
            self.world.effects = Default::default();
            return;
        }
        self.wake_and_schedule();
        for kind in self.world.effects.events.drain(..) {
            if let NetEventKind::Closed { connection } = kind {
                self.wakers.forget_connection(connection);
            }
            self.outbox.push(NetEvent { at: now, kind });
        }
    }

    fn wake_and_schedule(&mut self) {
        for awake in self.world.effects.awake.drain(..) {
            self.wakers.wake(awake);
        }
        for (at, plan) in self.world.effects.plans.drain(..) {
            self.agenda.plan(at, plan);
            self.alarms.wake_by(at);
        }
    }

    /// Ends everything; the wakers are to be dropped unlocked: the last one of a task may drop its
    /// streams.
    pub(super) fn stop(&mut self) -> (Option<Waker>, Wakers) {
        self.stopped = true;
        self.agenda.clear();
        (self.alarms.forget_driver(), std::mem::take(&mut self.wakers))
    }

    /// Ready once the client knows the server's answer.
    pub(super) fn poll_established(
        &mut self,
        context: &Context<'_>,
        id: ConnectionId,
    ) -> Poll<io::Result<()>> {
        match self.world.dial(id) {
            _ if self.stopped => Poll::Pending,
            Dial::Established => Poll::Ready(Ok(())),
            Dial::Failed(failure) => Poll::Ready(Err(failure.into())),
            Dial::Pending => {
                self.wakers.keep_reader((id, End::Client), context);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_read(
        &mut self,
        now: Duration,
        context: &Context<'_>,
        which: (ConnectionId, End),
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stopped {
            return Poll::Pending;
        }
        match self.world.take(now, which, |unread| ((), drain(unread, buffer))) {
            Read::Data(()) | Read::Ended => Poll::Ready(Ok(())),
            Read::Failed(failure) => Poll::Ready(Err(failure.into())),
            Read::Nothing => {
                self.wakers.keep_reader(which, context);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_write(
        &mut self,
        now: Duration,
        context: &Context<'_>,
        (id, end): (ConnectionId, End),
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.stopped {
            return Poll::Pending;
        }
        let offered = slices.iter().map(|slice| slice.len()).sum();
        match self.world.room(id, end, offered) {
            Err(failure) => Poll::Ready(Err(failure.into())),
            Ok(0) if offered > 0 => {
                self.wakers.keep_writer((id, end), context);
                Poll::Pending
            }
            Ok(length) => {
                if length > 0 {
                    self.world.write(now, id, end, gather(slices, length));
                }
                Poll::Ready(Ok(length))
            }
        }
    }

    pub(super) fn forget_acceptor(&mut self, listener: ListenerId) {
        if self.world.waiting(listener).is_ok() {
            self.wakers.forget_acceptor(listener.place);
        }
    }

    /// The next connection that this listener accepts.
    pub(super) fn poll_accept(
        &mut self,
        context: &Context<'_>,
        listener: ListenerId,
    ) -> Poll<io::Result<ConnectionId>> {
        match self.world.waiting(listener) {
            _ if self.stopped => Poll::Pending,
            Err(failure) => Poll::Ready(Err(failure.into())),
            Ok(Some(id)) => {
                assert!(self.world.accept(id), "{id} waits and cannot be accepted");
                Poll::Ready(Ok(id))
            }
            Ok(None) => {
                self.wakers.keep_acceptor(listener.place, context);
                Poll::Pending
            }
        }
    }
}

/// Copies as much as fits; returns how much that is.
fn drain(unread: &mut VecDeque<Bytes>, buffer: &mut ReadBuf<'_>) -> usize {
    let before = buffer.remaining();
    while let Some(first) = unread.front_mut() {
        let length = first.len().min(buffer.remaining());
        buffer.put_slice(&first[..length]);
        if length < first.len() {
            first.advance(length);
            break;
        }
        unread.pop_front();
    }
    before - buffer.remaining()
}

/// The first `length` bytes of all slices.
fn gather(slices: &[IoSlice<'_>], length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length);
    for slice in slices {
        let part = slice.len().min(length - bytes.len());
        bytes.extend_from_slice(&slice[..part]);
    }
    bytes.into()
}
