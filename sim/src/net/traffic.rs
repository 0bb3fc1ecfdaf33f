//! What applications do with their end of a connection: wait, read, write, shut down, let go.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::connection::{Connection, Fin, Owner, Piece, keep_waker};
use super::event::NetEventKind;
use super::ids::{ConnectionId, End};
use super::random::stable_hash;
use super::world::World;

impl World {
    /// Ready once the client knows the server's answer.
    pub(super) fn poll_established(
        &mut self,
        context: &Context<'_>,
        id: ConnectionId,
    ) -> Poll<io::Result<()>> {
        let Some(connection) = owned(&mut self.connections, id, End::Client) else {
            return self.orphaned();
        };
        let client = &mut connection.ends[End::Client];
        if let Some(failure) = client.failure {
            return Poll::Ready(Err(failure.into()));
        }
        if client.knows_of_cut {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if connection.established {
            return Poll::Ready(Ok(()));
        }
        if !self.stopped {
            keep_waker(&mut client.reader, context);
        }
        Poll::Pending
    }

    pub(super) fn poll_read(
        &mut self,
        now: Duration,
        context: &Context<'_>,
        (id, end): (ConnectionId, End),
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(connection) = owned(&mut self.connections, id, end) else {
            return self.orphaned();
        };
        let endpoint = &mut connection.ends[end];
        if let Some(failure) = endpoint.failure {
            return Poll::Ready(Err(failure.into()));
        }
        let pauses = [endpoint.pause, self.hosts[endpoint.place.host.index()].pause];
        let pause = pauses.into_iter().flatten().find(|pause| now < pause.value);
        let something = !endpoint.unread.is_empty() || endpoint.ended;
        if self.stopped || !something || pause.is_some() {
            if !self.stopped {
                keep_waker(&mut endpoint.reader, context);
            }
            if let Some(pause) = pause
                && something
            {
                self.took_effect(now, pause.fault);
            }
            return Poll::Pending;
        }
        let read = drain(&mut endpoint.unread, buffer);
        if read > 0 {
            connection.sent[end.other()].window_used -= read;
            connection.ends[end.other()].wake_writer();
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(
        &mut self,
        now: Duration,
        context: &Context<'_>,
        (id, end): (ConnectionId, End),
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = owned(&mut self.connections, id, end) else {
            return self.orphaned();
        };
        let target = connection.ends[end.other()].place.host;
        let endpoint = &mut connection.ends[end];
        if let Some(failure) = endpoint.failure {
            return Poll::Ready(Err(failure.into()));
        }
        let direction = &mut connection.sent[end];
        if direction.fin != Fin::Unsent || endpoint.knows_of_cut {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let config = &self.links[endpoint.place.host.index()][target.index()].config;
        let room = config.window_bytes.saturating_sub(direction.window_used);
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let length = offered.min(room).min(config.segment_bytes_max.max(1));
        if self.stopped || (length == 0 && offered > 0) {
            if !self.stopped {
                keep_waker(&mut endpoint.writer, context);
            }
            return Poll::Pending;
        }
        if length > 0 {
            direction.window_used += length;
            self.send(now, id, end, gather(slices, length));
        }
        Poll::Ready(Ok(length))
    }

    fn send(&mut self, now: Duration, connection: ConnectionId, from: End, bytes: Bytes) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let hash = stable_hash(&bytes);
        self.emit(now, NetEventKind::Sent { connection, from, bytes: length, hash });
        self.transmit(now, connection, from, Piece::Data(bytes));
    }

    /// Ends what this end sends, in an orderly way.
    pub(super) fn shut_down(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = owned(&mut self.connections, id, end) else { return };
        let direction = &mut connection.sent[end];
        if direction.fin != Fin::Unsent || connection.ends[end].failure.is_some() {
            return;
        }
        direction.fin = Fin::Sent;
        connection.ends[end].wake_writer();
        self.emit(now, NetEventKind::FinSent { connection: id, from: end });
        self.transmit(now, id, end, Piece::Fin);
    }

    /// The owner of this end lets go of it.
    pub(super) fn release(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = owned(&mut self.connections, id, end) else { return };
        let unheard = end == End::Client && connection.ends[End::Server].owner == Owner::Absent;
        let unanswered = end == End::Client && !connection.established;
        let unaccepted = connection.ends[end].owner == Owner::Listener;
        if unheard || connection.ends[end].failure.is_some() {
            // Nobody is left to be told.
        } else if unanswered || unaccepted {
            self.transmit(now, id, end, Piece::Reset);
        } else {
            self.shut_down(now, id, end);
        }
        self.disown(now, id, end, Owner::Released);
    }

    /// Takes this end from its owner without a word, and forgets a connection that nobody has.
    pub(super) fn disown(&mut self, now: Duration, id: ConnectionId, end: End, to: Owner) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let endpoint = &mut connection.ends[end];
        endpoint.owner = to;
        let unread: usize = endpoint.unread.drain(..).map(|bytes| bytes.len()).sum();
        connection.sent[end.other()].window_used -= unread;
        connection.ends[end.other()].wake_writer();
        if connection.is_ownerless() {
            self.connections.remove(&id);
            self.emit(now, NetEventKind::Closed { connection: id });
        }
    }

    /// The answer to a stream whose end is gone: its host crashed, or the network was stopped.
    fn orphaned<T>(&self) -> Poll<io::Result<T>> {
        if self.stopped {
            Poll::Pending
        } else {
            Poll::Ready(Err(ErrorKind::ConnectionAborted.into()))
        }
    }
}

fn owned(
    connections: &mut std::collections::BTreeMap<ConnectionId, Connection>,
    id: ConnectionId,
    end: End,
) -> Option<&mut Connection> {
    connections.get_mut(&id).filter(|connection| connection.ends[end].is_owned())
}

/// Copies as much as fits; returns how much that is.
fn drain(unread: &mut std::collections::VecDeque<Bytes>, buffer: &mut ReadBuf<'_>) -> usize {
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
