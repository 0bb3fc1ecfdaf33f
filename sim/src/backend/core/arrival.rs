//! How messages travel: when they arrive, what holds them, and what their arrival does.

use std::io::ErrorKind;
use std::time::Duration;

use super::connection::{Carried, Connection, Owner};
use super::network::{Network, Plan};
use crate::net::{ConnectMode, ConnectionId, End, Ending, FaultId, Fin, NetEventKind, Piece, Seen};

impl Network {
    /// Does what was planned.
    pub fn carry_out(&mut self, now: Duration, plan: Plan) {
        match plan {
            Plan::Arrive(id, from, due) => self.arrive(now, due, id, from),
            Plan::Tell(id, end, ending) => {
                self.tell(id, end, ending);
            }
            Plan::ResumeReading(id, end) => self.wake(id, end),
            Plan::ResumeHost(host) => self.wake_ends_of(host),
        }
    }

    fn arrive(&mut self, now: Duration, due: Duration, id: ConnectionId, from: End) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.sent[from].due != Some(due) {
            return;
        }
        let obstacle = self.obstacle(due, connection, from);
        let Some(connection) = self.connections.get_mut(&id) else { return };
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
        while let Some(connection) = self.connections.get_mut(&id) {
            let direction = &mut connection.sent[from];
            let Some(next) = direction.in_flight.front().map(|segment| segment.arrives) else {
                direction.due = None;
                return;
            };
            if next > due {
                direction.due = Some(next);
                return self.plan(next, Plan::Arrive(id, from, next));
            }
            if let Some(segment) = direction.in_flight.pop_front() {
                self.receive(now, id, from.other(), segment.piece);
            }
        }
    }

    /// What keeps the first message from arriving at the moment it is due.
    fn obstacle(&self, due: Duration, connection: &Connection, from: End) -> Option<Obstacle> {
        let link = &self.hosts[connection.host.0].links[from];
        if let Some(stall) = link.stall
            && (stall.value.from..stall.value.until).contains(&due)
        {
            return Some(Obstacle::Until(stall.value.until, stall.fault));
        }
        let silences = [link.partition, self.hosts[connection.place(from.other()).0].dark];
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
    fn receive(&mut self, now: Duration, id: ConnectionId, end: End, piece: Piece<Carried>) {
        self.note_halt(now, id, end);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let endpoint = &mut connection.ends[end];
        match piece {
            Piece::Connect => self.receive_connect(now, id),
            Piece::Accepted if endpoint.is_open() => {
                connection.established = true;
                self.emit(NetEventKind::Established { connection: id });
                self.wake(id, end);
            }
            Piece::Refused if endpoint.is_open() => {
                endpoint.failure = Some(ErrorKind::ConnectionRefused);
                self.emit(NetEventKind::Refused { connection: id });
                self.wake(id, end);
            }
            Piece::Data(carried) if endpoint.is_open() => {
                endpoint.unread.push_back(carried);
                self.wake(id, end);
            }
            Piece::Data(Carried(_, bytes)) => {
                connection.sent[end.other()].window_used -= bytes;
                self.answer_with_reset(now, id, end);
            }
            Piece::Fin if endpoint.is_open() => {
                endpoint.ended = true;
                self.emit(NetEventKind::FinSeen { connection: id, by: end });
                self.wake(id, end);
            }
            Piece::Fin if endpoint.owner == Owner::Crashed => self.answer_with_reset(now, id, end),
            Piece::Reset => {
                self.tell(id, end, Ending::Reset);
            }
            Piece::Accepted | Piece::Refused | Piece::Fin => {}
        }
    }

    /// What arrives at a machine that has stopped shows that it has.
    fn note_halt(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = self.connections.get(&id) else { return };
        let halt = self.hosts[connection.place(end).0].halt;
        if let Some(halt) = halt.filter(|halt| now < halt.value) {
            self.took_effect(now, halt.fault);
        }
    }

    fn receive_connect(&mut self, now: Duration, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let connects = self.hosts[connection.host.0].links[End::Client].connects;
        let refuses = connects.is_some_and(|connects| connects.value == ConnectMode::Refuse);
        let answer = match self.listening && !refuses {
            true => {
                connection.ends[End::Server].owner = Owner::Application;
                Piece::Accepted
            }
            false => Piece::Refused,
        };
        let accepted = matches!(answer, Piece::Accepted);
        if let Some(connects) = connects {
            if connects.value == ConnectMode::BlackHole {
                connection.black_hole = Some(connects.fault);
            }
            self.took_effect(now, connects.fault);
        }
        self.transmit(now, id, End::Server, answer);
        if accepted {
            self.wake(id, End::Server);
        }
    }

    fn answer_with_reset(&mut self, now: Duration, id: ConnectionId, end: End) {
        let sent = self.connections.get(&id).is_some_and(|known| known.sent[end].reset_sent);
        if !sent {
            self.transmit(now, id, end, Piece::Reset);
        }
    }

    /// `end` learns that its connection is gone; returns whether it did not know.
    pub(super) fn tell(&mut self, id: ConnectionId, end: End, ending: Ending) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let endpoint = &mut connection.ends[end];
        if !endpoint.is_open() {
            return false;
        }
        match ending {
            Ending::Reset => {
                endpoint.failure = Some(ErrorKind::ConnectionReset);
                endpoint.unread.clear();
                connection.sent[end].lose_all();
                connection.sent[end.other()].lose_all();
                self.emit(NetEventKind::ResetSeen { connection: id, by: end });
            }
            Ending::EndOfStream => {
                endpoint.ended = true;
                endpoint.knows_of_cut = true;
                self.emit(NetEventKind::FinSeen { connection: id, by: end });
            }
        }
        self.wake(id, end);
        true
    }

    /// Sends `piece` from one end to the other.
    pub(super) fn transmit(
        &mut self,
        now: Duration,
        id: ConnectionId,
        from: End,
        piece: Piece<Carried>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.severed {
            return;
        }
        let link = &mut self.hosts[connection.host.0].links[from];
        let bytes = if let Piece::Data(Carried(_, bytes)) = &piece { *bytes } else { 0 };
        let arrives = link.arrival(now, bytes);
        let reconfigured = link.reconfigured;
        let direction = &mut connection.sent[from];
        let planned = match (piece, link.config.fin) {
            (Piece::Fin, Seen::After(late)) => direction.push_late_fin(arrives, late),
            (Piece::Fin, Seen::Never) => {
                direction.fin = Fin::Lost;
                None
            }
            (Piece::Reset, _) => direction.push_reset(arrives),
            (piece, _) => direction.push(arrives, piece),
        };
        if let Some(fault) = reconfigured {
            self.took_effect(now, fault);
        }
        if let Some(at) = planned {
            self.plan(at, Plan::Arrive(id, from, at));
        }
    }

    /// Looks again at everything that is held without a time.
    pub(super) fn unpark(&mut self, now: Duration) {
        let mut plans = Vec::new();
        for (id, connection) in &mut self.connections {
            for from in End::BOTH {
                let link = &self.hosts[connection.host.0].links[from];
                let again = now.saturating_add(link.config.retransmit_after);
                let planned = connection.sent[from].unpark(again);
                plans.extend(planned.map(|at| (at, Plan::Arrive(*id, from, at))));
            }
        }
        self.effects.plans.append(&mut plans);
    }
}

/// What keeps a message from arriving.
enum Obstacle {
    Until(Duration, FaultId),
    Parked(FaultId),
}
