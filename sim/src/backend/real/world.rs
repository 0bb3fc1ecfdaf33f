//! What the proxies know: hosts, links, and what faults have decided about each connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::net::{
    Blamed, ConnectMode, ConnectionId, Dice, End, Ending, FaultId, FaultRecord, Link, LinkConfig,
    Links, NetEvent, NetEventKind, Peers, PerEnd, Sink,
};
use crate::scenario::{HUB_HOST, HUB_PORT};

pub struct World {
    seed: u64,
    pub(super) default_link: LinkConfig,
    hub: Option<SocketAddr>,
    pub(super) hosts: BTreeMap<Arc<str>, Host>,
    /// From, to.
    pub(super) links: BTreeMap<(Arc<str>, Arc<str>), Link>,
    pub(super) connections: BTreeMap<ConnectionId, Fate>,
    opened: u64,
    pub(super) faults: Vec<FaultRecord>,
    sink: Sink,
}

#[derive(Debug, Default)]
pub struct Host {
    pub door: Option<SocketAddr>,
    pub clock_skew: i64,
    /// Until when its applications read nothing.
    pub pause: Option<Blamed<Duration>>,
    /// Until when none of its tasks runs.
    pub halt: Option<Blamed<Duration>>,
    /// The machine is gone, because of this fault.
    pub dark: Option<FaultId>,
}

/// What faults have decided about a connection; its carrier does it.
#[derive(Debug)]
pub struct Fate {
    pub client: Arc<str>,
    pub ends: PerEnd<EndFate>,
    /// Nothing travels any more.
    pub severed: bool,
    /// No byte passes, because of this fault.
    pub black_hole: Option<FaultId>,
    /// What is in flight arrives by then.
    pub hurry: Option<Duration>,
}

#[derive(Debug, Default)]
pub struct EndFate {
    /// Its application still has it, as far as is known, and takes it for open.
    pub open: bool,
    /// Its application died; the carrier has not heard of it.
    pub crashed: Option<Peers>,
    /// What it will learn, and when.
    pub notice: Option<(Duration, Ending)>,
    /// Until when its application reads nothing.
    pub pause: Option<Blamed<Duration>>,
}

/// What keeps bytes from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    Until(Duration),
    Parked,
}

/// What becomes of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    To(SocketAddr),
    Refused,
    /// Nobody waits for it any more.
    Void,
    /// Its fate may be known then, or when something changes.
    Unknown(Option<Duration>),
}

impl World {
    pub fn new(seed: u64, default_link: LinkConfig, sink: Sink) -> Self {
        Self {
            seed,
            default_link,
            hub: None,
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            faults: Vec::new(),
            sink,
        }
    }

    pub fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.entry(name.into()).or_default()
    }

    /// The link that carries what this end sends.
    pub fn link_from(&mut self, id: ConnectionId, from: End) -> &mut Link {
        let (from, to) = self.hosts_of(id, from);
        self.link_between(&from, &to)
    }

    fn link_between(&mut self, from: &str, to: &str) -> &mut Link {
        let (seed, config) = (self.seed, &self.default_link);
        self.links.entry((from.into(), to.into())).or_insert_with(|| {
            Link::new(config.clone(), Dice::split(seed, &format!("link {from} > {to}")))
        })
    }

    /// The host of this end, and the other one.
    fn hosts_of(&self, id: ConnectionId, end: End) -> (Arc<str>, Arc<str>) {
        let client = Arc::clone(&self.connections[&id].client);
        match end {
            End::Client => (client, HUB_HOST.into()),
            End::Server => (HUB_HOST.into(), client),
        }
    }

    pub fn fate(&mut self, id: ConnectionId) -> &mut Fate {
        self.connections.get_mut(&id).expect("a connection is known until its carrier ends")
    }

    pub fn hub_listens(&mut self, address: SocketAddr) {
        self.hub = Some(address);
        self.host(HUB_HOST).dark = None;
    }

    pub fn hub_left(&mut self, address: SocketAddr) {
        self.hub = self.hub.filter(|known| *known != address);
    }

    pub fn hub_is_gone(&mut self) {
        self.hub = None;
    }

    /// A connection that a client on this host asks for.
    pub fn open(&mut self, now: Duration, client: Arc<str>) -> ConnectionId {
        self.host(&client).dark = None;
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let open = || EndFate { open: true, ..EndFate::default() };
        let fate = Fate {
            client: Arc::clone(&client),
            ends: PerEnd::of(open(), EndFate::default()),
            severed: false,
            black_hole: None,
            hurry: None,
        };
        self.connections.insert(id, fate);
        let (connection, server) = (id, HUB_HOST.into());
        self.emit(now, NetEventKind::Opened { connection, client, server, port: HUB_PORT });
        id
    }

    /// Nothing is left of the connection.
    pub fn close(&mut self, now: Duration, id: ConnectionId) {
        self.connections.remove(&id);
        self.emit(now, NetEventKind::Closed { connection: id });
    }

    /// When `bytes` that this end sends now arrive.
    pub fn arrival(
        &mut self,
        now: Duration,
        id: ConnectionId,
        from: End,
        bytes: usize,
    ) -> Duration {
        let link = self.link_from(id, from);
        let (arrives, blamed) = (link.arrival(now, bytes), link.reconfigured);
        if let Some(fault) = blamed {
            self.took_effect(now, fault);
        }
        arrives
    }

    /// What keeps bytes that this end has sent from arriving now.
    pub fn obstacle(&mut self, now: Duration, id: ConnectionId, from: End) -> Option<Obstacle> {
        let (_, target) = self.hosts_of(id, from);
        let link = self.link_from(id, from);
        let stall = link.stall.filter(|stall| now < stall.value.until);
        let parted = link.partition.map(|partition| partition.fault);
        let fate = &self.connections[&id];
        let host = self.hosts.get(&target);
        let silence = parted.or(host.and_then(|host| host.dark)).or(fate.black_hole);
        let pauses = [fate.ends[from.other()].pause, host.and_then(|host| host.pause)];
        let pause = pauses.into_iter().flatten().find(|pause| now < pause.value);
        let (obstacle, fault) = match (stall, silence, pause) {
            (Some(stall), _, _) => (Obstacle::Until(stall.value.until), stall.fault),
            (None, Some(fault), _) => (Obstacle::Parked, fault),
            (None, None, Some(pause)) => (Obstacle::Until(pause.value), pause.fault),
            (None, None, None) => return None,
        };
        self.took_effect(now, fault);
        Some(obstacle)
    }

    /// Something arrives now that this end has sent: where the machine has stopped, that shows it.
    pub fn note_halt(&mut self, now: Duration, id: ConnectionId, from: End) {
        let (_, target) = self.hosts_of(id, from);
        let halt = self.hosts.get(&target).and_then(|host| host.halt);
        if let Some(halt) = halt.filter(|halt| now < halt.value) {
            self.took_effect(now, halt.fault);
        }
    }

    /// What becomes now of a connect that arrives at `arrives`.
    pub fn admit(&mut self, now: Duration, id: ConnectionId, arrives: Duration) -> Admission {
        let fate = &self.connections[&id];
        let end = &fate.ends[End::Client];
        match end.notice {
            _ if end.crashed.is_some() => return Admission::Void,
            Some((at, _)) if at <= now => return Admission::Refused,
            Some((at, _)) => return Admission::Unknown(Some(at)),
            None if fate.severed => return Admission::Unknown(None),
            None if now < arrives => return Admission::Unknown(Some(arrives)),
            None => {}
        }
        match self.obstacle(now, id, End::Client) {
            Some(Obstacle::Until(until)) => return Admission::Unknown(Some(until)),
            Some(Obstacle::Parked) => return Admission::Unknown(None),
            None => {}
        }
        let connects = self.link_from(id, End::Client).connects;
        if let Some(connects) = connects {
            self.took_effect(now, connects.fault);
        }
        match (connects.map(|connects| (connects.value, connects.fault)), self.hub) {
            (Some((ConnectMode::Hang, _)), _) => Admission::Unknown(None),
            (Some((ConnectMode::Refuse, _)), _) | (_, None) => Admission::Refused,
            (Some((ConnectMode::BlackHole, fault)), Some(hub)) => {
                self.fate(id).black_hole = Some(fault);
                Admission::To(hub)
            }
            (Some((ConnectMode::Accept, _)) | None, Some(hub)) => Admission::To(hub),
        }
    }

    pub fn emit(&mut self, now: Duration, kind: NetEventKind) {
        (self.sink)(NetEvent { at: now, kind });
    }

    /// Notes that `fault` made a difference.
    pub fn took_effect(&mut self, now: Duration, fault: FaultId) {
        let nth = usize::try_from(fault.0).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(record) = self.faults.get_mut(nth)
            && record.took_effect.is_none()
        {
            record.took_effect = Some(now);
            self.emit(now, NetEventKind::TookEffect { id: fault });
        }
    }
}

impl Links for World {
    fn link(&mut self, from: &str, to: &str) -> Option<&mut Link> {
        Some(self.link_between(from, to))
    }
}
