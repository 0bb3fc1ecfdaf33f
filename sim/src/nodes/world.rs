//! The nodes, their engine and their clients.

mod between;
mod carried;
mod clients;
mod faults;
mod lives;
mod notes;
mod releases;
mod rites;
pub(crate) mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dst::run::Keep;
use signal_hub::cluster::ClusterConfig;
use signal_hub::cluster::engine::{NodeName, Request, RequestId};
use signal_hub::hub::{CloseCause, Config, Hub, Input, Output, SessionKey, Written};
use signal_hub::protocol::{Body, Outgoing};
use signal_hub::time::Timestamp;

use lives::Clock;
pub(in crate::nodes) use notes::Notes;

use super::events::Said;
use super::judge::{Judge, Violation};
use super::moves::{Move, Word};
use crate::engine::{Engine, Lane, Way};
pub(super) use carried::Condition;
pub(super) use rites::{Rest, Rite, Truth};

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
        // So few that turns and writes have to wait for each other, and requests may not.
        let (writes_under_way_max, turn_addresses_max, waiting_requests_max) = (2, 1, 6);
        let cluster = ClusterConfig {
            writes_under_way_max,
            turn_addresses_max,
            waiting_requests_max,
            ..ClusterConfig::new(name(0))
        };
        Self { nodes, actors, config, cluster }
    }

    /// Long enough for everything that waits to end.
    pub(super) fn rest(&self) -> Duration {
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
    notes: Notes,
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
    /// Whether another process had its name beside it.
    is_paired: bool,
    /// Whether its process is of a newer release than others, and whether its next one is.
    is_newer: bool,
    is_upgraded: bool,
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
const EVENTS_MAX: usize = 4_000;

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
            notes: Notes::of(Keep::Nothing),
        };
        for node in 0..setting.nodes {
            world.start(node);
        }
        world
    }

    /// How much time has passed.
    pub(super) const fn elapsed(&self) -> Duration {
        self.now
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

    /// Returns whether a node cannot do what it should.
    fn is_troubled(&self) -> bool {
        let is_broken = |node: &Node| node.is_gone() || node.is_troubled();
        let has_twin = self.nodes.len() > self.setting.nodes;
        self.is_electing || has_twin || self.nodes.iter().any(is_broken)
    }

    fn time(&self, node: usize) -> Timestamp {
        self.nodes[node].clock.shows()
    }

    /// An input of a node, now or when it goes on.
    fn give(&mut self, node: usize, input: Input) -> Result<(), Violation> {
        if self.nodes[node].is_paused {
            self.nodes[node].waiting.push(input);
            return Ok(());
        }
        let now = self.time(node);
        let Node { hub: Some(hub), name, .. } = &mut self.nodes[node] else { return Ok(()) };
        self.notes.hub_inputs += 1;
        let key = if let Input::Frame(key, _) = &input { Some(*key) } else { None };
        self.judge.takes(name, key, &input, hub);
        let outputs: Vec<Output> = hub.handle(now, input).collect();
        self.follow(node, outputs)
    }

    /// Carries out what a hub wants.
    fn follow(&mut self, node: usize, outputs: Vec<Output>) -> Result<(), Violation> {
        let now = self.time(node);
        let Node { hub: Some(hub), name, .. } = &mut self.nodes[node] else { return Ok(()) };
        let (is_fenced, place) = (hub.is_fenced(now), hub.life().map(|life| life.place()));
        self.judge.does(name, &outputs);
        let requests: Vec<Request> = hub.requests().collect();
        requests.iter().try_for_each(|request| self.judge.asks(name, request))?;
        self.note_fencing(node, is_fenced);
        self.nodes[node].asked.extend(requests);
        let before = self.engine.revision();
        while let Some(request) = self.next_to_arrive(node) {
            self.arrive(node, request);
        }
        self.note_writes(before);
        self.judge.wrote(&self.engine, place, self.now)?;
        for output in outputs {
            match output {
                Output::Send(key, message) => {
                    self.note_talk(key, || Said::hears(&message));
                    self.judge.heard(key, &message, is_fenced, self.now)?;
                    self.read(node, key, &message)?;
                }
                Output::Close(key, _) | Output::Linger(key, _) => {
                    self.end(key, CloseCause::Hub)?;
                }
                Output::Audit(_) => {}
            }
        }
        let Node { hub: Some(hub), name, .. } = &self.nodes[node] else { return Ok(()) };
        self.judge.copies(name, hub)?;
        self.judge.accounts(name, hub)
    }

    fn note_fencing(&mut self, node: usize, is_fenced: bool) {
        if !std::mem::replace(&mut self.nodes[node].is_fenced, is_fenced) && is_fenced {
            self.judge.saw("a node fenced itself");
        }
    }

    fn read(&mut self, node: usize, key: SessionKey, message: &Outgoing) -> Result<(), Violation> {
        debug_assert!(!matches!(message.body, Body::Pong), "nobody pings");
        let written = Written { messages: 1, bytes: message.weight(), expired: Vec::new() };
        self.give(node, Input::Drained(key, written))
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
