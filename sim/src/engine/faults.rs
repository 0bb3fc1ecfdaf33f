//! What can go wrong with the engine, each as something that whoever owns it does. A message or a row that comes late needs none:
//! its lane is not drawn.

use bytes::Bytes;
use signal_hub::cluster::engine::{
    Event, Key, NodeName, Request, RequestId, Revision, Unanswered, WriteOutcome,
};

use super::{Engine, Leader};

/// A write of unknown outcome that may still be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LateWrite {
    /// The node.
    pub from: NodeName,
    /// Its request.
    pub id: RequestId,
    /// The row.
    pub key: Key,
    /// The revision that the row must have then; none if there must be no row, and must have been none since.
    pub expected: Option<Revision>,
    /// The last write of the row when this one was asked for.
    pub last: Option<Revision>,
    /// What it is to hold.
    pub value: Option<Bytes>,
}

/// One of the two ways between a node and the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Requests do not arrive: nothing is carried out, and messages are lost.
    ToEngine,
    /// Requests are carried out and answers lost; rows and messages wait until the way is healed.
    FromEngine,
}

/// What an engine still has after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// All that it acknowledged.
    All,
    /// All but the last writes, however well acknowledged.
    AllBut(u64),
    /// Nothing.
    Nothing,
}

impl Engine {
    /// A node's request arrives late: a write is unknown and waits among [`Engine::late_writes`], a read is
    /// unanswered, a message and a watch are lost.
    pub fn request_late(&mut self, from: &NodeName, request: Request) {
        match request {
            Request::Write { id, key, expected, value } => {
                let last = self.log.last(&key);
                let write = LateWrite { from: from.clone(), id, key, expected, last, value };
                let outcome = self.put_off(write);
                self.node(from).answer(id, Event::Written { id, outcome });
            }
            Request::Read { id, .. } => {
                self.node(from).answer(id, Event::Read { id, row: Err(Unanswered) });
            }
            Request::Send { .. } => {}
            Request::Watch { .. } => self.node(from).end_watch(),
        }
    }

    /// A node's read is answered by somebody who has not heard of the last `behind` writes, or its watch begins there. Any other
    /// request is carried out as ever.
    pub fn request_stale(&mut self, from: &NodeName, request: Request, behind: u64) {
        let at = Revision(self.revision().0.saturating_sub(behind));
        match request {
            Request::Read { id, key } => {
                let row = Ok(self.log.row(&key, at));
                self.node(from).answer(id, Event::Read { id, row });
            }
            Request::Watch { id } => self.node(from).watch(id, at),
            other => self.request(from, other),
        }
    }

    /// The writes of unknown outcome that can still be carried out.
    pub fn late_writes(&self) -> &[LateWrite] {
        &self.late
    }

    /// Carries out a late write if the row is what it expects, and tells nobody. It is late no longer.
    ///
    /// # Panics
    ///
    /// If there are not that many.
    pub fn carry_out_late(&mut self, index: usize) -> WriteOutcome {
        let write = self.late.remove(index);
        self.carry_out(write)
    }

    /// A late write will never be carried out.
    ///
    /// # Panics
    ///
    /// If there are not that many.
    pub fn drop_late(&mut self, index: usize) {
        self.late.remove(index);
    }

    /// An answer that a node has not yet heard is lost: it hears that its request is unanswered, whatever became of it.
    pub fn lose_answer(&mut self, node: &NodeName, id: RequestId) {
        self.node(node).lose_answer(id);
    }

    /// A node's watch shows nothing until it is released.
    pub fn hold_watch(&mut self, node: &NodeName) {
        self.node(node).is_watch_held = true;
    }

    /// A node's watch goes on; what was replaced meanwhile it does not show.
    pub fn release_watch(&mut self, node: &NodeName) {
        self.node(node).is_watch_held = false;
    }

    /// A node's watch ends without a word.
    pub fn end_watch(&mut self, node: &NodeName) {
        self.node(node).end_watch();
    }

    /// All rows that a node's watch has not shown are on their way: it shows them even if they are replaced before it hears
    /// of them.
    pub fn push_rows(&mut self, node: &NodeName) {
        let Self { log, nodes, .. } = self;
        if let Some(node) = nodes.get_mut(node) {
            node.push_rows(log);
        }
    }

    /// The next message from one node to another is lost.
    pub fn lose_message(&mut self, from: &NodeName, to: &NodeName) {
        if let Some(inbox) = self.node(to).inboxes.get_mut(from) {
            inbox.waiting.pop_front();
        }
    }

    /// The last message from one node to another comes again, as it may once one of both has lost the engine.
    pub fn double_message(&mut self, from: &NodeName, to: &NodeName) {
        if let Some(inbox) = self.node(to).inboxes.get_mut(from) {
            inbox.waiting.extend(inbox.last.clone());
        }
    }

    /// Who decided writes is gone: until [`Engine::end_election`], reads are unanswered and writes unknown and late. Watches and
    /// messages need nobody.
    pub fn begin_election(&mut self) {
        self.leader = Leader::Missing;
    }

    /// There is somebody again who decides writes.
    pub fn end_election(&mut self) {
        self.leader = Leader::Elected;
    }

    /// Nothing gets from a node to the engine, or the other way, until it is healed.
    pub fn cut(&mut self, node: &NodeName, way: Way) {
        self.node(node).cut(way);
    }

    /// What was cut is whole again.
    pub fn heal(&mut self, node: &NodeName, way: Way) {
        self.node(node).heal(way);
    }

    /// The engine ends and starts again. All nodes lose it, and must [`connect`](Engine::connect) again. Revisions of what
    /// it does not keep are given again, and no write is late any longer.
    pub fn restart(&mut self, kept: Kept) {
        self.nodes.values_mut().for_each(|node| node.disconnect());
        (self.leader, self.late) = (Leader::Elected, Vec::new());
        let kept = match kept {
            Kept::All => self.revision(),
            Kept::AllBut(lost) => Revision(self.revision().0.saturating_sub(lost)),
            Kept::Nothing => Revision(0),
        };
        self.log.cut(kept);
    }
}
