//! How each fault strikes.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Owner, Piece};
use super::event::NetEventKind;
use super::fault::{Choice, CutDetection, Fault, FaultError, FaultRecord, Peers, SeenAs, Ways};
use super::ids::{ConnectionId, End, FaultId, HostId, Place};
use super::link::{Blamed, Link, Span};
use super::link_config::{ConnectMode, Seen};
use super::payload::Payload;
use super::world::{Awake, Plan, Waits, World};

impl<P: Payload> World<P> {
    /// Does something to the network; the number tells its record and its events.
    ///
    /// # Errors
    /// If the fault names a host that does not exist; nothing happens then.
    pub fn inject(&mut self, now: Duration, fault: Fault) -> Result<FaultId, FaultError> {
        let mut named = fault.hosts().into_iter();
        if let Some(unknown) = named.find(|name| !self.names.contains_key(*name)) {
            return Err(FaultError::UnknownHost(unknown.to_owned()));
        }
        let fault = Arc::new(fault);
        let record = FaultRecord { fault: fault.clone(), injected: now, took_effect: None };
        self.faults.push(record);
        let id = FaultId(self.faults.len() as u64);
        self.emit(NetEventKind::Injected { id, fault: fault.clone() });
        if self.strike(now, id, &fault) {
            self.took_effect(now, id);
        }
        Ok(id)
    }

    /// Returns whether the fault makes a difference at once.
    fn strike(&mut self, now: Duration, id: FaultId, fault: &Fault) -> bool {
        match fault {
            Fault::Link { from, to, config } => {
                let link = self.link(from, to);
                link.config.clone_from(config);
                link.reconfigured = Some(id);
                self.wake_everyone(Waits::Writing);
                false
            }
            Fault::Stall { from, to, lasts } => {
                let span = Span { from: now, until: now.saturating_add(*lasts) };
                self.link(from, to).stall(span, id);
                false
            }
            Fault::Partition { from, to, ways } => {
                for (from, to) in directions(from, to, *ways) {
                    let parted = Blamed { value: now, fault: id };
                    self.link(from, to).partition.get_or_insert(parted);
                }
                false
            }
            Fault::Rejoin { from, to, ways } => {
                let mut ended = false;
                for (from, to) in directions(from, to, *ways) {
                    ended |= self.link(from, to).partition.take().is_some();
                }
                self.unpark(now);
                ended
            }
            Fault::Connects { from, to, mode } => self.decide_connects(now, id, (from, to), *mode),
            Fault::Reset { connections } => self.reset(connections),
            Fault::Sever { connections, client_sees, server_sees } => {
                self.sever(now, connections, *client_sees, *server_sees)
            }
            Fault::PauseHostReading { host, lasts } => {
                let host = self.names[host.as_str()];
                let until = now.saturating_add(*lasts);
                self.hosts[host.index()].pause = Some(Blamed { value: until, fault: id });
                self.plan(until, Plan::ResumeHost(host));
                false
            }
            Fault::Pause { host, lasts } => {
                let paused = Blamed { value: now.saturating_add(*lasts), fault: id };
                self.hosts[self.names[host.as_str()].index()].paused_until = Some(paused);
                false
            }
            Fault::PauseReading { connections, end, lasts } => {
                self.pause_reading(id, connections, *end, now.saturating_add(*lasts));
                false
            }
            Fault::Crash { host, peers } => self.crash(now, id, self.names[host.as_str()], *peers),
            Fault::ClockSkew { host, milliseconds } => {
                let skew = &mut self.hosts[self.names[host.as_str()].index()].clock_skew;
                std::mem::replace(skew, *milliseconds) != *milliseconds
            }
            Fault::Heal => self.heal(now),
        }
    }

    fn decide_connects(
        &mut self,
        now: Duration,
        fault: FaultId,
        (from, to): (&str, &str),
        mode: ConnectMode,
    ) -> bool {
        let decision = (mode != ConnectMode::Accept).then_some(Blamed { value: mode, fault });
        let before = std::mem::replace(&mut self.link(from, to).connects, decision);
        let mode = |connects: Option<Blamed<ConnectMode>>| connects.map(|connects| connects.value);
        if mode(before) != mode(decision) {
            let (client, server) = (self.names[from], self.names[to]);
            for (_, connection) in self.connections.iter_mut() {
                if connection.is_between(client, server) {
                    connection.black_hole = None;
                }
            }
            self.unpark(now);
        }
        before.is_some() && decision.is_none()
    }

    fn reset(&mut self, choice: &Choice) -> bool {
        let chosen = self.chosen(choice);
        for id in &chosen {
            for end in End::BOTH {
                self.tell(*id, end, SeenAs::Reset);
            }
            self.cut(*id);
        }
        !chosen.is_empty()
    }

    fn sever(
        &mut self,
        now: Duration,
        choice: &Choice,
        client: CutDetection,
        server: CutDetection,
    ) -> bool {
        let mut took_effect = false;
        for id in self.chosen(choice) {
            took_effect |= self.cut(id);
            for (end, notice) in [(End::Client, client), (End::Server, server)] {
                match notice.when {
                    Seen::Now => took_effect |= self.tell(id, end, notice.ending),
                    Seen::After(late) => {
                        self.plan(now.saturating_add(late), Plan::Tell(id, end, notice.ending));
                        took_effect = true;
                    }
                    Seen::Never => {}
                }
            }
        }
        took_effect
    }

    /// Lets nothing travel any more; returns whether it could before.
    fn cut(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        for end in End::BOTH {
            connection.sent[end].lose_all();
        }
        !std::mem::replace(&mut connection.severed, true)
    }

    fn pause_reading(&mut self, fault: FaultId, choice: &Choice, end: End, until: Duration) {
        for id in self.chosen(choice) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.ends[end].pause = Some(Blamed { value: until, fault });
                self.plan(until, Plan::ResumeReading(id, end));
            }
        }
    }

    fn crash(&mut self, now: Duration, fault: FaultId, host: HostId, peers: Peers) -> bool {
        let listened = self.close_listeners(host);
        self.hosts[host.index()].paused_until = None;
        let ends = self.ends_of(host);
        for (id, end) in &ends {
            match peers {
                Peers::SeeReset => self.transmit(now, *id, *end, Piece::Reset),
                Peers::SeeNothing => {}
            }
            self.wake(*id, *end);
            self.disown(*id, *end, Owner::Crashed);
        }
        match peers {
            Peers::SeeReset => {}
            Peers::SeeNothing => {
                self.hosts[host.index()].dark = Some(Blamed { value: now, fault });
            }
        }
        listened || !ends.is_empty()
    }

    /// Forgets all listeners of a host; returns whether it had any.
    fn close_listeners(&mut self, host: HostId) -> bool {
        let closed: Vec<Place> =
            self.listeners.keys().copied().filter(|place| place.host == host).collect();
        for place in &closed {
            self.listeners.remove(place);
            self.effects.awake.push_back(Awake::Listener(*place));
        }
        !closed.is_empty()
    }

    /// The ends that someone on this host has.
    fn ends_of(&self, host: HostId) -> Vec<(ConnectionId, End)> {
        let mut ends = Vec::new();
        for (id, connection) in self.connections.iter() {
            for end in End::BOTH {
                let endpoint = &connection.ends[end];
                if endpoint.place.host == host && endpoint.is_owned() {
                    ends.push((id, end));
                }
            }
        }
        ends
    }

    fn heal(&mut self, now: Duration) -> bool {
        let mut ended = false;
        for link in self.links.iter_mut().flatten() {
            ended |= link.heal(now, &self.default_link);
        }
        for pause in self.hosts.iter_mut().map(|host| &mut host.pause) {
            ended |= pause.take().is_some_and(|pause| now < pause.value);
        }
        let late = self.default_link.latency_max().max(self.default_link.retransmit_after);
        let soon = now.saturating_add(late);
        self.wake_everyone(Waits::Either);
        for (id, connection) in self.connections.iter_mut() {
            ended |= connection.black_hole.take().is_some();
            for end in End::BOTH {
                let pause = connection.ends[end].pause.take();
                ended |= pause.is_some_and(|pause| now < pause.value);
                let planned = connection.sent[end].hurry(soon);
                self.effects.plans.extend(planned.map(|at| (at, Plan::Arrive(id, end, at))));
            }
        }
        self.unpark(now);
        ended
    }

    fn link(&mut self, from: &str, to: &str) -> &mut Link {
        let (from, to) = (self.names[from], self.names[to]);
        &mut self.links[from.index()][to.index()]
    }

    /// The connections that `choice` means, of those that somebody still takes for open.
    fn chosen(&self, choice: &Choice) -> Vec<ConnectionId> {
        let open = self
            .connections
            .iter()
            .filter(|(_, connection)| End::BOTH.iter().any(|end| connection.ends[*end].is_open()));
        let between = |client: &String, server: &String| {
            let (client, server) = (self.names[client.as_str()], self.names[server.as_str()]);
            let found = open.clone().filter(move |(_, known)| known.is_between(client, server));
            found.map(|(id, _)| id)
        };
        match choice {
            Choice::Id(id) => open.map(|(id, _)| id).filter(|known| known == id).collect(),
            Choice::Latest { client, server } => {
                between(client, server).last().into_iter().collect()
            }
            Choice::Every { client, server } => between(client, server).collect(),
            Choice::Of { host } => {
                let host = self.names[host.as_str()];
                open.filter(|(_, known)| known.is_of(host)).map(|(id, _)| id).collect()
            }
        }
    }
}

/// The directions that a fault between two hosts is about.
fn directions<'a>(
    from: &'a str,
    to: &'a str,
    ways: Ways,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let back = match ways {
        Ways::OneWay => None,
        Ways::BothWays => Some((to, from)),
    };
    std::iter::once((from, to)).chain(back)
}
