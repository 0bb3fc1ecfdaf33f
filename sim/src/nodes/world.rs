//! The nodes, their engine and their clients.

mod faults;
mod lives;
pub(crate) mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_hub::cluster::ClusterConfig;
use signal_hub::cluster::engine::{Event, NodeName, Request, RequestId};
use signal_hub::hub::{CloseCause, Config, Hub, Input, Output, Peer, SessionKey, Written};
use signal_hub::protocol::{Body, ClientFrame, Outgoing};
use signal_hub::time::Timestamp;

use lives::Clock;

use super::judge::{Judge, Violation};
use super::moves::{Move, Word};
use super::talk;
use crate::engine::{Engine, Lane, Way};
use crate::invariants::Invariant;

/// How large a world is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// At most 9.
    pub nodes: usize,
    /// At most 9; each has one address and at most two connections.
    pub actors: usize,
    /// How every hub is set.
    pub config: Config,
    /// How every node is set; the name is its own.
    pub cluster: ClusterConfig,
}

impl Setting {
    /// So many nodes and actors.
    pub fn new(nodes: usize, actors: usize) -> Self {
        let config = Config {
            resume_window: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(3600),
            rate_limit_per_second: 0,
            ping_limit_per_second: 0,
            ..Config::default()
        };
        // So few that turns and writes have to wait for each other.
        let (writes_under_way_max, turn_addresses_max) = (2, 1);
        let cluster = ClusterConfig {
            writes_under_way_max,
            turn_addresses_max,
            ..ClusterConfig::new(name(0))
        };
        Self { nodes, actors, config, cluster }
    }

    /// Long enough for everything that waits to end.
    fn rest(&self) -> Duration {
        self.config.resume_window + self.cluster.lease * (self.nodes as u32 + 3)
    }
}

/// How often what came up.
pub type Seen = BTreeMap<&'static str, usize>;

/// A world at one moment.
#[derive(Debug, Clone)]
pub struct World {
    setting: Setting,
    engine: Engine,
    nodes: Vec<Node>,
    connections: BTreeMap<SessionKey, Connection>,
    now: Duration,
    opened: u64,
    asked: u64,
    drawn: usize,
    is_electing: bool,
    /// Whether nothing happens by itself.
    is_stepwise: bool,
    /// Time passes in steps of this length.
    pulse: Duration,
    /// Whether the last step was that time passed.
    has_waited: bool,
    judge: Judge,
}

#[derive(Debug, Clone)]
struct Node {
    /// Of its process, as the engine knows it.
    name: NodeName,
    /// Of the hub.
    node: NodeName,
    hub: Option<Hub>,
    clock: Clock,
    /// When it began to end in order.
    leaves: Option<Duration>,
    /// Whether it did.
    has_left: bool,
    is_paused: bool,
    is_held: bool,
    is_lost: bool,
    is_watch_held: bool,
    are_answers_held: bool,
    are_messages_held: bool,
    is_fenced: bool,
    cut: BTreeSet<Way>,
    loses_answer: bool,
    is_late: bool,
    is_stale: bool,
    starts: u8,
    /// What is on its way to the engine, where nothing happens by itself.
    asked: VecDeque<Request>,
    /// The latest write of its own row, where nothing happens by itself.
    renewal: Option<RequestId>,
    /// Frames and ends of connections while it stands still.
    waiting: Vec<Input>,
}

/// A client's connection as the client knows it.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub actor: usize,
    pub slot: usize,
    pub node: usize,
}

/// Time passes in steps of this length.
const STEP: Duration = Duration::from_millis(200);
/// Events in one step; more go round in a circle.
const EVENTS_MAX: usize = 20_000;

fn name(node: usize) -> NodeName {
    NodeName::parse(&format!("n{node}")).expect("a name")
}

impl Node {
    fn hears(&self, lane: &Lane) -> bool {
        match lane {
            Lane::Watch => !self.is_watch_held,
            Lane::Answer(_) => !self.are_answers_held,
            Lane::From(_) => !self.are_messages_held,
            Lane::Connection => true,
        }
    }

    fn is_troubled(&self) -> bool {
        let is_deaf = self.is_held || self.is_watch_held || self.are_answers_held;
        let is_away = self.is_paused || self.is_lost || !self.cut.is_empty();
        is_away || is_deaf || self.are_messages_held
    }
}

impl World {
    /// Nodes that have just begun to live.
    pub fn new(setting: &Setting) -> Self {
        let nodes = (0..setting.nodes).map(|node| Self::new_node(node, 0));
        let mut world = Self {
            setting: setting.clone(),
            engine: Engine::default(),
            nodes: nodes.collect(),
            connections: BTreeMap::new(),
            now: Duration::ZERO,
            opened: 0,
            asked: 0,
            drawn: 0,
            is_electing: false,
            is_stepwise: false,
            pulse: STEP,
            has_waited: false,
            judge: Judge::new(setting),
        };
        for node in 0..setting.nodes {
            world.start(node);
        }
        world
    }

    /// What came up until now.
    pub fn seen(&self) -> Seen {
        self.judge.seen.clone()
    }

    /// One move, and what follows at once.
    pub fn happen(&mut self, one: Move) -> Result<(), Violation> {
        match one {
            Move::Open { actor, node } => self.open(actor, node % self.setting.nodes)?,
            Move::Say { actor, slot, word } => self.say(actor, slot, word)?,
            Move::End { actor, slot } => {
                if let Some(key) = self.connection(actor, slot) {
                    self.end(key, CloseCause::Lost)?;
                }
            }
            Move::Wait(time) => return self.wait(time),
            Move::Fault(node, fault) => self.break_or_mend(node % self.setting.nodes, fault)?,
        }
        self.flow()?;
        self.end_those_that_left();
        Ok(())
    }

    /// Everything is mended; when all is quiet, everybody must agree.
    pub fn rest(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.mend(node)?;
        }
        if std::mem::take(&mut self.is_electing) {
            self.engine.end_election();
        }
        self.wait(self.setting.rest())?;
        self.judge.one_of_a_name(self.nodes.len() > self.setting.nodes)?;
        let believers = self.judge.believers(&self.connections);
        for (key, _) in &believers {
            for (_, to) in &believers {
                self.ask(*key, Word::Send(*to))?;
                self.judge.probes(self.asked);
            }
        }
        self.wait(self.setting.cluster.answer_timeout * 4)?;
        self.move_readers(&believers)?;
        let hubs = self.nodes.iter().filter_map(|node| node.hub.as_ref());
        self.judge.rests(&self.engine, hubs, &self.connections)
    }

    /// Everybody who reads comes back at another node: half of them after a while, and half before the old node knows.
    fn move_readers(&mut self, believers: &[(SessionKey, usize)]) -> Result<(), Violation> {
        for (key, actor) in self.judge.reading(believers) {
            let old = self.connections.get(&key).map_or(0, |known| known.node);
            let others = (1..self.setting.nodes).map(|by| (old + by) % self.setting.nodes);
            let others: Vec<usize> = others.filter(|node| self.lives(*node)).collect();
            let Some(last) = others.last().copied() else { continue };
            let other = self.connections.iter().filter(|(_, known)| known.actor == actor);
            let other: Vec<SessionKey> = other.map(|(other, _)| *other).collect();
            for one in other {
                if one != key || actor % 2 == 0 {
                    self.end(one, CloseCause::Lost)?;
                    self.flow()?;
                }
            }
            self.send_all(believers, actor)?;
            // The old node hears nothing yet: what comes meanwhile is kept at the new ones.
            self.nodes[old].is_held = true;
            if actor % 2 == 0 && others.len() > 1 {
                self.come_back(actor, others[0])?;
                self.send_all(believers, actor)?;
            }
            self.come_back(actor, last)?;
            self.judge.must_recover(self.asked);
            self.send_all(believers, actor)?;
            self.nodes[old].is_held = false;
            self.flow()?;
        }
        self.wait(self.setting.cluster.answer_timeout * 4)
    }

    fn lives(&self, node: usize) -> bool {
        let hub = self.nodes[node].hub.as_ref();
        hub.is_some_and(|hub| !hub.is_fenced(self.time(node)))
    }

    /// Everybody sends to an actor, who gets it now or later.
    fn send_all(&mut self, from: &[(SessionKey, usize)], to: usize) -> Result<(), Violation> {
        for (sender, _) in from {
            if self.connections.contains_key(sender) {
                self.ask(*sender, Word::Send(to))?;
                self.judge.probes(self.asked);
            }
        }
        self.flow()
    }

    /// An actor connects to a node and shows its position.
    fn come_back(&mut self, actor: usize, node: usize) -> Result<(), Violation> {
        self.open(actor, node)?;
        let new = SessionKey(self.opened);
        self.flow()?;
        self.ask(new, Word::Recover)?;
        self.flow()
    }

    /// Returns whether a node cannot do what it should.
    fn is_troubled(&self) -> bool {
        let is_broken = |node: &Node| node.is_gone() || node.is_troubled();
        let has_twin = self.nodes.len() > self.setting.nodes;
        self.is_electing || has_twin || self.nodes.iter().any(is_broken)
    }

    fn time(&self, node: usize) -> Timestamp {
        self.nodes[node].clock.shows()
    }

    fn connection(&self, actor: usize, slot: usize) -> Option<SessionKey> {
        let is_it = |(_, known): &(&SessionKey, &Connection)| {
            (known.actor, known.slot) == (actor % self.setting.actors, slot % 2)
        };
        self.connections.iter().find(is_it).map(|(key, _)| *key)
    }

    fn open(&mut self, actor: usize, node: usize) -> Result<(), Violation> {
        let actor = actor % self.setting.actors;
        let Some(slot) = (0..2).find(|slot| self.connection(actor, *slot).is_none()) else {
            return Ok(());
        };
        if self.nodes[node].hub.is_none() {
            return Ok(());
        }
        self.opened += 1;
        let key = SessionKey(self.opened);
        self.connections.insert(key, Connection { actor, slot, node });
        self.judge.opened(key, actor, self.nodes[node].node.clone());
        let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
        self.give(node, Input::Opened(key, peer))?;
        self.asked += 1;
        let frame = talk::connect(self.time(node), self.asked, actor);
        self.judge.asked(key, self.asked, None);
        self.give(node, Input::Frame(key, Ok(frame)))
    }

    fn say(&mut self, actor: usize, slot: usize, word: Word) -> Result<(), Violation> {
        let Some(key) = self.connection(actor, slot) else { return Ok(()) };
        self.ask(key, word)
    }

    fn ask(&mut self, key: SessionKey, word: Word) -> Result<(), Violation> {
        let Some(Connection { actor, node, .. }) = self.connections.get(&key) else {
            return Ok(());
        };
        let (actor, node) = (*actor, *node);
        self.asked += 1;
        if matches!(word, Word::Unregister | Word::Disconnect) {
            self.judge.gives_back(key, actor);
        }
        let wish = (word == Word::Recover).then(|| self.judge.wish(actor, self.asked));
        let frame: ClientFrame = talk::say(self.time(node), self.asked, actor, (word, wish));
        self.judge.asked(key, self.asked, Some(word));
        self.give(node, Input::Frame(key, Ok(frame)))
    }

    fn end(&mut self, key: SessionKey, cause: CloseCause) -> Result<(), Violation> {
        let Some(connection) = self.connections.remove(&key) else { return Ok(()) };
        self.judge.ended(key);
        self.give(connection.node, Input::Closed(key, cause))
    }

    /// An input of a node, now or when it goes on.
    fn give(&mut self, node: usize, input: Input) -> Result<(), Violation> {
        if self.nodes[node].is_paused {
            self.nodes[node].waiting.push(input);
            return Ok(());
        }
        let now = self.time(node);
        let Some(hub) = &mut self.nodes[node].hub else { return Ok(()) };
        let outputs: Vec<Output> = hub.handle(now, input).collect();
        self.follow(node, outputs)
    }

    fn hear(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let now = self.time(node);
        let Node { hub: Some(hub), name, .. } = &mut self.nodes[node] else { return Ok(()) };
        // What is due is done first, as if it had not heard of it.
        let (name, is_end) = (name.clone(), event == Event::Lost);
        if !is_end {
            self.judge.hears(&name, &event);
        }
        let outputs: Vec<Output> = hub.hear(now, event).collect();
        self.follow(node, outputs)?;
        if is_end {
            self.judge.hears(&name, &Event::Lost);
        }
        Ok(())
    }

    /// Carries out what a hub wants.
    fn follow(&mut self, node: usize, outputs: Vec<Output>) -> Result<(), Violation> {
        let now = self.time(node);
        let Node { hub: Some(hub), name, is_fenced: was_fenced, .. } = &mut self.nodes[node] else {
            return Ok(());
        };
        let (is_fenced, place) = (hub.is_fenced(now), hub.life().map(|life| life.place()));
        let fences = !std::mem::replace(was_fenced, is_fenced) && is_fenced;
        let requests: Vec<Request> = hub.requests().collect();
        if fences {
            self.judge.saw("a node fenced itself");
        }
        requests.iter().try_for_each(|request| self.judge.asks(name, request))?;
        self.nodes[node].asked.extend(requests);
        while let Some(request) = self.next_to_arrive(node) {
            self.arrive(node, request);
        }
        self.judge.wrote(&self.engine, place, self.now)?;
        for output in outputs {
            match output {
                Output::Send(key, message) => {
                    self.judge.heard(key, &message, is_fenced, self.now)?;
                    self.read(node, key, &message)?;
                }
                Output::Close(key, _) | Output::Linger(key, _) => {
                    self.end(key, CloseCause::Hub)?;
                }
                Output::Audit(_) => {}
            }
        }
        let one = &self.nodes[node];
        one.hub.as_ref().map_or(Ok(()), |hub| self.judge.copies(&one.name, hub))
    }

    fn read(&mut self, node: usize, key: SessionKey, message: &Outgoing) -> Result<(), Violation> {
        debug_assert!(!matches!(message.body, Body::Pong), "nobody pings");
        let written = Written { messages: 1, bytes: message.weight(), expired: Vec::new() };
        self.give(node, Input::Drained(key, written))
    }

    /// What arrives at the engine by itself, in order.
    fn next_to_arrive(&mut self, node: usize) -> Option<Request> {
        let asked = &mut self.nodes[node].asked;
        let waits =
            |request: &Request| self.is_stepwise && matches!(request, Request::Write { .. });
        if asked.front().is_some_and(waits) { None } else { asked.pop_front() }
    }

    fn arrive(&mut self, node: usize, request: Request) {
        let one = &mut self.nodes[node];
        match &request {
            Request::Write { .. } if std::mem::take(&mut one.is_late) => {
                self.engine.request_late(&one.name, request);
            }
            Request::Write { id, .. } if std::mem::take(&mut one.loses_answer) => {
                let (id, before) = (*id, self.engine.revision());
                self.engine.request(&one.name, request);
                self.engine.lose_answer(&one.name, id);
                self.judge.unknown(self.engine.revision() > before);
            }
            Request::Read { .. } | Request::Watch { .. } if std::mem::take(&mut one.is_stale) => {
                self.engine.request_stale(&one.name, request, 5);
            }
            Request::Send { message, .. } => {
                self.judge.passes(message);
                self.engine.request(&one.name, request);
            }
            _ => self.engine.request(&one.name, request),
        }
    }

    /// Everything that can arrive does, lane by lane in turns.
    fn flow(&mut self) -> Result<(), Violation> {
        for _ in 0..EVENTS_MAX {
            let mut is_quiet = true;
            for node in 0..self.nodes.len() {
                let one = &self.nodes[node];
                if one.is_paused || one.is_held || one.hub.is_none() {
                    continue;
                }
                let name = one.name.clone();
                let mut ready = self.engine.ready(&name);
                ready.retain(|lane| one.hears(lane));
                if ready.is_empty() {
                    continue;
                }
                is_quiet = false;
                self.drawn += 1;
                let lane = ready[self.drawn % ready.len()].clone();
                if let Some(event) = self.engine.draw(&name, &lane) {
                    self.hear(node, event)?;
                }
            }
            if is_quiet {
                return Ok(());
            }
        }
        Err(Violation::new(
            Invariant::I51,
            "the hubs and their engine go round in a circle".to_owned(),
        ))
    }

    fn note_troubles(&mut self) {
        if self.is_troubled() {
            self.judge.is_troubled(self.now);
        }
        for node in self.nodes.iter().filter(|node| self.is_electing || node.is_troubled()) {
            self.judge.troubled(&node.node, self.now);
        }
    }

    fn wait(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now + time;
        while self.now < until {
            self.now = (self.now + self.pulse).min(until);
            self.turn_clocks();
            self.note_troubles();
            for node in 0..self.nodes.len() {
                let now = self.time(node);
                let one = &mut self.nodes[node];
                let Some(hub) = one.hub.as_mut().filter(|_| !one.is_paused) else { continue };
                if hub.next_deadline().is_some_and(|at| at <= now) {
                    let outputs: Vec<Output> = hub.handle(now, Input::Tick).collect();
                    self.follow(node, outputs)?;
                }
            }
            self.flow()?;
            self.end_those_that_left();
        }
        Ok(())
    }
}
