//! How a segment arrives, or is kept from it, and what it does at the end that it reaches.

use std::io;
use std::time::Duration;

use super::connection::{Owner, Piece};
use super::event::NetEventKind;
use super::fault::SeenAs;
use super::ids::{ConnectionId, End, FaultId};
use super::link_config::ConnectMode;
use super::payload::Payload;
use super::world::{Awake, Plan, Waits, World};

/// Connections that wait to be accepted by one listener; more are refused.
const BACKLOG_MAX: usize = 1024;

/// What keeps a segment from arriving.
enum Obstacle {
    Until(Duration, FaultId),
    Parked(FaultId),
}

impl<P: Payload> World<P> {
    /// Lets everything arrive that is due, as long as nothing holds it.
    pub(super) fn arrive(&mut self, now: Duration, due: Duration, id: ConnectionId, from: End) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.sent[from].due != Some(due) {
            return;
        }
        let obstacle = self.obstacle(due, id, from);
        let Some(connection) = self.connections.get_mut(id) else { return };
        let direction = &mut connection.sent[from];
        match obstacle {
            Some(Obstacle::Until(until, fault)) => {
                direction.due = Some(until);
                self.took_effect(now, fault);
                self.plan(until, Plan::Arrive(id, from, until));
            }
            Some(Obstacle::Parked(fault)) => {
                direction.due = None;
                direction.parked = true;
                self.took_effect(now, fault);
            }
            None => self.arrive_freely(now, due, id, from),
        }
    }

    fn arrive_freely(&mut self, now: Duration, due: Duration, id: ConnectionId, from: End) {
        // A reply may need a plan of its own, so the plan for the rest is made last.
        while let Some(connection) = self.connections.get_mut(id) {
            let direction = &mut connection.sent[from];
            match direction.in_flight.front() {
                Some(segment) if segment.arrives <= due => {
                    let piece = direction.in_flight.pop_front().map(|segment| segment.piece);
                    if let Some(piece) = piece {
                        self.receive(now, id, from.other(), piece);
                    }
                }
                Some(segment) => {
                    let next = segment.arrives;
                    direction.due = Some(next);
                    return self.plan(next, Plan::Arrive(id, from, next));
                }
                None => {
                    direction.due = None;
                    return;
                }
            }
        }
    }

    /// What keeps the first segment from arriving at the moment it is due.
    fn obstacle(&self, due: Duration, id: ConnectionId, from: End) -> Option<Obstacle> {
        let connection = self.connections.get(id)?;
        let (source, target) = connection.hosts(from);
        let link = &self.links[source.index()][target.index()];
        if let Some(stall) = link.stall
            && (stall.value.from..stall.value.until).contains(&due)
        {
            return Some(Obstacle::Until(stall.value.until, stall.fault));
        }
        let silences = [link.partition, self.hosts[target.index()].dark];
        if let Some(silence) = silences.iter().flatten().find(|silence| silence.value <= due) {
            return Some(Obstacle::Parked(silence.fault));
        }
        match (&connection.sent[from].in_flight.front()?.piece, link.connects) {
            (Piece::Connect, Some(connects)) if connects.value == ConnectMode::Hang => {
                Some(Obstacle::Parked(connects.fault))
            }
            (Piece::Data(_) | Piece::Fin | Piece::Reset, _) => {
                connection.black_hole.map(Obstacle::Parked)
            }
            (Piece::Connect | Piece::Accepted | Piece::Refused, _) => None,
        }
    }

    /// `piece` has arrived at `end`.
    fn receive(&mut self, now: Duration, id: ConnectionId, end: End, piece: Piece<P>) {
        self.note_pause(now, id, end);
        let Some(connection) = self.connections.get_mut(id) else { return };
        let endpoint = &mut connection.ends[end];
        match piece {
            Piece::Connect => self.receive_connect(now, id),
            Piece::Accepted if endpoint.is_open() => {
                connection.established = true;
                self.emit(NetEventKind::Established { connection: id });
                self.wake_for(id, end, Waits::Reading);
            }
            Piece::Refused if endpoint.is_open() => {
                endpoint.failure = Some(io::ErrorKind::ConnectionRefused);
                self.emit(NetEventKind::Refused { connection: id });
                self.wake_for(id, end, Waits::Reading);
            }
            Piece::Data(payload) if endpoint.is_open() => {
                endpoint.unread.push_back(payload);
                self.wake_for(id, end, Waits::Reading);
            }
            Piece::Data(payload) => {
                connection.sent[end.other()].window_used -= payload.bytes();
                self.answer_with_reset(now, id, end);
            }
            Piece::Fin if endpoint.is_open() => {
                endpoint.ended = true;
                self.emit(NetEventKind::FinSeen { connection: id, by: end });
                self.wake_for(id, end, Waits::Reading);
            }
            Piece::Fin if endpoint.owner == Owner::Crashed => self.answer_with_reset(now, id, end),
            Piece::Reset => {
                self.tell(id, end, SeenAs::Reset);
            }
            Piece::Accepted | Piece::Refused | Piece::Fin => {}
        }
    }

    /// What arrives at a machine that has stopped shows that it has.
    fn note_pause(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = self.connections.get(id) else { return };
        let paused = self.hosts[connection.ends[end].place.host.index()].paused_until;
        if let Some(paused) = paused.filter(|paused| now < paused.value) {
            self.took_effect(now, paused.fault);
        }
    }

    fn receive_connect(&mut self, now: Duration, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let client = connection.ends[End::Client].place.host;
        let server = connection.ends[End::Server].place;
        let connects = self.links[client.index()][server.host.index()].connects;
        let mode = connects.map_or(ConnectMode::Accept, |connects| connects.value);
        let accepted = match self.listeners.get_mut(&server) {
            Some(listener)
                if mode != ConnectMode::Refuse && listener.backlog.len() < BACKLOG_MAX =>
            {
                connection.ends[End::Server].owner = Owner::Listener;
                listener.backlog.push_back(id);
                true
            }
            Some(_) | None => false,
        };
        let heard = accepted && mode != ConnectMode::Duplicate;
        let answer = if heard { Piece::Accepted } else { Piece::Refused };
        if let Some(connects) = connects {
            if mode == ConnectMode::BlackHole {
                connection.black_hole = Some(connects.fault);
            }
            self.took_effect(now, connects.fault);
        }
        self.transmit(now, id, End::Server, answer);
        if accepted {
            self.effects.awake.push_back(Awake::Listener(server));
            self.wake_for(id, End::Server, Waits::Reading);
        }
    }

    fn answer_with_reset(&mut self, now: Duration, id: ConnectionId, end: End) {
        let sent = self.connections.get(id).is_some_and(|known| known.sent[end].reset_sent);
        if !sent {
            self.transmit(now, id, end, Piece::Reset);
        }
    }

    /// `end` learns that its connection is gone; returns whether it did not know.
    pub(super) fn tell(&mut self, id: ConnectionId, end: End, ending: SeenAs) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let endpoint = &mut connection.ends[end];
        if !endpoint.is_open() {
            return false;
        }
        match ending {
            SeenAs::Reset => {
                endpoint.failure = Some(io::ErrorKind::ConnectionReset);
                endpoint.unread.clear();
                connection.sent[end].lose_all();
                connection.sent[end.other()].lose_all();
                self.emit(NetEventKind::ResetSeen { connection: id, by: end });
            }
            SeenAs::EndOfStream => {
                endpoint.ended = true;
                endpoint.knows_of_cut = true;
                self.emit(NetEventKind::FinSeen { connection: id, by: end });
            }
        }
        self.wake(id, end);
        true
    }
}
