//! The world step by step: two nodes, and one address for which each has a connection.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use signal_hub::cluster::engine::{Key, Request, WriteOutcome};
use signal_hub::cluster::{ClusterConfig, NodeRow, RowKey};
use signal_hub::hub::{CloseCause, Config, Input, Output, SessionKey};
use signal_hub::time::Timestamp;

use super::lives::Clock;
use super::{Node, Setting, World};
use crate::engine::Lane;
use crate::nodes::judge::Violation;
use crate::nodes::moves::{Fault, Word};

/// Time passes in steps of this length, and each timeout is a few of them.
const BEAT: Duration = Duration::from_secs(1);
/// Writes that are under way; beyond that clients say nothing.
pub const WRITES_MAX: usize = 2;
/// Rows that a node which stands still has not seen; beyond that, too.
pub const LAG_MAX: usize = 2;
/// The one actor.
const ACTOR: usize = 0;

/// The smallest thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The actor connects to a node.
    Open(usize),
    /// It says something there.
    Say(usize, Word),
    /// Its connection there is gone.
    End(usize),
    /// A node's write arrives at the engine.
    Arrive(usize),
    /// Nobody hears what becomes of a node's next write.
    Spoil(usize, Fate),
    /// A late write is carried out, or no longer can be.
    CarryOut,
    /// A node hears what is next there.
    Hear(usize, Lane),
    /// A node stands still, or goes on.
    Pause(usize),
    /// Time passes.
    Wait,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out if it can be, and the answer is lost.
    AnswerLost,
    /// It is not carried out yet, and its node hears that nobody knows.
    Late,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Open(node) => write!(f, "the actor connects to n{node}"),
            Step::Say(node, word) => write!(f, "at n{node} it {word}"),
            Step::End(node) => write!(f, "its connection to n{node} is gone"),
            Step::Arrive(node) => write!(f, "n{node}'s write arrives"),
            Step::Spoil(node, Fate::AnswerLost) => {
                write!(f, "the answer to n{node}'s next write is lost")
            }
            Step::Spoil(node, Fate::Late) => write!(f, "n{node}'s next write is late"),
            Step::CarryOut => f.write_str("the late write arrives"),
            Step::Hear(node, Lane::Watch) => write!(f, "n{node}'s watch shows a row"),
            Step::Hear(node, lane) => write!(f, "n{node} hears of {lane:?}"),
            Step::Pause(node) => write!(f, "n{node} stands still, or goes on"),
            Step::Wait => f.write_str("time passes"),
        }
    }
}

impl Setting {
    /// Two nodes and one actor; all times are a few beats.
    pub(crate) fn in_beats() -> Self {
        let setting = Self::new(2, 1);
        let cluster = ClusterConfig {
            renew_interval: BEAT,
            lease: BEAT * 3,
            lease_margin: BEAT,
            staleness_max: BEAT,
            answer_timeout: BEAT,
            retry_interval: BEAT,
            claim_timeout: BEAT,
            claim_tries_max: 1,
            ..setting.cluster
        };
        let config = Config { resume_window: BEAT, dedupe_window: BEAT, ..setting.config };
        Self { config, cluster, ..setting }
    }
}

impl Node {
    fn writes_next(&self) -> bool {
        matches!(self.asked.front(), Some(Request::Write { .. }))
    }
}

impl World {
    /// Both nodes live, and the actor is connected to both. From now on nothing happens by itself.
    pub(crate) fn stepwise(setting: &Setting) -> Self {
        let mut world = Self::new(setting);
        world.nodes.iter_mut().for_each(|node| node.clock = Clock::default());
        let begun = world.wait(BEAT).and_then(|()| {
            (0..setting.nodes).try_for_each(|node| world.open(ACTOR, node))?;
            world.flow()
        });
        begun.expect("nothing is broken at the beginning");
        (world.is_stepwise, world.pulse) = (true, BEAT);
        world
    }

    /// What can happen next; what breaks is the caller's to bound. Of steps that can change places, one order is enough:
    /// what becomes of a write is said when it arrives, or before the beat that has it asked for; a node stands still when
    /// only that lets time pass, and goes on when time has passed, or nothing else happens.
    pub(crate) fn steps(&self) -> Vec<Step> {
        if let Some(steps) = self.steps_of_spoilt() {
            return steps;
        }
        let mut steps = Vec::new();
        for node in 0..self.nodes.len() {
            let one = &self.nodes[node];
            let (writes, is_spoilt) = (one.writes_next(), one.loses_answer || one.is_late);
            if writes {
                steps.push(Step::Arrive(node));
            }
            if !is_spoilt && (writes || self.is_quiet()) {
                steps.push(Step::Spoil(node, Fate::AnswerLost));
                steps.push(Step::Spoil(node, Fate::Late));
            }
            let turns = if one.is_paused { self.has_waited } else { self.is_quiet_but(node) };
            if turns || self.is_quiet() {
                steps.push(Step::Pause(node));
            }
            if !one.is_paused {
                let ready = self.engine.ready(&one.name);
                steps.extend(ready.into_iter().map(|lane| Step::Hear(node, lane)));
                if self.has_room() {
                    self.clients_steps(node, &mut steps);
                }
            }
        }
        if !self.engine.late_writes().is_empty() {
            steps.push(Step::CarryOut);
        }
        if self.is_quiet() {
            steps.push(Step::Wait);
        }
        steps
    }

    /// If it was said what becomes of a write: it arrives at once, or time passes until there is one.
    fn steps_of_spoilt(&self) -> Option<Vec<Step>> {
        let node = self.nodes.iter().position(|node| node.loses_answer || node.is_late)?;
        if self.nodes[node].writes_next() {
            return Some(vec![Step::Arrive(node)]);
        }
        let goes_on = self.nodes[node].is_paused.then_some(Step::Pause(node));
        self.is_quiet().then(|| [Step::Wait].into_iter().chain(goes_on).collect())
    }

    fn clients_steps(&self, node: usize, steps: &mut Vec<Step>) {
        let Some(key) = self.key_at(node) else { return steps.push(Step::Open(node)) };
        steps.push(Step::End(node));
        let (asked, registered) = self.judge.waits(key);
        if asked.is_empty() {
            let word = registered.map_or(Word::Register, |_| Word::Unregister);
            steps.push(Step::Say(node, word));
        }
    }

    /// Whether clients may say more: few writes are under way, and who does not stand still has seen
    /// all rows.
    fn has_room(&self) -> bool {
        let unheard = |node: &Node| self.engine.unheard(&node.name);
        let writes =
            self.nodes.iter().map(|node| node.asked.len() + unheard(node).0).sum::<usize>();
        let lag = |node: &Node| if node.is_paused { LAG_MAX } else { 0 };
        writes < WRITES_MAX && self.nodes.iter().all(|node| unheard(node).1 <= lag(node))
    }

    /// Whether nothing is under way, but at who stands still.
    pub(crate) fn is_quiet(&self) -> bool {
        (0..self.nodes.len()).all(|node| self.nodes[node].is_paused || self.has_heard(node))
            && self.nodes.iter().all(|node| node.asked.is_empty())
    }

    /// Whether it is so if a node stands still, and only then.
    fn is_quiet_but(&self, still: usize) -> bool {
        let mut others = (0..self.nodes.len()).filter(|node| *node != still);
        others.all(|node| self.nodes[node].is_paused || self.has_heard(node))
            && self.nodes.iter().all(|node| node.asked.is_empty())
            && !self.has_heard(still)
    }

    fn has_heard(&self, node: usize) -> bool {
        self.engine.ready(&self.nodes[node].name).is_empty()
    }

    /// How often a node was declared dead.
    pub(crate) fn declarations(&self) -> usize {
        self.judge.seen.get("a node was declared dead").copied().unwrap_or_default()
    }

    /// Whether a node stands still.
    pub(crate) fn is_paused(&self, node: usize) -> bool {
        self.nodes[node].is_paused
    }

    /// Does one step. Renewals follow by themselves: they are carried out and shown as soon as they can be.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), Violation> {
        self.has_waited = *step == Step::Wait;
        self.take(step)?;
        while let Some(next) = (0..self.nodes.len()).find_map(|node| self.renews(node)) {
            self.take(&next)?;
        }
        Ok(())
    }

    /// The next step of a renewal.
    fn renews(&self, node: usize) -> Option<Step> {
        let Node { hub: Some(hub), name, asked, renewal, is_paused, .. } = &self.nodes[node] else {
            return None;
        };
        let known = |key: &Key, value: Option<&Bytes>, row: Option<NodeRow>| {
            let Some(RowKey::Node(_)) = RowKey::decode(key) else { return false };
            let next = value.and_then(|text| NodeRow::decode(text).ok());
            let same = |(row, next): (NodeRow, NodeRow)| {
                row.alive && next.alive && row.epoch == next.epoch
            };
            row.zip(next).is_some_and(same)
        };
        if let Some(Request::Write { key, expected, value, .. }) = asked.front()
            && let Some((revision, text)) = self.engine.row(key)
            && *expected == Some(revision)
            && known(key, value.as_ref(), NodeRow::decode(&text).ok())
        {
            return Some(Step::Arrive(node));
        }
        if *is_paused {
            return None;
        }
        let answer = renewal.map(Lane::Answer);
        if let Some(lane) = answer.filter(|lane| self.engine.ready(name).contains(lane)) {
            return Some(Step::Hear(node, lane));
        }
        let (key, value) = self.engine.next_row(name)?;
        let Some(RowKey::Node(of)) = RowKey::decode(key) else { return None };
        let row = hub.life()?.row_of(&of).map(|(_, row)| row.clone());
        known(key, value, row).then_some(Step::Hear(node, Lane::Watch))
    }

    fn take(&mut self, step: &Step) -> Result<(), Violation> {
        match step {
            Step::Open(node) => self.open(ACTOR, *node),
            Step::Say(node, word) => self.key_at(*node).map_or(Ok(()), |key| self.ask(key, *word)),
            Step::End(node) => {
                self.key_at(*node).map_or(Ok(()), |key| self.end(key, CloseCause::Lost))
            }
            Step::Arrive(node) => self.write_arrives(*node),
            Step::Spoil(node, fate) => {
                let one = &mut self.nodes[*node];
                (one.loses_answer, one.is_late) = (*fate == Fate::AnswerLost, *fate == Fate::Late);
                Ok(())
            }
            Step::CarryOut => {
                let outcome = self.engine.carry_out_late(0);
                self.judge.unknown(matches!(outcome, WriteOutcome::Done(_)));
                self.judge.wrote(&self.engine, None, self.now)
            }
            Step::Hear(node, lane) => {
                let name = self.nodes[*node].name.clone();
                let event = self.engine.draw(&name, lane);
                event.map_or(Ok(()), |event| self.hear(*node, event))
            }
            Step::Pause(node) => self.break_or_mend(*node, Fault::Pause),
            Step::Wait => self.beat(),
        }
    }

    /// Goes on by itself to its end, where everybody agrees.
    pub(crate) fn comes_to_rest(&self) -> Result<(), Violation> {
        let mut world = Self { is_stepwise: false, ..self.clone() };
        world.rest(false)
    }

    fn key_at(&self, node: usize) -> Option<SessionKey> {
        self.connections.iter().find(|(_, known)| known.node == node).map(|(key, _)| *key)
    }

    fn write_arrives(&mut self, node: usize) -> Result<(), Violation> {
        let one = &mut self.nodes[node];
        one.renewal = match one.asked.front() {
            Some(Request::Write { id, key, .. }) if key.as_str().starts_with("n.") => Some(*id),
            _ => one.renewal,
        };
        let place = one.hub.as_ref().and_then(|hub| hub.life()).map(|life| life.place());
        let written = one.asked.pop_front();
        written.into_iter().for_each(|request| self.arrive(node, request));
        while let Some(request) = self.next_to_arrive(node) {
            self.arrive(node, request);
        }
        self.judge.wrote(&self.engine, place, self.now)
    }

    fn beat(&mut self) -> Result<(), Violation> {
        self.now += BEAT;
        self.turn_clocks();
        self.note_troubles();
        for node in 0..self.nodes.len() {
            let now = self.time(node);
            let one = &mut self.nodes[node];
            let Some(hub) = one.hub.as_mut().filter(|_| !one.is_paused) else { continue };
            let outputs: Vec<Output> = hub.handle(now, Input::Tick).collect();
            self.follow(node, outputs)?;
        }
        Ok(())
    }

    /// What the clocks show.
    pub(crate) fn clock(&self) -> Timestamp {
        self.time(0)
    }
}

/// All that decides what happens next.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, node) in self.nodes.iter().enumerate() {
            let answer = node.renewal.map(Lane::Answer);
            let answer = answer.filter(|lane| self.engine.ready(&node.name).contains(lane));
            write!(f, "{}: Node {answer:?} ", node.name)?;
            let key = self.key_at(number);
            let waits = key.map(|key| self.judge.waits(key));
            let (asked, version) = waits.unwrap_or_default();
            write!(
                f,
                "{key:?} {asked:?} version: {version:?} {} {:?} ",
                node.is_paused, node.asked
            )?;
            write!(f, "{} {} ", node.loses_answer, node.is_late)?;
            write!(f, "{:?} {:?} ", node.waiting, node.hub.as_ref().map(|hub| hub.as_node()))?;
        }
        write!(f, "{} {:?}", self.has_waited, self.engine.present())
    }
}
