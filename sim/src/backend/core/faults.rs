//! How each fault strikes the network of messages, as [`crate::net`] has it.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Owner};
use super::network::{HostId, Network, Plan};
use crate::net::{
    Blamed, Choice, ConnectMode, ConnectionId, End, Ending, Fault, FaultId, FaultRecord, Link,
    Links, NetEventKind, Notice, Peers, Piece, Seen, Span,
};

impl Network {
    pub fn inject(&mut self, now: Duration, fault: Fault) {
        let fault = Arc::new(fault);
        let record = FaultRecord { fault: Arc::clone(&fault), injected: now, took_effect: None };
        self.faults.push(record);
        let id = FaultId(self.faults.len() as u64);
        self.emit(NetEventKind::Injected { id, fault: Arc::clone(&fault) });
        if self.strike(now, id, &fault) {
            self.took_effect(now, id);
        }
    }

    /// Returns whether the fault makes a difference at once.
    fn strike(&mut self, now: Duration, id: FaultId, fault: &Fault) -> bool {
        match fault {
            Fault::Link { from, to, config } => {
                self.reconfigure(from, to, config, id);
                self.wake_everyone();
                false
            }
            Fault::Stall { from, to, lasts } => {
                let span = Span { from: now, until: now.saturating_add(*lasts) };
                self.stall(from, to, span, id);
                false
            }
            Fault::Partition { from, to, ways } => {
                self.part(from, to, *ways, now, id);
                false
            }
            Fault::Rejoin { from, to, ways } => {
                let ended = self.rejoin(from, to, *ways);
                self.unpark(now);
                ended
            }
            Fault::Connects { from, to, mode } => self.decide_connects(now, id, (from, to), *mode),
            Fault::Reset { connections } => self.reset(connections),
            Fault::Sever { connections, client_sees, server_sees } => {
                self.sever(now, connections, *client_sees, *server_sees)
            }
            Fault::PauseHostReading { host, lasts } => {
                let host = self.host(host);
                let until = now.saturating_add(*lasts);
                self.hosts[host.0].pause = Some(Blamed { value: until, fault: id });
                self.plan(until, Plan::ResumeHost(host));
                false
            }
            Fault::Pause { host, lasts } => {
                let host = self.host(host);
                let halt = Blamed { value: now.saturating_add(*lasts), fault: id };
                self.hosts[host.0].halt = Some(halt);
                false
            }
            Fault::PauseReading { connections, end, lasts } => {
                self.pause_reading(id, connections, *end, now.saturating_add(*lasts));
                false
            }
            Fault::Crash { host, peers } => self.crash(now, id, host, *peers),
            Fault::ClockSkew { host, milliseconds } => {
                let host = self.host(host);
                let skew = &mut self.hosts[host.0].clock_skew;
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
        let decided = self.decide(from, to, mode, fault);
        if decided.anew {
            let client = self.host(from);
            for connection in self.connections.values_mut().filter(|known| known.host == client) {
                connection.black_hole = None;
            }
            self.unpark(now);
        }
        decided.ended
    }

    fn reset(&mut self, choice: &Choice) -> bool {
        let chosen = self.chosen(choice);
        for id in &chosen {
            for end in End::BOTH {
                self.tell(*id, end, Ending::Reset);
            }
            self.cut(*id);
        }
        !chosen.is_empty()
    }

    fn sever(&mut self, now: Duration, choice: &Choice, client: Notice, server: Notice) -> bool {
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
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        for end in End::BOTH {
            connection.sent[end].lose_all();
        }
        !std::mem::replace(&mut connection.severed, true)
    }

    fn pause_reading(&mut self, fault: FaultId, choice: &Choice, end: End, until: Duration) {
        for id in self.chosen(choice) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.ends[end].pause = Some(Blamed { value: until, fault });
                self.plan(until, Plan::ResumeReading(id, end));
            }
        }
    }

    fn crash(&mut self, now: Duration, fault: FaultId, host: &str, peers: Peers) -> bool {
        let host = self.host(host);
        self.hosts[host.0].halt = None;
        let end = if host == HostId::HUB { End::Server } else { End::Client };
        let listened = host == HostId::HUB && std::mem::take(&mut self.listening);
        let of = |(id, known): (&ConnectionId, &Connection)| {
            (known.is_of(host) && known.ends[end].is_owned()).then_some(*id)
        };
        let ends: Vec<ConnectionId> = self.connections.iter().filter_map(of).collect();
        for id in &ends {
            match peers {
                Peers::SeeReset => self.transmit(now, *id, end, Piece::Reset),
                Peers::SeeNothing => {}
            }
            self.wake(*id, end);
            self.disown(*id, end, Owner::Crashed);
        }
        match peers {
            Peers::SeeReset => {}
            Peers::SeeNothing => {
                self.hosts[host.0].dark = Some(Blamed { value: now, fault });
            }
        }
        listened || !ends.is_empty()
    }

    fn heal(&mut self, now: Duration) -> bool {
        let mut ended = false;
        for host in &mut self.hosts {
            for end in End::BOTH {
                let link = &mut host.links[end];
                ended |= link.heal(now, &self.default_link);
            }
            ended |= host.pause.take().is_some_and(|pause| now < pause.value);
        }
        let late = self.default_link.latency_max().max(self.default_link.retransmit_after);
        let soon = now.saturating_add(late);
        let mut plans = Vec::new();
        for (id, connection) in &mut self.connections {
            ended |= connection.black_hole.take().is_some();
            for end in End::BOTH {
                let pause = connection.ends[end].pause.take();
                ended |= pause.is_some_and(|pause| now < pause.value);
                let planned = connection.sent[end].hurry(soon);
                plans.extend(planned.map(|at| (at, Plan::Arrive(*id, end, at))));
            }
        }
        self.effects.plans.append(&mut plans);
        self.unpark(now);
        self.wake_everyone();
        ended
    }

    fn wake_everyone(&mut self) {
        let all = self.connections.keys().flat_map(|id| End::BOTH.map(|end| (*id, end)));
        self.effects.awake.extend(all);
    }

    /// The connections that `choice` means, of those that somebody still takes for open.
    fn chosen(&mut self, choice: &Choice) -> Vec<ConnectionId> {
        let between = match choice {
            Choice::Id(_) => None,
            Choice::Latest { client, server } | Choice::Every { client, server } => {
                Some((self.host(client), self.host(server)))
            }
            Choice::Of { host } => Some((self.host(host), HostId::HUB)),
        };
        let open = self
            .connections
            .iter()
            .filter(|(_, known)| End::BOTH.iter().any(|end| known.ends[*end].is_open()));
        let found = open.filter(|(id, known)| match (choice, between) {
            (Choice::Id(wanted), _) => *id == wanted,
            (Choice::Of { .. }, Some((host, _))) => known.is_of(host),
            (_, Some((client, server))) => known.host == client && server == HostId::HUB,
            (_, None) => false,
        });
        let mut found: Vec<ConnectionId> = found.map(|(id, _)| *id).collect();
        if let Choice::Latest { .. } = choice {
            found = found.pop().into_iter().collect();
        }
        found
    }
}

impl Links for Network {
    /// Something travels only where one of them is the hub.
    fn link(&mut self, from: &str, to: &str) -> Option<&mut Link> {
        let (host, end) = match (self.host(from), self.host(to)) {
            (HostId::HUB, HostId::HUB) => return None,
            (host, HostId::HUB) => (host, End::Client),
            (HostId::HUB, host) => (host, End::Server),
            (_, _) => return None,
        };
        Some(&mut self.hosts[host.0].links[end])
    }
}
