//! A stand-in for the engine that hubs of a cluster share: it keeps the promises of [`signal_hub::cluster::engine`] to the
//! letter and, told to, breaks off where they end. It has no clock, no task and no randomness. Whoever owns it says
//! when a request arrives and when a node hears of what came of it; only the order within a [`Lane`] is its own.

mod faults;
mod log;
mod node;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, Unanswered, WriteOutcome,
};

pub use faults::{Kept, LateWrite, Way};

use log::Log;
use node::Node;

/// An engine and what its nodes have not yet heard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    log: Log,
    nodes: BTreeMap<NodeName, Node>,
    late: Vec<LateWrite>,
    leader: Leader,
}

/// Where events wait for a node. Those of one lane come in their order, and those of two in any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// [`Event::Lost`] and [`Event::Back`]; while one waits, nothing else is heard.
    Connection,
    /// The answer to a request.
    Answer(RequestId),
    /// The rows of the watch.
    Watch,
    /// The messages of a node.
    From(NodeName),
}

/// Whether there is somebody who decides writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Leader {
    Elected,
    Missing,
}

/// Whether an engine looks at what a write expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// It does.
    Expected,
    /// It does not: a broken engine, which a test of engines has to find.
    Nothing,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Check::Expected)
    }
}

impl Engine {
    /// An engine without rows and nodes.
    pub fn new(check: Check) -> Self {
        let (log, nodes) = (Log::new(check), BTreeMap::new());
        Self { log, nodes, late: Vec::new(), leader: Leader::Elected }
    }

    /// The revision of the last write.
    pub fn revision(&self) -> Revision {
        self.log.revision()
    }

    /// A row as it is.
    pub fn row(&self, key: &Key) -> Option<(Revision, Bytes)> {
        self.log.row(key, self.revision())
    }

    /// The last write of a row, which may be its deletion.
    pub fn last_write(&self, key: &Key) -> Option<Revision> {
        self.log.last(key)
    }

    /// What it has and what its nodes have not yet heard: two engines of which this is the same, apart from numbers, go on
    /// alike.
    pub fn present(&self) -> impl fmt::Debug + '_ {
        (self.log.present(), &self.nodes, &self.late, self.leader)
    }

    /// The writes after a revision that were carried out, in order.
    pub fn writes_after(
        &self,
        after: Revision,
    ) -> impl Iterator<Item = (Revision, &Key, Option<&Bytes>)> {
        self.log.after(after)
    }

    /// A node reaches the engine, for the first time or again: it hears [`Event::Back`], and what it asked before is late no
    /// longer.
    pub fn connect(&mut self, node: &NodeName) {
        self.connect_as(node, &self.answers_to(node));
    }

    /// The same for a process that gets what is sent to a node of another name: as any other process of that name does.
    pub fn connect_as(&mut self, process: &NodeName, node: &NodeName) {
        let connected = self.nodes.entry(process.clone()).or_default();
        connected.answers_to = Some(node.clone());
        if connected.connect() {
            self.late.retain(|write| write.from != *process);
        }
    }

    /// The same by a new connection: nobody hears what waited for it on the one before.
    pub fn connect_anew(&mut self, node: &NodeName) {
        let known = self.answers_to(node);
        self.forget(node);
        self.connect_as(node, &known);
    }

    /// A node loses the engine: it hears [`Event::Lost`], of its requests that they are unanswered, and nothing else that waited.
    pub fn disconnect(&mut self, node: &NodeName) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.disconnect();
        }
    }

    /// A node has ended; nobody hears what waited for it.
    pub fn forget(&mut self, node: &NodeName) {
        self.nodes.remove(node);
    }

    /// A node's request arrives and is carried out; what comes of it waits in the lanes.
    ///
    /// # Panics
    ///
    /// If the node never connected.
    pub fn request(&mut self, from: &NodeName, request: Request) {
        let is_decided = self.leader == Leader::Elected;
        match request {
            Request::Read { id, key } => {
                let row = is_decided.then(|| self.row(&key)).ok_or(Unanswered);
                self.node(from).answer(id, Event::Read { id, row });
            }
            Request::Write { id, key, expected, value } => {
                let last = self.log.last(&key);
                let write = LateWrite { from: from.clone(), id, key, expected, last, value };
                let arrives = self.node(from).reaches_engine();
                let outcome = match self.leader {
                    Leader::Elected if arrives => self.carry_out(write),
                    Leader::Missing if arrives => self.put_off(write),
                    Leader::Elected | Leader::Missing => WriteOutcome::Unknown,
                };
                self.node(from).answer(id, Event::Written { id, outcome });
            }
            Request::Send { to, message } => {
                if self.node(from).reaches_engine() {
                    let named = |node: &&mut Node| node.answers_to.as_ref() == Some(&to);
                    let named = self.nodes.values_mut().filter(named);
                    named.for_each(|node| node.receive(from, message.clone()));
                }
            }
            Request::Watch { id } => self.node(from).watch(id, Revision(0)),
        }
    }

    /// The lanes of which a node can hear something now.
    pub fn ready(&self, node: &NodeName) -> Vec<Lane> {
        self.nodes.get(node).map_or_else(Vec::new, |node| node.ready(&self.log))
    }

    /// What a node hears next of a lane, if anything waits there.
    pub fn draw(&mut self, node: &NodeName, lane: &Lane) -> Option<Event> {
        self.nodes.get_mut(node)?.draw(&self.log, lane)
    }

    /// The row that a node's watch shows next, if it shows one.
    pub fn next_row(&self, node: &NodeName) -> Option<(&Key, Option<&Bytes>)> {
        self.nodes.get(node)?.next_row(&self.log)
    }

    /// How many answers and rows a node has not yet heard.
    pub fn unheard(&self, node: &NodeName) -> (usize, usize) {
        self.nodes.get(node).map_or((0, 0), |node| node.unheard(&self.log))
    }

    fn answers_to(&self, node: &NodeName) -> NodeName {
        let known = self.nodes.get(node).and_then(|known| known.answers_to.clone());
        known.unwrap_or_else(|| node.clone())
    }

    fn node(&mut self, name: &NodeName) -> &mut Node {
        self.nodes.get_mut(name).expect("whoever asks has connected")
    }

    fn carry_out(&mut self, write: LateWrite) -> WriteOutcome {
        self.log.write(write.key, (write.expected, write.last), write.value)
    }

    fn put_off(&mut self, write: LateWrite) -> WriteOutcome {
        self.late.push(write);
        WriteOutcome::Unknown
    }
}
