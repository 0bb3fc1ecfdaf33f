//! The network by messages: what [`crate::net`] does with bytes, done with whole messages between
//! clients and the hub. Its links, faults and rules are the same ones.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Carried, Connection, Endpoint, Owner};
use super::message::Message;
use crate::net::{
    Blamed, ConnectionId, Dice, Direction, End, Ending, FaultId, FaultRecord, Fin, Link,
    LinkConfig, NetEventKind, PerEnd, Piece,
};
use crate::scenario::{HUB_HOST, HUB_PORT};

/// A host, in the order of naming; the hub's is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub usize);

impl HostId {
    pub const HUB: Self = Self(0);
}

/// What the network has to do later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The first message that this end sent arrives at the other end, if that is still its time.
    Arrive(ConnectionId, End, Duration),
    /// This end learns that its connection is gone.
    Tell(ConnectionId, End, Ending),
    ResumeReading(ConnectionId, End),
    ResumeHost(HostId),
}

/// What came of a change, for whoever made it to carry out.
#[derive(Debug, Default)]
pub struct Effects {
    pub events: Vec<NetEventKind>,
    pub plans: Vec<(Duration, Plan)>,
    /// Ends that may have something to read or room to write.
    pub awake: VecDeque<(ConnectionId, End)>,
}

/// What an end gets when it reads.
#[derive(Debug)]
pub enum Read {
    Message(Message),
    Nothing,
    /// The orderly end of what the peer sends.
    Ended,
    Failed(ErrorKind),
}

/// What became of a message that was to be sent.
#[derive(Debug)]
pub enum Sending {
    Sent,
    /// The window is full; the end is woken when it is not.
    Full(Message),
    Broken,
}

/// How a dialled connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    Pending,
    Established,
    Failed(ErrorKind),
}

pub struct Network {
    seed: u64,
    pub(super) default_link: LinkConfig,
    pub(super) hosts: Vec<Host>,
    pub(super) names: BTreeMap<Arc<str>, HostId>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    /// Whether the hub listens.
    pub listening: bool,
    pub(super) faults: Vec<FaultRecord>,
    pub effects: Effects,
}

pub(super) struct Host {
    name: Arc<str>,
    pub(super) clock_skew: i64,
    /// Since when nothing here answers, and because of which fault.
    pub(super) dark: Option<Blamed<Duration>>,
    pub(super) pause: Option<Blamed<Duration>>,
    /// Until when none of its tasks runs.
    pub(super) halt: Option<Blamed<Duration>>,
    /// Its links with the hub: what its client ends send, and what the hub sends it.
    pub(super) links: PerEnd<Link>,
    dice: Dice,
}

impl Network {
    pub fn new(seed: u64, default_link: LinkConfig) -> Self {
        let mut network = Self {
            seed,
            default_link,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            listening: false,
            faults: Vec::new(),
            effects: Effects::default(),
        };
        network.host(HUB_HOST);
        network
    }

    /// The host of this name, a new one if there is none yet.
    pub fn host(&mut self, name: &str) -> HostId {
        if let Some(host) = self.names.get(name) {
            return *host;
        }
        let host = HostId(self.hosts.len());
        let link = |from: &str, to: &str| {
            let dice = Dice::split(self.seed, &format!("link {from} > {to}"));
            Link::new(self.default_link.clone(), dice)
        };
        let links = PerEnd { client: link(name, HUB_HOST), server: link(HUB_HOST, name) };
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name), host);
        let dice = Dice::split(self.seed, &format!("host {name}"));
        self.hosts.push(Host {
            name,
            clock_skew: 0,
            dark: None,
            pause: None,
            halt: None,
            links,
            dice,
        });
        host
    }

    /// A fresh seed from the host's own split of the run's seed.
    pub fn random_seed(&mut self, host: HostId) -> [u8; 32] {
        self.hosts[host.0].dice.seed()
    }

    /// How far the host's wall clock is ahead, in milliseconds.
    pub fn clock_skew(&self, host: HostId) -> i64 {
        self.hosts[host.0].clock_skew
    }

    /// Whether someone has this end.
    pub fn has(&self, id: ConnectionId, end: End) -> bool {
        self.owned(id, end).is_some()
    }

    /// The host of the client's end.
    pub fn host_of(&self, id: ConnectionId) -> HostId {
        self.connections.get(&id).map_or(HostId::HUB, |connection| connection.host)
    }

    pub fn latency_max(&self) -> Duration {
        self.default_link.latency_max()
    }

    /// A host that does something is not dark any more.
    pub fn wake_host(&mut self, now: Duration, host: HostId) {
        if self.hosts[host.0].dark.take().is_some() {
            self.unpark(now);
        }
    }

    /// The next connection, from `host` to the hub.
    pub fn open(&mut self, now: Duration, host: HostId) -> ConnectionId {
        self.wake_host(now, host);
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let ends = PerEnd {
            client: Endpoint::new(Owner::Application),
            server: Endpoint::new(Owner::Absent),
        };
        let sent = PerEnd { client: Direction::default(), server: Direction::default() };
        let (established, severed) = (false, false);
        let connection = Connection { host, ends, sent, established, severed, black_hole: None };
        self.connections.insert(id, connection);
        let (client, server) = (self.hosts[host.0].name.clone(), self.hosts[0].name.clone());
        self.emit(NetEventKind::Opened { connection: id, client, server, port: HUB_PORT });
        self.transmit(now, id, End::Client, Piece::Connect);
        id
    }

    /// Whether the client knows the server's answer.
    pub fn dial(&self, id: ConnectionId) -> Dial {
        let Some(connection) = self.owned(id, End::Client) else {
            return Dial::Failed(ErrorKind::ConnectionAborted);
        };
        let client = &connection.ends[End::Client];
        match client.failure {
            Some(failure) => Dial::Failed(failure),
            None if client.knows_of_cut => Dial::Failed(ErrorKind::ConnectionReset),
            None if connection.established => Dial::Established,
            None => Dial::Pending,
        }
    }

    pub fn read(&mut self, now: Duration, id: ConnectionId, end: End) -> Read {
        let connection = self.connections.get_mut(&id);
        let Some(connection) = connection.filter(|known| known.ends[end].is_owned()) else {
            return Read::Failed(ErrorKind::ConnectionAborted);
        };
        let place = connection.place(end);
        let endpoint = &mut connection.ends[end];
        if let Some(failure) = endpoint.failure {
            return Read::Failed(failure);
        }
        if endpoint.unread.is_empty() && !endpoint.ended {
            return Read::Nothing;
        }
        let pauses = [endpoint.pause, self.hosts[place.0].pause];
        if let Some(pause) = pauses.into_iter().flatten().find(|pause| now < pause.value) {
            self.took_effect(now, pause.fault);
            return Read::Nothing;
        }
        let Some(Carried(message, bytes)) = endpoint.unread.pop_front() else {
            return Read::Ended;
        };
        connection.sent[end.other()].window_used -= bytes;
        self.wake_writer(id, end.other());
        Read::Message(message)
    }

    pub fn send(
        &mut self,
        now: Duration,
        id: ConnectionId,
        end: End,
        message: Message,
        bytes: usize,
    ) -> Sending {
        let connection = self.connections.get_mut(&id);
        let Some(connection) = connection.filter(|known| known.ends[end].is_open()) else {
            return Sending::Broken;
        };
        let direction = &mut connection.sent[end];
        if direction.fin != Fin::Unsent || connection.ends[end].knows_of_cut {
            return Sending::Broken;
        }
        // A message that is longer than the window goes in parts; then none is behind it.
        let window = self.hosts[connection.host.0].links[end].config.window_bytes;
        let used = direction.window_used;
        if window == 0 || used > 0 && used + bytes > window {
            connection.ends[end].blocked = true;
            return Sending::Full(message);
        }
        direction.window_used += bytes;
        let last = self.transmit_parts(now, id, end, bytes);
        self.transmit(now, id, end, Piece::Data(Carried(message, last)));
        Sending::Sent
    }

    /// Where bandwidth is bounded, all of a long message but its last segment, whose length is
    /// returned: whoever gets it sees that something comes.
    fn transmit_parts(
        &mut self,
        now: Duration,
        id: ConnectionId,
        from: End,
        bytes: usize,
    ) -> usize {
        let Some(connection) = self.connections.get(&id) else { return bytes };
        let config = &self.hosts[connection.host.0].links[from].config;
        let most = config.segment_bytes_max.max(1);
        if config.bytes_per_second.is_none() || bytes <= most {
            return bytes;
        }
        let parts = (bytes - 1) / most;
        for part in 0..parts {
            let message = Message::Part { first: part == 0, of: bytes };
            self.transmit(now, id, from, Piece::Data(Carried(message, most)));
        }
        bytes - parts * most
    }

    /// Ends what this end sends, in an orderly way.
    pub fn shut_down(&mut self, now: Duration, id: ConnectionId, end: End) {
        let connection = self.connections.get_mut(&id);
        let Some(connection) = connection.filter(|known| known.ends[end].is_open()) else { return };
        let direction = &mut connection.sent[end];
        if direction.fin != Fin::Unsent {
            return;
        }
        direction.fin = Fin::Sent;
        self.emit(NetEventKind::FinSent { connection: id, from: end });
        self.transmit(now, id, end, Piece::Fin);
    }

    /// The owner of this end lets go of it.
    pub fn release(&mut self, now: Duration, id: ConnectionId, end: End) {
        let Some(connection) = self.owned(id, end) else { return };
        let client = end == End::Client;
        let unheard = client && connection.ends[End::Server].owner == Owner::Absent;
        if unheard || connection.ends[end].failure.is_some() {
            // Nobody is left to be told.
        } else if client && !connection.established {
            self.transmit(now, id, end, Piece::Reset);
        } else {
            self.shut_down(now, id, end);
        }
        self.disown(id, end, Owner::Released);
    }

    /// Takes this end from its owner without a word, and forgets a connection that nobody has.
    pub(super) fn disown(&mut self, id: ConnectionId, end: End, to: Owner) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let endpoint = &mut connection.ends[end];
        endpoint.owner = to;
        let unread: usize = endpoint.unread.drain(..).map(|Carried(_, bytes)| bytes).sum();
        connection.sent[end.other()].window_used -= unread;
        if End::BOTH.iter().all(|end| !connection.ends[*end].is_owned()) {
            self.connections.remove(&id);
            self.emit(NetEventKind::Closed { connection: id });
        } else {
            self.wake_writer(id, end.other());
        }
    }

    /// Notes that `fault` made a difference.
    pub(super) fn took_effect(&mut self, now: Duration, fault: FaultId) {
        let nth = usize::try_from(fault.0).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(record) = self.faults.get_mut(nth)
            && record.took_effect.is_none()
        {
            record.took_effect = Some(now);
            self.emit(NetEventKind::TookEffect { id: fault });
        }
    }

    pub(super) fn plan(&mut self, at: Duration, plan: Plan) {
        self.effects.plans.push((at, plan));
    }

    pub(super) fn emit(&mut self, event: NetEventKind) {
        self.effects.events.push(event);
    }

    /// Has the end looked at; once is enough as long as nothing else is looked at in between.
    pub(super) fn wake(&mut self, id: ConnectionId, end: End) {
        if self.effects.awake.back() != Some(&(id, end)) {
            self.effects.awake.push_back((id, end));
        }
    }

    pub(super) fn wake_ends_of(&mut self, host: HostId) {
        let end = if host == HostId::HUB { End::Server } else { End::Client };
        let of = self.connections.iter().filter(|(_, connection)| connection.is_of(host));
        self.effects.awake.extend(of.map(|(id, _)| (*id, end)));
    }

    fn wake_writer(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if std::mem::take(&mut connection.ends[end].blocked) {
            self.wake(id, end);
        }
    }

    fn owned(&self, id: ConnectionId, end: End) -> Option<&Connection> {
        self.connections.get(&id).filter(|connection| connection.ends[end].is_owned())
    }
}
