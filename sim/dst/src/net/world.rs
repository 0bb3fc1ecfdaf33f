//! Everything there is on a network, and how a segment gets from one end to the other. It is told the
//! time, and what follows from a change are its [`Effects`]: it sets no timer and wakes no task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::by_id::ById;
use super::connection::{Connection, Fin, Piece};
use super::event::NetEventKind;
use super::fault::{FaultRecord, SeenAs};
use super::ids::{ConnectionId, End, FaultId, HostId, Place};
use super::link::{Blamed, Link};
use super::link_config::{LinkConfig, Seen};
use super::payload::Payload;
use super::random::Dice;

/// A network that carries `P` between hosts. Every change is told the time since the run began, which
/// never goes back; after it, whoever made it takes [`World::effects`].
pub struct World<P> {
    seed: u64,
    pub(super) default_link: LinkConfig,
    pub(super) hosts: Vec<HostState>,
    pub(super) names: BTreeMap<Arc<str>, HostId>,
    /// From, to.
    pub(super) links: Vec<Vec<Link>>,
    pub(super) connections: ById<Connection<P>>,
    pub(super) opened: u64,
    pub(super) listeners: BTreeMap<Place, ListenerState>,
    pub(super) listened: u64,
    pub(super) faults: Vec<FaultRecord>,
    /// What came of the changes since they were last taken.
    pub effects: Effects,
}

/// What came of changes, for whoever made them to carry out, each kind in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// What happened.
    pub events: Vec<NetEventKind>,
    /// What has to be carried out, and when; ties keep their order.
    pub plans: Vec<(Duration, Plan)>,
    /// Who has to be woken.
    pub awake: VecDeque<Awake>,
}

/// What the network has to do later, by [`World::carry_out`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// The first segment that this end sent arrives at the other end, if that is still its time.
    Arrive(ConnectionId, End, Duration),
    /// This end learns that its connection is gone.
    Tell(ConnectionId, End, SeenAs),
    /// The pause of this end's reading may be over.
    ResumeReading(ConnectionId, End),
    /// The pause of all reading on this host may be over.
    ResumeHost(HostId),
}

/// Who may be able to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awake {
    /// Whoever has this end.
    End(ConnectionId, End, Waits),
    /// A connection waits to be accepted here, whose server's end is awake as well, or nobody listens
    /// here any more.
    Listener(Place),
}

/// For what an end may have waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For something to read, or for the answer to its connect.
    Reading,
    /// For room to write.
    Writing,
    /// Any of these.
    Either,
}

/// A listener that waits on a port of a host.
#[derive(Debug)]
pub(super) struct ListenerState {
    pub(super) number: u64,
    /// Connections that wait to be accepted.
    pub(super) backlog: VecDeque<ConnectionId>,
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) name: Arc<str>,
    /// How far its wall clock is ahead, in milliseconds.
    pub(super) clock_skew: i64,
    /// Since when nothing here answers, and because of which fault.
    pub(super) dark: Option<Blamed<Duration>>,
    pub(super) pause: Option<Blamed<Duration>>,
    /// Until when none of its tasks runs.
    pub(super) paused_until: Option<Blamed<Duration>>,
    dice: Dice,
    ports_given: u16,
}

impl<P: Payload> World<P> {
    /// No hosts yet; every link carries as `default_link` says until a fault changes it.
    pub fn new(seed: u64, default_link: LinkConfig) -> Self {
        Self {
            seed,
            default_link,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            links: Vec::new(),
            connections: ById::default(),
            opened: 0,
            listeners: BTreeMap::new(),
            listened: 0,
            faults: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// The host of this name, a new one if there is none yet.
    pub fn host(&mut self, name: &str) -> HostId {
        if let Some(host) = self.names.get(name) {
            return *host;
        }
        let host = HostId::nth(self.hosts.len());
        let state = HostState::new(self.seed, name);
        let name = state.name.clone();
        self.names.insert(name.clone(), host);
        self.hosts.push(state);
        let (seed, config, hosts) = (self.seed, &self.default_link, &self.hosts);
        let link = |from: &Arc<str>, to: &Arc<str>| {
            Link::new(config.clone(), seed, [from.clone(), to.clone()])
        };
        for (links, from) in self.links.iter_mut().zip(hosts) {
            links.push(link(&from.name, &name));
        }
        self.links.push(hosts.iter().map(|to| link(&name, &to.name)).collect());
        host
    }

    /// A fresh seed from the host's own split of the run's seed.
    pub fn random_seed(&mut self, host: HostId) -> [u8; 32] {
        self.hosts[host.index()].dice.seed()
    }

    /// How far the host's wall clock is ahead, in milliseconds.
    pub fn clock_skew(&self, host: HostId) -> i64 {
        self.hosts[host.index()].clock_skew
    }

    /// How late a segment can be on a healthy link, unless it waits for bandwidth or is lost.
    pub fn latency_max(&self) -> Duration {
        self.default_link.latency_max()
    }

    /// Does what was planned.
    pub fn carry_out(&mut self, now: Duration, plan: Plan) {
        match plan {
            Plan::Arrive(id, from, due) => self.arrive(now, due, id, from),
            Plan::Tell(id, end, ending) => {
                self.tell(id, end, ending);
            }
            Plan::ResumeReading(id, end) => self.wake_for(id, end, Waits::Reading),
            Plan::ResumeHost(host) => self.wake_readers(host),
        }
    }

    pub(super) fn emit(&mut self, kind: NetEventKind) {
        self.effects.events.push(kind);
    }

    pub(super) fn plan(&mut self, at: Duration, plan: Plan) {
        self.effects.plans.push((at, plan));
    }

    /// Notes that `fault` made a difference.
    pub(super) fn took_effect(&mut self, now: Duration, fault: FaultId) {
        if let Some(record) = self.record(fault)
            && record.took_effect.is_none()
        {
            record.took_effect = Some(now);
            self.emit(NetEventKind::TookEffect { id: fault });
        }
    }

    pub(super) fn record(&mut self, fault: FaultId) -> Option<&mut FaultRecord> {
        let nth = usize::try_from(fault.0).ok()?.checked_sub(1)?;
        self.faults.get_mut(nth)
    }

    /// Sends `piece` from one end to the other.
    pub(super) fn transmit(&mut self, now: Duration, id: ConnectionId, from: End, piece: Piece<P>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.severed {
            return;
        }
        let (source, target) = connection.hosts(from);
        let link = &mut self.links[source.index()][target.index()];
        let bytes = if let Piece::Data(payload) = &piece { payload.bytes() } else { 0 };
        let arrives = link.arrival(now, bytes);
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
            self.plan(at, Plan::Arrive(id, from, at));
        }
    }

    /// Looks again at everything that is held without a time.
    pub(super) fn unpark(&mut self, now: Duration) {
        for (id, connection) in self.connections.iter_mut() {
            for from in End::BOTH {
                let (source, target) = connection.hosts(from);
                let link = &self.links[source.index()][target.index()];
                let again = now.saturating_add(link.config.retransmit_after);
                let planned = connection.sent[from].unpark(again);
                self.effects.plans.extend(planned.map(|at| (at, Plan::Arrive(id, from, at))));
            }
        }
    }

    /// Has the end looked at.
    pub fn wake(&mut self, id: ConnectionId, end: End) {
        self.wake_for(id, end, Waits::Either);
    }

    /// Once is enough as long as nothing else is looked at in between.
    pub(super) fn wake_for(&mut self, id: ConnectionId, end: End, waits: Waits) {
        let known = [waits, Waits::Either].map(|waits| Some(Awake::End(id, end, waits)));
        if !known.contains(&self.effects.awake.back().copied()) {
            self.effects.awake.push_back(Awake::End(id, end, waits));
        }
    }

    pub(super) fn wake_writer(&mut self, id: ConnectionId, end: End) {
        if let Some(connection) = self.connections.get_mut(id)
            && std::mem::take(&mut connection.ends[end].blocked)
        {
            self.wake_for(id, end, Waits::Writing);
        }
    }

    pub(super) fn wake_everyone(&mut self, waits: Waits) {
        let ends = self.connections.iter().flat_map(|(id, _)| End::BOTH.map(|end| (id, end)));
        self.effects.awake.extend(ends.map(|(id, end)| Awake::End(id, end, waits)));
    }

    /// Has every end on this host look at what it can read.
    pub fn wake_readers(&mut self, host: HostId) {
        for (id, connection) in self.connections.iter() {
            for end in End::BOTH {
                if connection.ends[end].place.host == host {
                    self.effects.awake.push_back(Awake::End(id, end, Waits::Reading));
                }
            }
        }
    }

    /// A host that does something is not dark any more.
    pub(super) fn wake_host(&mut self, now: Duration, host: HostId) {
        if self.hosts[host.index()].dark.take().is_some() {
            self.unpark(now);
        }
    }
}

impl HostState {
    fn new(seed: u64, name: &str) -> Self {
        Self {
            name: name.into(),
            clock_skew: 0,
            dark: None,
            pause: None,
            paused_until: None,
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
