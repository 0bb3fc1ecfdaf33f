//! How each fault strikes the proxies.

use std::sync::Arc;
use std::time::Duration;

use super::world::World;
use crate::net::{
    Blamed, Choice, ConnectMode, ConnectionId, End, Fault, FaultId, FaultRecord, Links,
    NetEventKind, Notice, Peers, Seen, Span,
};
use crate::scenario::HUB_HOST;

impl World {
    pub fn inject(&mut self, now: Duration, fault: Fault) {
        let fault = Arc::new(fault);
        let record = FaultRecord { fault: Arc::clone(&fault), injected: now, took_effect: None };
        self.faults.push(record);
        let id = FaultId(self.faults.len() as u64);
        self.emit(now, NetEventKind::Injected { id, fault: Arc::clone(&fault) });
        if self.strike(now, id, &fault) {
            self.took_effect(now, id);
        }
    }

    /// Returns whether the fault makes a difference at once.
    fn strike(&mut self, now: Duration, id: FaultId, fault: &Fault) -> bool {
        let blamed = |until| Some(Blamed { value: until, fault: id });
        match fault {
            Fault::Link { from, to, config } => {
                self.reconfigure(from, to, config, id);
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
            Fault::Rejoin { from, to, ways } => self.rejoin(from, to, *ways),
            Fault::Connects { from, to, mode } => self.decide_connects(id, (from, to), *mode),
            Fault::Reset { connections } => {
                let now = Notice::reset(Seen::Now);
                self.sever(Duration::ZERO, connections, now, now)
            }
            Fault::Sever { connections, client_sees, server_sees } => {
                self.sever(now, connections, *client_sees, *server_sees)
            }
            Fault::PauseHostReading { host, lasts } => {
                self.host(host).pause = blamed(now.saturating_add(*lasts));
                false
            }
            Fault::Pause { host, lasts } => {
                self.host(host).halt = blamed(now.saturating_add(*lasts));
                false
            }
            Fault::PauseReading { connections, end, lasts } => {
                for chosen in self.chosen(connections) {
                    self.fate(chosen).ends[*end].pause = blamed(now.saturating_add(*lasts));
                }
                false
            }
            Fault::Crash { host, peers } => self.crash(id, host, *peers),
            Fault::ClockSkew { host, milliseconds } => {
                let skew = &mut self.host(host).clock_skew;
                std::mem::replace(skew, *milliseconds) != *milliseconds
            }
            Fault::Heal => self.heal(now),
        }
    }

    fn decide_connects(
        &mut self,
        fault: FaultId,
        (from, to): (&str, &str),
        mode: ConnectMode,
    ) -> bool {
        let decided = self.decide(from, to, mode, fault);
        if decided.anew {
            let own = self.connections.values_mut().filter(|fate| *fate.client == *from);
            own.for_each(|fate| fate.black_hole = None);
        }
        decided.ended
    }

    fn sever(&mut self, now: Duration, choice: &Choice, client: Notice, server: Notice) -> bool {
        let mut took_effect = false;
        for id in self.chosen(choice) {
            let fate = self.fate(id);
            took_effect |= !std::mem::replace(&mut fate.severed, true);
            for (end, notice) in [(End::Client, client), (End::Server, server)] {
                let at = match notice.when {
                    Seen::Now => now,
                    Seen::After(late) => now.saturating_add(late),
                    Seen::Never => continue,
                };
                let end = &mut fate.ends[end];
                let earlier = end.notice.filter(|(known, _)| *known <= at);
                end.notice = earlier.or(Some((at, notice.ending)));
                took_effect = true;
            }
        }
        took_effect
    }

    fn crash(&mut self, fault: FaultId, host: &str, peers: Peers) -> bool {
        self.host(host).halt = None;
        if peers == Peers::SeeNothing {
            self.host(host).dark = Some(fault);
        }
        let end = if host == HUB_HOST { End::Server } else { End::Client };
        if end == End::Server {
            self.hub_is_gone();
        }
        let mut crashed = false;
        for fate in self.connections.values_mut() {
            if end == End::Server || *fate.client == *host {
                let fate = &mut fate.ends[end];
                crashed |= std::mem::take(&mut fate.open);
                fate.crashed = Some(peers);
            }
        }
        crashed
    }

    fn heal(&mut self, now: Duration) -> bool {
        let mut ended = false;
        for link in self.links.values_mut() {
            ended |= link.heal(now, &self.default_link);
        }
        for pause in self.hosts.values_mut().map(|host| &mut host.pause) {
            ended |= pause.take().is_some_and(|pause| now < pause.value);
        }
        let late = self.default_link.latency_max().max(self.default_link.retransmit_after);
        for fate in self.connections.values_mut() {
            ended |= fate.black_hole.take().is_some();
            for end in End::BOTH {
                let pause = fate.ends[end].pause.take();
                ended |= pause.is_some_and(|pause| now < pause.value);
            }
            fate.hurry = Some(now.saturating_add(late));
        }
        ended
    }

    /// The connections that `choice` means, of those that somebody still takes for open.
    fn chosen(&self, choice: &Choice) -> Vec<ConnectionId> {
        let open = self
            .connections
            .iter()
            .filter(|(_, fate)| End::BOTH.iter().any(|end| fate.ends[*end].open));
        let between = |client: &str, server: &str| {
            let own =
                open.clone().filter(|(_, fate)| server == HUB_HOST && *fate.client == *client);
            own.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        match choice {
            Choice::Id(id) => open.map(|(id, _)| *id).filter(|known| known == id).collect(),
            Choice::Latest { client, server } => {
                between(client, server).last().copied().into_iter().collect()
            }
            Choice::Every { client, server } => between(client, server),
            Choice::Of { host } if host == HUB_HOST => open.map(|(id, _)| *id).collect(),
            Choice::Of { host } => between(host, HUB_HOST),
        }
    }
}
