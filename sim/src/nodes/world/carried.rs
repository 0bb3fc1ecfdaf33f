//! The world of those who carry frames, requests and events by themselves: its hubs run elsewhere, and it is told what they
//! do, and what arrives at the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::cluster::Place;
use signal_hub::cluster::engine::{Event, NodeName, Request, Revision};
use signal_hub::hub::{Hub, Input, Output};
use signal_hub::protocol::{ClientFrame, Position};
use signal_hub::time::Timestamp;

use super::{Connection, Node, SessionKey, Setting, Violation, Word, World};
use crate::engine::Way;
use crate::nodes::events::Said;
use crate::nodes::moves::Fault;

/// A process as it should be, as far as whoever carries has to see to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::nodes) struct Condition {
    /// The name of its hub.
    pub node: NodeName,
    /// The millionths that its clocks gain.
    pub pace: i64,
    /// Whether it runs.
    pub runs: bool,
    /// Whether it stands still.
    pub is_paused: bool,
    /// Whether it is to reach the engine not at all.
    pub is_lost: bool,
    /// Which ways between it and the engine are cut.
    pub cut: Vec<Way>,
    /// Whether it was told to end.
    pub leaves: bool,
    /// Its wall clock is ahead by so many milliseconds.
    pub ahead: i64,
}

impl World {
    /// Others carry all from now on, and [`World::client_gets`] tells what arrives.
    pub(in crate::nodes) fn carried(mut self) -> Self {
        self.judge.is_far();
        self
    }

    /// A client gets that it reads from a position, or the message before one.
    pub(in crate::nodes) fn client_gets(
        &mut self,
        key: SessionKey,
        position: Position,
        number: Option<u64>,
    ) {
        if let Some(known) = self.connections.get(&key) {
            self.judge.arrives(known.actor, position, number);
        }
    }

    /// Time goes on.
    pub(in crate::nodes) fn comes_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.turn_clocks();
    }

    /// What is wrong now is noted.
    pub(in crate::nodes) fn looks(&mut self) {
        self.note_troubles();
    }

    pub(in crate::nodes) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// The process that is now the node of a number.
    pub(in crate::nodes) fn process_of(&self, node: usize) -> NodeName {
        self.nodes[node].name.clone()
    }

    /// How each process should be.
    pub(in crate::nodes) fn conditions(&self) -> BTreeMap<NodeName, Condition> {
        let condition = |one: &Node| {
            let (node, pace, runs) = (one.node.clone(), one.clock.pace(), one.hub.is_some());
            let (is_paused, is_lost) = (one.is_paused, one.is_lost);
            let cut = one.cut.iter().copied().collect();
            let (leaves, ahead) = (one.leaves.is_some(), one.clock.ahead());
            Condition { node, pace, runs, is_paused, is_lost, cut, leaves, ahead }
        };
        self.nodes.iter().map(|one| (one.name.clone(), condition(one))).collect()
    }

    fn number_of(&self, process: &NodeName) -> Option<usize> {
        self.nodes.iter().position(|one| one.name == *process)
    }

    /// Something breaks or is mended, but for the ways between hub and engine: those are up to who carries.
    pub(in crate::nodes) fn suffers(&mut self, node: usize, fault: Fault) -> Result<(), Violation> {
        let one = &mut self.nodes[node];
        match fault {
            Fault::Crash if one.hub.is_some() => self.is_gone(node),
            Fault::Disconnect => one.is_lost ^= one.hub.is_some(),
            Fault::Cut(way) if !one.cut.remove(&way) && one.hub.is_some() => {
                one.cut.insert(way);
            }
            Fault::Cut(_) => {}
            Fault::Leave if one.hub.is_some() => one.leaves = one.leaves.or(Some(self.now)),
            other => return self.break_or_mend(node, other),
        }
        self.notes(node, fault);
        Ok(())
    }

    /// A process has ended that was told to, or that made room for another.
    pub(in crate::nodes) fn has_ended(&mut self, process: &NodeName, is_superseded: bool) {
        let node = self.number_of(process).expect("a process that ends is known");
        let leaves = self.nodes[node].leaves.is_some();
        self.is_gone(node);
        self.has_ended_by_itself(node, (leaves, is_superseded));
    }

    /// A way between a process and its engine is bad until then.
    pub(in crate::nodes) fn is_impaired(&mut self, process: &NodeName, until: Duration) {
        let Some(node) = self.number_of(process) else { return };
        self.judge.is_troubled(until);
        self.judge.troubled(&self.nodes[node].node, until);
    }

    /// All is mended, the ways between hubs and engine by who carries.
    pub(in crate::nodes) fn recovers(&mut self) -> Result<(), Violation> {
        self.nodes.iter_mut().for_each(|one| (one.is_lost, one.cut) = (false, Default::default()));
        self.heals()
    }

    pub(in crate::nodes) fn hold(&mut self, node: usize, is_held: bool) {
        self.nodes[node].is_held = is_held;
    }

    /// An actor connects; what it says first.
    pub(in crate::nodes) fn client_connects(
        &mut self,
        actor: usize,
        node: usize,
    ) -> Option<(SessionKey, ClientFrame)> {
        self.connects(actor, node)
    }

    /// A connection says something.
    pub(in crate::nodes) fn client_says(
        &mut self,
        key: SessionKey,
        word: Word,
    ) -> Option<ClientFrame> {
        self.says(key, word).map(|(_, frame)| frame)
    }

    pub(in crate::nodes) fn client_leaves(&mut self, key: SessionKey) -> Option<Connection> {
        self.leaves(key)
    }

    pub(in crate::nodes) fn connection_of(&self, actor: usize, slot: usize) -> Option<SessionKey> {
        self.connection(actor, slot)
    }

    /// The connections that clients believe to have.
    pub(in crate::nodes) fn all_connected(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.connections.keys().copied()
    }

    /// A hub is about to be handed this, from a session that is known.
    pub(in crate::nodes) fn hub_takes(
        &mut self,
        process: &NodeName,
        key: Option<SessionKey>,
        input: &Input,
        hub: &Hub,
    ) {
        self.judge.takes(process, key, input, hub);
    }

    /// A hub has done this, for whichever sessions.
    pub(in crate::nodes) fn hub_did(
        &mut self,
        process: &NodeName,
        hub: &Hub,
        outputs: &[Output],
    ) -> Result<(), Violation> {
        self.judge.does(process, outputs);
        self.judge.accounts(process, hub)
    }

    /// A hub has done this for sessions that are known.
    pub(in crate::nodes) fn hub_does(
        &mut self,
        process: &NodeName,
        hub: &Hub,
        now: Timestamp,
        outputs: impl Iterator<Item = Output>,
    ) -> Result<(), Violation> {
        self.notes.hub_inputs += 1;
        let is_fenced = hub.is_fenced(now);
        if let Some(node) = self.number_of(process) {
            self.note_fencing(node, is_fenced);
        }
        for output in outputs {
            match output {
                Output::Send(key, message) => {
                    self.note_talk(key, || Said::hears(&message));
                    self.judge.heard(key, &message, is_fenced, self.now)?;
                }
                Output::Close(key, _) | Output::Linger(key, _) => {
                    self.leaves(key);
                }
                Output::Audit(_) => {}
            }
        }
        Ok(())
    }

    /// A hub hears of its engine; `is_past` if that has lost rows since it said so.
    pub(in crate::nodes) fn hub_hears(&mut self, process: &NodeName, event: &Event, is_past: bool) {
        self.judge.hears(process, event);
        if is_past {
            self.judge.knows_the_past(process);
        }
    }

    /// A hub asks its engine, if only for nothing. It may have heard of a watch that it has just replaced.
    pub(in crate::nodes) fn hub_asks(
        &mut self,
        process: &NodeName,
        hub: &Hub,
        requests: &[Request],
    ) -> Result<(), Violation> {
        requests.iter().try_for_each(|request| self.judge.asks(process, request))?;
        self.judge.copies(process, hub)
    }

    /// A hub as it is now stands for itself.
    pub(in crate::nodes) fn shows(&mut self, process: &NodeName, hub: &Hub) {
        let shown = self.nodes.iter_mut().find(|one| one.name == *process);
        if let Some(shown) = shown.and_then(|one| one.hub.as_mut()) {
            *shown = hub.clone();
        }
    }

    /// A new connection leads from a process to the engine.
    pub(in crate::nodes) fn engine_reached(&mut self, process: &NodeName) {
        self.engine.connect_anew(process);
    }

    /// It has ended, as far as the engine knows.
    pub(in crate::nodes) fn engine_left(&mut self, process: &NodeName) {
        self.engine.disconnect(process);
    }

    /// The last write of the row that a request wants to write.
    pub(in crate::nodes) fn last_write(&self, request: &Request) -> Option<Revision> {
        match request {
            Request::Write { key, .. } => self.engine.last_write(key),
            Request::Read { .. } | Request::Send { .. } | Request::Watch { .. } => None,
        }
    }

    /// A request arrives at the engine that was asked for in a life of its node, when its row's last write was this one.
    /// Its process may have ended since.
    pub(in crate::nodes) fn engine_asked(
        &mut self,
        process: &NodeName,
        mut request: Request,
        place: Option<Place>,
        last: Option<Revision>,
    ) -> Result<(), Violation> {
        let is_late = self.last_write(&request) != last;
        if let Request::Write { expected: expected @ None, .. } = &mut request
            && is_late
        {
            // There was a row in between.
            *expected = Some(last.unwrap_or(Revision(0)));
        }
        let before = self.engine.revision();
        match self.number_of(process) {
            Some(node) => self.arrive(node, request),
            None => self.engine.request(process, request),
        }
        self.note_writes(before);
        self.judge.wrote(&self.engine, place, self.now)
    }

    /// What the engine tells a process next.
    pub(in crate::nodes) fn engine_tells(&mut self, process: &NodeName) -> Option<Event> {
        self.number_of(process).and_then(|node| self.next_event(node))
    }
}
