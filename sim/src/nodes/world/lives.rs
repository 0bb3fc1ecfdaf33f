//! How nodes begin and end, and what their clocks show.

use std::time::Duration;

use signal_hub::cluster::engine::NodeName;
use signal_hub::cluster::{ClusterConfig, LifePhase};
use signal_hub::hub::{Hub, Ids, Input, SessionKey};
use signal_hub::runtime::Reading;
use signal_hub::time::Timestamp;

use super::{Node, Violation, World, name};

/// What the wall clocks of the nodes show at the beginning, but for what they are ahead.
const EPOCH: u64 = 1_700_000_000_000;
/// Clocks gain so many millionths.
const PACES: [i64; 5] = [0, 20_000, -20_000, 10_000, -5_000];
/// Wall clocks are ahead by so many milliseconds.
const AHEAD: [i64; 5] = [0, 3_000, -7_000, 45_000, -400];

/// What a node shows its hub: as the shell does, from a monotonic clock and a wall clock that somebody sets.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    pace: i64,
    ahead: i64,
    reading: Reading,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl Clock {
    /// The clock of the node of a number.
    pub fn of(node: usize) -> Self {
        Self::new(PACES[node % PACES.len()], AHEAD[node % AHEAD.len()])
    }

    fn new(pace: i64, ahead: i64) -> Self {
        let wall = Timestamp::from_millis(EPOCH.saturating_add_signed(ahead));
        Self { pace, ahead, reading: Reading::new(Duration::ZERO, wall) }
    }

    /// The millionths that it gains.
    pub const fn pace(&self) -> i64 {
        self.pace
    }

    /// The milliseconds that the wall clock is ahead.
    pub const fn ahead(&self) -> i64 {
        self.ahead
    }

    pub fn shows(&self) -> Timestamp {
        self.reading.timestamp()
    }

    /// Somebody sets the wall clock.
    pub fn step(&mut self, seconds: i64) {
        self.ahead += seconds * 1_000;
    }

    fn turn(&mut self, now: Duration) {
        let (monotonic, wall) = self.both(now);
        self.reading.advance(monotonic, wall);
    }

    /// The process begins anew.
    fn begin(&mut self, now: Duration) {
        let (monotonic, wall) = self.both(now);
        self.reading = Reading::new(monotonic, wall);
    }

    fn both(&self, now: Duration) -> (Duration, Timestamp) {
        let true_time = now.as_millis() as i64;
        let own = true_time + true_time * self.pace / 1_000_000;
        let wall = Timestamp::from_millis(EPOCH.saturating_add_signed(own + self.ahead));
        (Duration::from_millis(own as u64), wall)
    }
}

impl Node {
    /// Whether nothing runs that should.
    pub fn is_gone(&self) -> bool {
        self.hub.is_none() && !self.has_left
    }
}

impl World {
    pub(super) fn start(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        one.starts += 1;
        one.is_newer = one.is_upgraded;
        (one.leaves, one.has_left) = (None, false);
        one.clock.begin(self.now);
        let seed = one.starts.wrapping_mul(10).wrapping_add(node as u8);
        let mut hub = Hub::new(self.setting.config.clone(), Ids::new([seed; 32]));
        hub.join(ClusterConfig { node: one.node.clone(), ..self.setting.cluster.clone() });
        (one.hub, one.is_fenced) = (Some(hub), true);
        self.engine.connect_as(&one.name, &one.node);
        self.judge.begins(&one.name);
    }

    /// Another process starts with the name of one that runs, in its place; that is the last one from now on.
    pub(super) fn start_twin(&mut self, node: usize) {
        let one = &self.nodes[node];
        if one.hub.is_none() || self.nodes.len() > self.setting.nodes {
            return;
        }
        let other = format!("{}-other", one.node);
        let other = if one.name == one.node { other } else { one.node.to_string() };
        let mut twin = Self::new_node(node, one.starts);
        twin.name = NodeName::parse(&other).expect("a name");
        (twin.clock, twin.is_upgraded) = (one.clock.clone(), one.is_upgraded);
        twin.is_paired = true;
        let (mut old, last) = (std::mem::replace(&mut self.nodes[node], twin), self.nodes.len());
        old.is_paired = true;
        self.nodes.push(old);
        let connections = self.connections.values_mut().filter(|known| known.node == node);
        connections.for_each(|known| known.node = last);
        self.start(node);
    }

    /// A node that does not run yet.
    pub(super) fn new_node(node: usize, starts: u8) -> Node {
        Node {
            name: name(node),
            node: name(node),
            hub: None,
            clock: Clock::of(node),
            leaves: None,
            has_left: false,
            is_paired: false,
            is_newer: false,
            is_upgraded: false,
            is_paused: false,
            is_held: false,
            is_lost: false,
            is_watch_held: false,
            are_answers_held: false,
            are_messages_held: false,
            is_fenced: false,
            cut: Default::default(),
            loses_answer: false,
            is_late: false,
            is_stale: false,
            starts,
            asked: Default::default(),
            renewal: None,
            waiting: Vec::new(),
        }
    }

    /// A node is told to end, and tells its clients.
    pub(super) fn leave(&mut self, node: usize) -> Result<(), Violation> {
        if self.nodes[node].leaves.is_some() {
            return Ok(());
        }
        self.nodes[node].leaves = Some(self.now);
        self.give(node, Input::Shutdown)
    }

    /// Processes end whose hubs have, or that were told to and waited long enough.
    pub(super) fn end_those_that_left(&mut self) {
        for node in (0..self.nodes.len()).rev() {
            let one = &self.nodes[node];
            let Some(hub) = &one.hub else { continue };
            let phase = hub.life().map(|life| life.phase());
            let has_ended = phase == Some(LifePhase::Ended) && !one.is_paused;
            let waited = self.setting.config.shutdown_timeout + self.setting.config.close_timeout;
            let is_late = one.leaves.is_some_and(|since| since + waited <= self.now);
            if !has_ended && !is_late {
                continue;
            }
            let (is_superseded, leaves) =
                (hub.life().is_some_and(|life| life.is_superseded()), one.leaves.is_some());
            self.crash(node);
            if is_late && !has_ended {
                self.judge.is_troubled(self.now);
            }
            self.has_ended_by_itself(node, (leaves && has_ended, is_superseded));
        }
    }

    /// A process has ended: in order, if it was told to, or because another has its name.
    pub(super) fn has_ended_by_itself(
        &mut self,
        node: usize,
        (leaves, is_superseded): (bool, bool),
    ) {
        let one = &mut self.nodes[node];
        one.has_left = leaves;
        if leaves {
            self.judge.saw("a node left in order");
        }
        if is_superseded {
            assert!(one.is_paired, "a hub makes room where nobody else has its name");
            self.judge.saw("a node made room for another of its name");
        }
        self.unpair(node);
    }

    /// Of two processes with one name, one has ended; the other has its place from now on.
    fn unpair(&mut self, ended: usize) {
        let (first, last) = (self.setting.nodes, self.nodes.len() - 1);
        if last < first || self.nodes[last].node != self.nodes[ended].node {
            return;
        }
        let other = self.nodes.pop().expect("it is the last");
        if ended != last {
            self.nodes[ended] = other;
            let connections = self.connections.values_mut().filter(|known| known.node == last);
            connections.for_each(|known| known.node = ended);
        }
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.engine.forget(&self.nodes[node].name);
        self.is_gone(node);
    }

    /// A node ends, and with it the connections to it.
    pub(super) fn is_gone(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        (one.hub, one.leaves) = (None, None);
        (one.is_paused, one.is_lost) = (false, false);
        one.waiting.clear();
        one.cut.clear();
        let gone: Vec<SessionKey> = self
            .connections
            .iter()
            .filter(|(_, known)| known.node == node)
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.leaves(key);
        }
    }

    /// Time has passed.
    pub(super) fn turn_clocks(&mut self) {
        let now = self.now;
        self.nodes.iter_mut().for_each(|node| node.clock.turn(now));
    }
}
