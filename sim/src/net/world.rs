//! Everything there is on the network, and how a segment gets from one end to the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::task::Waker;
use std::time::Duration;

use super::agenda::{Agenda, Plan};
use super::clock::Clock;
use super::connection::{Connection, Fin, Piece};
use super::event::{NetEvent, NetEventKind};
use super::fault::FaultRecord;
use super::ids::{ConnectionId, End, FaultId, HostId, Place};
use super::link::{Blamed, Link};
use super::link_config::{LinkConfig, Seen};
use super::random::Dice;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) default_link: LinkConfig,
    pub(super) clock: Clock,
    pub(super) agenda: Agenda,
    pub(super) hosts: Vec<HostState>,
    pub(super) names: BTreeMap<Arc<str>, HostId>,
    /// From, to.
    pub(super) links: Vec<Vec<Link>>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) opened: u64,
    pub(super) listeners: BTreeMap<(HostId, u16), ListenerState>,
    pub(super) listened: u64,
    pub(super) faults: Vec<FaultRecord>,
    pub(super) outbox: Vec<NetEvent>,
    /// Someone takes events out of the outbox already.
    pub(super) emitting: bool,
    pub(super) stopped: bool,
}

/// A listener that waits on a port of a host.
pub(super) struct ListenerState {
    /// Tells it from earlier listeners on the same port.
    pub(super) number: u64,
    pub(super) backlog: VecDeque<ConnectionId>,
    pub(super) acceptor: Option<Waker>,
}

impl World {
    pub(super) fn new(seed: u64, default_link: LinkConfig) -> Self {
        Self {
            seed,
            default_link,
            clock: Clock::current(),
            agenda: Agenda::default(),
            hosts: Vec::new(),
            names: BTreeMap::new(),
            links: Vec::new(),
            connections: BTreeMap::new(),
            opened: 0,
            listeners: BTreeMap::new(),
            listened: 0,
            faults: Vec::new(),
            outbox: Vec::new(),
            emitting: false,
            stopped: false,
        }
    }

    pub(super) fn host(&mut self, name: &str) -> HostId {
        if let Some(host) = self.names.get(name) {
            return *host;
        }
        let host = HostId::nth(self.hosts.len());
        let state = HostState::new(self.seed, name);
        self.names.insert(state.name.clone(), host);
        self.hosts.push(state);
        let (seed, config, hosts) = (self.seed, &self.default_link, &self.hosts);
        let link = |from: &str, to: &str| {
            Link::new(config.clone(), Dice::split(seed, &format!("link {from} > {to}")))
        };
        for (links, from) in self.links.iter_mut().zip(hosts) {
            links.push(link(&from.name, name));
        }
        self.links.push(hosts.iter().map(|to| link(name, &to.name)).collect());
        host
    }

    pub(super) fn emit(&mut self, now: Duration, kind: NetEventKind) {
        if !self.stopped {
            self.outbox.push(NetEvent { at: now, kind });
        }
    }

    pub(super) fn plan(&mut self, at: Duration, plan: Plan) {
        self.agenda.plan(at, plan);
        self.clock.wake_by(at);
    }

    /// Notes that `fault` made a difference.
    pub(super) fn took_effect(&mut self, now: Duration, fault: FaultId) {
        if let Some(record) = self.record(fault)
            && record.took_effect.is_none()
        {
            record.took_effect = Some(now);
            self.emit(now, NetEventKind::TookEffect { id: fault });
        }
    }

    pub(super) fn record(&mut self, fault: FaultId) -> Option<&mut FaultRecord> {
        let nth = usize::try_from(fault.0).ok()?.checked_sub(1)?;
        self.faults.get_mut(nth)
    }

    /// Does what is due and sets the alarm for what is not.
    pub(super) fn drive(&mut self, now: Duration) {
        self.clock.forget_rung(now);
        while let Some((due, plan)) = self.agenda.pop_due(now) {
            match plan {
                Plan::Arrive(id, from) => self.arrive(now, due, id, from),
                Plan::Tell(id, end, ending) => {
                    self.tell(now, id, end, ending);
                }
                Plan::ResumeReading(id, end) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.ends[end].wake_reader();
                    }
                }
                Plan::ResumeHost(host) => self.wake_readers(host),
            }
        }
        if let Some(next) = self.agenda.next() {
            self.clock.wake_by(next);
        }
    }

    /// Sends `piece` from one end to the other.
    pub(super) fn transmit(&mut self, now: Duration, id: ConnectionId, from: End, piece: Piece) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.severed {
            return;
        }
        let source = connection.ends[from].place.host;
        let target = connection.ends[from.other()].place.host;
        let link = &mut self.links[source.index()][target.index()];
        let arrives = link.arrival(now, piece.len());
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
        if let Some(fault) = link.reconfigured {
            self.took_effect(now, fault);
        }
        if let Some(at) = planned {
            self.plan(at, Plan::Arrive(id, from));
        }
    }

    /// Looks again at everything that is held without a time.
    pub(super) fn unpark(&mut self, now: Duration) {
        let mut plans = Vec::new();
        for (id, connection) in &mut self.connections {
            for from in End::BOTH {
                let source = connection.ends[from].place.host;
                let target = connection.ends[from.other()].place.host;
                let link = &self.links[source.index()][target.index()];
                let again = now.saturating_add(link.config.retransmit_after);
                plans.extend(connection.sent[from].unpark(again).map(|at| (at, *id, from)));
            }
        }
        for (at, id, from) in plans {
            self.plan(at, Plan::Arrive(id, from));
        }
    }

    /// Takes every waker out, so that none keeps its task alive.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        self.agenda.clear();
        let acceptors = self.listeners.values_mut().filter_map(|listener| listener.acceptor.take());
        let mut wakers: Vec<Waker> = acceptors.collect();
        for connection in self.connections.values_mut() {
            for end in End::BOTH {
                let endpoint = &mut connection.ends[end];
                wakers.extend(endpoint.reader.take());
                wakers.extend(endpoint.writer.take());
            }
        }
        wakers
    }

    pub(super) fn wake_readers(&mut self, host: HostId) {
        for connection in self.connections.values_mut() {
            for end in End::BOTH {
                if connection.ends[end].place.host == host {
                    connection.ends[end].wake_reader();
                }
            }
        }
    }

    /// The next connection, from `client` to `server`.
    pub(super) fn open(&mut self, now: Duration, client: HostId, server: Place) -> ConnectionId {
        self.wake_host(now, client);
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let port = self.hosts[client.index()].give_port();
        self.connections.insert(id, Connection::new(Place { host: client, port }, server));
        let name = |host: HostId| self.hosts[host.index()].name.clone();
        let (client, port, server) = (name(client), server.port, name(server.host));
        self.emit(now, NetEventKind::Opened { connection: id, client, server, port });
        self.transmit(now, id, End::Client, Piece::Connect);
        id
    }

    /// A host that does something is not dark any more.
    pub(super) fn wake_host(&mut self, now: Duration, host: HostId) {
        if self.hosts[host.index()].dark.take().is_some() {
            self.unpark(now);
        }
    }
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) name: Arc<str>,
    pub(super) clock_skew: Arc<AtomicI64>,
    /// Since when nothing here answers, and because of which fault.
    pub(super) dark: Option<Blamed<Duration>>,
    pub(super) pause: Option<Blamed<Duration>>,
    /// Until when none of its tasks runs.
    pub(super) halt: Option<Blamed<Duration>>,
    pub(super) dice: Dice,
    ports_given: u16,
}

impl HostState {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        Self {
            name: name.into(),
            clock_skew: Arc::default(),
            dark: None,
            pause: None,
            halt: None,
            dice: Dice::split(seed, &format!("host {name}")),
            ports_given: 0,
        }
    }

    /// The next port of those that nobody asks for by number.
    pub(super) fn give_port(&mut self) -> u16 {
        let port = FIRST_GIVEN_PORT + self.ports_given % (u16::MAX - FIRST_GIVEN_PORT);
        self.ports_given = self.ports_given.wrapping_add(1);
        port
    }
}

const FIRST_GIVEN_PORT: u16 = 49152;
