//! What applications do: listen, connect, accept, and with their end of a connection read, write, shut
//! down, let go.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use super::by_id::ById;
use super::connection::{Connection, Fin, Owner, Piece};
use super::event::NetEventKind;
use super::ids::{ConnectionId, End, HostId, ListenerId, Place};
use super::payload::Payload;
use super::world::{Awake, ListenerState, World};

/// How a connection stands that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    /// The server has not answered yet.
    Pending,
    /// The server has accepted it, as far as the client knows.
    Established,
    /// It was refused, was reset, or is over.
    Failed(ErrorKind),
}

/// What an end gets when it reads.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// What it took.
    Data(T),
    /// The end is woken when there may be something.
    Nothing,
    /// The orderly end of what the peer sends.
    Ended,
    /// The connection is over, and what had arrived is lost.
    Failed(ErrorKind),
}

impl<P: Payload> World<P> {
    /// Begins to listen; port 0 chooses one.
    ///
    /// # Errors
    /// `AddrInUse` for a port that is taken.
    pub fn listen(
        &mut self,
        now: Duration,
        host: HostId,
        port: u16,
    ) -> Result<ListenerId, ErrorKind> {
        let mut place = Place { host, port };
        while port == 0 && (place.port == 0 || self.listeners.contains_key(&place)) {
            place.port = self.hosts[host.index()].give_port();
        }
        if self.listeners.contains_key(&place) {
            return Err(ErrorKind::AddrInUse);
        }
        self.wake_host(now, host);
        self.listened += 1;
        let number = self.listened;
        self.listeners.insert(place, ListenerState { number, backlog: VecDeque::new() });
        Ok(ListenerId { place, number })
    }

    /// Listens no more, and resets the connections that nobody has accepted.
    pub fn unlisten(&mut self, now: Duration, listener: ListenerId) {
        if self.waiting(listener).is_err() {
            return;
        }
        let state = self.listeners.remove(&listener.place);
        self.effects.awake.push_back(Awake::Listener(listener.place));
        for id in state.into_iter().flat_map(|state| state.backlog) {
            self.release(now, id, End::Server);
        }
    }

    /// The connection that has waited longest to be accepted.
    ///
    /// # Errors
    /// `ConnectionAborted` if the host has crashed since the listener began.
    pub fn waiting(&self, listener: ListenerId) -> Result<Option<ConnectionId>, ErrorKind> {
        match self.listeners.get(&listener.place) {
            Some(state) if state.number == listener.number => Ok(state.backlog.front().copied()),
            Some(_) | None => Err(ErrorKind::ConnectionAborted),
        }
    }

    /// The server takes a connection; returns whether it waited for that.
    pub fn accept(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let server = &mut connection.ends[End::Server];
        if server.owner != Owner::Listener {
            return false;
        }
        server.owner = Owner::Application;
        if let Some(listener) = self.listeners.get_mut(&server.place) {
            listener.backlog.retain(|waiting| *waiting != id);
        }
        true
    }

    /// The next connection, from `client` to `server`.
    pub fn open(&mut self, now: Duration, client: HostId, server: Place) -> ConnectionId {
        self.wake_host(now, client);
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let port = self.hosts[client.index()].give_port();
        self.connections.insert(id, Connection::new(Place { host: client, port }, server));
        let name = |host: HostId| self.hosts[host.index()].name.clone();
        let (client, port, server) = (name(client), server.port, name(server.host));
        self.emit(NetEventKind::Opened { connection: id, client, server, port });
        self.transmit(now, id, End::Client, Piece::Connect);
        id
    }

    /// Where this end is; none if the connection is over.
    pub fn place(&self, id: ConnectionId, end: End) -> Option<Place> {
        self.connections.get(id).map(|connection| connection.ends[end].place)
    }

    /// Whether the client knows the server's answer.
    pub fn dial(&self, id: ConnectionId) -> Dial {
        let owned = self.connections.get(id).filter(|known| known.ends[End::Client].is_owned());
        let Some(connection) = owned else { return Dial::Failed(ErrorKind::ConnectionAborted) };
        let client = &connection.ends[End::Client];
        match client.failure {
            Some(failure) => Dial::Failed(failure),
            None if client.knows_of_cut => Dial::Failed(ErrorKind::ConnectionReset),
            None if connection.established => Dial::Established,
            None => Dial::Pending,
        }
    }

    /// Lets `take` take from what has arrived, if it may be read now and is not nothing; `take` tells
    /// how many bytes it took.
    pub fn take<T>(
        &mut self,
        now: Duration,
        (id, end): (ConnectionId, End),
        take: impl FnOnce(&mut VecDeque<P>) -> (T, usize),
    ) -> Read<T> {
        let Some(connection) = owned(&mut self.connections, id, end) else {
            return Read::Failed(ErrorKind::ConnectionAborted);
        };
        let endpoint = &mut connection.ends[end];
        if let Some(failure) = endpoint.failure {
            return Read::Failed(failure);
        }
        if endpoint.unread.is_empty() && !endpoint.ended {
            return Read::Nothing;
        }
        let pauses = [endpoint.pause, self.hosts[endpoint.place.host.index()].pause];
        if let Some(pause) = pauses.into_iter().flatten().find(|pause| now < pause.value) {
            self.took_effect(now, pause.fault);
            return Read::Nothing;
        }
        if endpoint.unread.is_empty() {
            return Read::Ended;
        }
        let (taken, bytes) = take(&mut endpoint.unread);
        connection.sent[end.other()].window_used -= bytes;
        if bytes > 0 {
            self.wake_writer(id, end.other());
        }
        Read::Data(taken)
    }

    /// How many of `offered` bytes this end may write now, at most a segment. If that is none, the end is
    /// woken when it may be more.
    ///
    /// # Errors
    /// If nothing that it writes arrives any more, as far as it knows.
    pub fn room(&mut self, id: ConnectionId, end: End, offered: usize) -> Result<usize, ErrorKind> {
        let Some(connection) = owned(&mut self.connections, id, end) else {
            return Err(ErrorKind::ConnectionAborted);
        };
        let (source, target) = connection.hosts(end);
        let endpoint = &mut connection.ends[end];
        if let Some(failure) = endpoint.failure {
            return Err(failure);
        }
        let direction = &connection.sent[end];
        if direction.fin != Fin::Unsent || endpoint.knows_of_cut {
            return Err(ErrorKind::BrokenPipe);
        }
        let link = &self.links[source.index()][target.index()].config;
        let window = link.window_bytes.saturating_sub(direction.window_used);
        let room = offered.min(window).min(link.segment_bytes_max.max(1));
        endpoint.blocked |= room == 0 && offered > 0;
        Ok(room)
    }

    /// Writes what there is room for.
    pub fn write(&mut self, now: Duration, id: ConnectionId, from: End, payload: P) {
        let Some(connection) = owned(&mut self.connections, id, from) else { return };
        connection.sent[from].window_used += payload.bytes();
        if let Some(hash) = payload.hash() {
            let bytes = u32::try_from(payload.bytes()).unwrap_or(u32::MAX);
            self.emit(NetEventKind::Sent { connection: id, from, bytes, hash });
        }
        self.transmit(now, id, from, Piece::Data(payload));
    }

    /// Ends what this end sends, in an orderly way.
    pub fn shut_down(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = owned(&mut self.connections, id, end) else { return };
        let direction = &mut connection.sent[end];
        if direction.fin != Fin::Unsent || connection.ends[end].failure.is_some() {
            return;
        }
        direction.fin = Fin::Sent;
        self.wake_writer(id, end);
        self.emit(NetEventKind::FinSent { connection: id, from: end });
        self.transmit(now, id, end, Piece::Fin);
    }

    /// The owner of this end lets go of it.
    pub fn release(&mut self, now: Duration, id: ConnectionId, end: End) {
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
        self.disown(id, end, Owner::Released);
    }

    /// The owner of this end is gone without an orderly end.
    pub fn abort(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = owned(&mut self.connections, id, end) else { return };
        if connection.ends[end].failure.is_none() {
            self.transmit(now, id, end, Piece::Reset);
        }
        self.disown(id, end, Owner::Released);
    }

    /// Takes this end from its owner without a word, and forgets a connection that nobody has.
    pub(super) fn disown(&mut self, id: ConnectionId, end: End, to: Owner) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let endpoint = &mut connection.ends[end];
        endpoint.owner = to;
        let unread: usize = endpoint.unread.drain(..).map(|payload| payload.bytes()).sum();
        connection.sent[end.other()].window_used -= unread;
        let ownerless = connection.is_ownerless();
        self.wake_writer(id, end.other());
        if ownerless {
            self.connections.remove(id);
            self.emit(NetEventKind::Closed { connection: id });
        }
    }
}

fn owned<P>(
    connections: &mut ById<Connection<P>>,
    id: ConnectionId,
    end: End,
) -> Option<&mut Connection<P>> {
    connections.get_mut(id).filter(|connection| connection.ends[end].is_owned())
}
