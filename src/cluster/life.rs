//! The lives of nodes. A node renews its row; who does not is declared dead by a write of that very row, so that one
//! log orders the two. A node that cannot renew in time fences itself, before anybody may declare it dead.
//!
//! No two clocks are compared: each node measures with its own how long it has seen no news of another, and only up
//! to the moment at which it sent what the watch has shown it since.

mod peers;

use std::collections::{BTreeSet, VecDeque};

use super::ClusterConfig;
use super::engine::{NodeName, RequestId, Revision, Unanswered, WriteOutcome};
use super::requests::Requests;
use super::row::{Format, Incarnation, NodeEpoch, NodeRow, Place, RowKey};
use crate::time::Timestamp;
use peers::Peers;

/// How far this node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LifePhase {
    /// It does not know the rows yet.
    Waiting,
    /// It writes that a life begins.
    Joining,
    /// It renews its row.
    Living,
    /// It left, or another process has its name.
    Ended,
}

/// What changed in the lives of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A life of this node begins.
    Begun(NodeEpoch),
    /// Another node lives.
    Appeared(Place),
    /// Another node's life ended.
    Died(Place),
    /// Another process runs under this node's name: this one has to end.
    Superseded,
}

/// Renewals whose echo may still come.
const SENT_MAX: usize = 16;

/// The life of this node, and what it knows of others'.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Life {
    config: ClusterConfig,
    incarnation: Incarnation,
    phase: LifePhase,
    /// Whether another process has this node's name.
    superseded: bool,
    /// Of this life, or of the latest.
    epoch: NodeEpoch,
    /// Of this process's first life.
    first: Option<NodeEpoch>,
    /// This node's row in the log.
    own: Option<(Revision, NodeRow)>,
    under_way: Option<UnderWay>,
    /// When the next request of this node's row is due.
    due: Timestamp,
    /// The row has to be read first.
    reads: bool,
    beat: u64,
    /// When renewals were sent, with their epoch and beat.
    sent: VecDeque<(NodeEpoch, u64, Timestamp)>,
    /// When the latest renewal that was carried out was sent.
    renewed: Option<Timestamp>,
    /// When the latest that the watch showed was sent.
    echoed: Option<Timestamp>,
    /// The same of a watch that has not caught up: it may yet show what others wrote before that.
    unproven: Option<Timestamp>,
    peers: Peers,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum UnderWay {
    Write { id: RequestId, sent: Timestamp, row: NodeRow },
    Read { id: RequestId },
}

impl Life {
    /// A node that has not begun to live.
    pub fn new(config: ClusterConfig, incarnation: Incarnation) -> Self {
        Self {
            config,
            incarnation,
            phase: LifePhase::Waiting,
            superseded: false,
            epoch: NodeEpoch::default(),
            first: None,
            own: None,
            under_way: None,
            due: Timestamp::NEVER,
            reads: false,
            beat: 0,
            sent: VecDeque::new(),
            renewed: None,
            echoed: None,
            unproven: None,
            peers: Peers::default(),
        }
    }

    /// How far it has come.
    pub fn phase(&self) -> LifePhase {
        self.phase
    }

    /// The process that runs.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The place of what this node owns.
    pub fn place(&self) -> Place {
        Place { node: self.config.node.clone(), epoch: self.epoch }
    }

    /// Returns whether it is a life of this process, and not of another one with this node's name.
    pub fn lived(&self, place: &Place) -> bool {
        let is_within = |first| first <= place.epoch && place.epoch <= self.epoch;
        place.node == self.config.node && self.first.is_some_and(is_within)
    }

    /// Returns whether it ended because another process has its name.
    pub fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Returns whether it must do nothing for its addresses: it does not live, others may soon take it for dead, or
    /// what the watch has shown is so old that others may have had its addresses for a lease.
    pub fn is_fenced(&self, now: Timestamp) -> bool {
        let until = self.echoed.map(|sent| sent + self.kept());
        self.phase != LifePhase::Living || until.is_none_or(|until| until <= now)
    }

    /// Returns whether what the watch has shown is not too old to answer from.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.echoed.is_some_and(|sent| now.since(sent) <= self.config.staleness_max)
    }

    /// Returns whether the watch misses what it should have shown long ago.
    pub fn misses_echo(&self, now: Timestamp) -> bool {
        let Some(renewed) = self.renewed else { return false };
        self.echoed.is_none_or(|at| at < renewed && now.since(at) > self.config.staleness_max)
    }

    /// A node's row, as far as this node knows.
    pub fn row_of(&self, node: &NodeName) -> Option<(Revision, &NodeRow)> {
        if *node == self.config.node {
            return self.own.as_ref().map(|(revision, row)| (*revision, row));
        }
        self.peers.row_of(node)
    }

    /// Returns whether a life of a node is going on, as far as this node knows.
    pub fn lives(&self, place: &Place) -> bool {
        if place.node == self.config.node {
            return self.phase == LifePhase::Living && place.epoch == self.epoch;
        }
        self.peers.lives(place)
    }

    /// The other nodes that live, as far as this node knows.
    pub fn others(&self) -> impl Iterator<Item = &NodeName> {
        self.peers.living()
    }

    /// How many living nodes have a name before this one's.
    pub fn rank(&self) -> u32 {
        self.peers.living_before(&self.config.node)
    }

    /// When it has something to do.
    pub fn next(&self) -> Option<Timestamp> {
        let acts = matches!(self.phase, LifePhase::Joining | LifePhase::Living);
        let own = (acts && self.under_way.is_none()).then_some(self.due);
        let declares = self.phase == LifePhase::Living;
        let silent = self.peers.silent(self.silent_since()).filter(|_| declares);
        own.into_iter().chain(silent.map(|(_, declare_after)| declare_after)).min()
    }

    /// A watch has shown all rows, and of nodes those of `shown`. What it did not show is not there.
    pub fn caught_up(&mut self, now: Timestamp, shown: &BTreeSet<NodeName>) -> Vec<Change> {
        self.echoed = self.echoed.max(self.unproven.take());
        if !shown.contains(&self.config.node) {
            self.own = None;
        }
        if self.phase == LifePhase::Waiting || self.phase == LifePhase::Living && self.own.is_none()
        {
            self.join(now);
        }
        self.peers.keep(shown)
    }

    /// The engine lost what it had: no row of before says anything.
    pub fn went_back(&mut self) {
        (self.own, self.under_way) = (None, None);
        (self.echoed, self.unproven) = (None, None);
        self.peers = Peers::default();
        if matches!(self.phase, LifePhase::Joining | LifePhase::Living) {
            // It begins to live again when a watch has shown what there is.
            (self.phase, self.reads) = (LifePhase::Waiting, false);
        }
    }

    /// A watch, which has caught up or has not, shows the row of a node.
    pub fn shown(
        &mut self,
        (now, caught_up): (Timestamp, bool),
        node: NodeName,
        revision: Revision,
        row: NodeRow,
    ) -> Vec<Change> {
        if node == self.config.node {
            let (epoch, sent) = (row.epoch, self.sent_at(&row));
            let change = self.learn(now, revision, row);
            if self.phase == LifePhase::Living && epoch == self.epoch {
                let echoed = if caught_up { &mut self.echoed } else { &mut self.unproven };
                *echoed = sent.max(*echoed);
                self.sent.retain(|(_, _, at)| Some(*at) > self.echoed);
            }
            return change.into_iter().collect();
        }
        self.peers.shown(now, node, revision, row)
    }

    /// A write is answered. None: it is not one of these.
    pub fn written(
        &mut self,
        now: Timestamp,
        id: RequestId,
        outcome: WriteOutcome,
    ) -> Option<Vec<Change>> {
        if let Some(UnderWay::Write { id: own, sent, row }) = &self.under_way
            && *own == id
        {
            let (sent, row) = (*sent, row.clone());
            self.under_way = None;
            return Some(match outcome {
                WriteOutcome::Done(revision) => {
                    self.due = sent + self.config.renew_interval;
                    self.learn(now, revision, row).into_iter().collect()
                }
                WriteOutcome::Conflict => {
                    (self.reads, self.due) = (true, now);
                    Vec::new()
                }
                WriteOutcome::Unknown => {
                    self.due = now + self.config.retry_interval;
                    Vec::new()
                }
            });
        }
        let again = now + self.config.retry_interval;
        self.peers.declared(id, outcome, (now, again))
    }

    /// Returns whether the read is of the node's own row.
    pub fn has_asked(&self, id: RequestId) -> bool {
        self.under_way == Some(UnderWay::Read { id })
    }

    /// That read is answered.
    pub fn read(
        &mut self,
        now: Timestamp,
        row: Result<Option<(Revision, NodeRow)>, Unanswered>,
    ) -> Option<Change> {
        self.under_way = None;
        let Ok(row) = row else {
            self.due = now + self.config.retry_interval;
            return None;
        };
        self.reads = false;
        self.due = now;
        let Some((revision, row)) = row else {
            // The engine lost it.
            self.own = None;
            if self.phase == LifePhase::Living {
                self.join(now);
            }
            return None;
        };
        if self.own.as_ref().is_some_and(|(known, _)| *known >= revision) {
            // As old as what is known: a stale read.
            self.due = now + self.config.retry_interval;
        }
        self.learn(now, revision, row)
    }

    /// Does what is due; of others, only if what it knows of their rows is `verified`.
    pub fn act(&mut self, now: Timestamp, verified: bool, requests: &mut Requests) {
        let acts = matches!(self.phase, LifePhase::Joining | LifePhase::Living);
        if acts && self.under_way.is_none() && self.due <= now {
            let key = RowKey::Node(self.config.node.clone()).encode();
            self.under_way = Some(if self.reads {
                UnderWay::Read { id: requests.read(key) }
            } else {
                let row = self.row_to_write();
                self.sent.push_back((row.epoch, row.beat, now));
                if self.sent.len() > SENT_MAX {
                    self.sent.pop_front();
                }
                let expected = self.own.as_ref().map(|(revision, _)| *revision);
                let id = requests.write(key, expected, Some(row.encode()));
                UnderWay::Write { id, sent: now, row }
            });
        }
        if verified && self.phase == LifePhase::Living && !self.is_fenced(now) {
            self.peers.declare(self.silent_since(), now, requests);
        }
    }

    /// Declares itself dead, so that others need not wait for that: the last thing it does.
    pub fn leave(&mut self, requests: &mut Requests) {
        if self.phase == LifePhase::Living
            && let Some((revision, row)) = &self.own
        {
            let key = RowKey::Node(self.config.node.clone()).encode();
            let row = NodeRow { alive: false, ..row.clone() };
            requests.write(key, Some(*revision), Some(row.encode()));
        }
        self.phase = LifePhase::Ended;
    }

    fn kept(&self) -> std::time::Duration {
        self.config.lease.saturating_sub(self.config.lease_margin)
    }

    fn join(&mut self, now: Timestamp) {
        (self.phase, self.due, self.reads) = (LifePhase::Joining, now, false);
    }

    fn row_to_write(&mut self) -> NodeRow {
        self.beat += 1;
        let known = self.own.as_ref().map(|(_, row)| row.epoch).max(Some(self.epoch));
        let epoch = match self.phase {
            LifePhase::Living => self.epoch,
            _ => NodeEpoch(known.unwrap_or_default().0 + 1),
        };
        let (incarnation, beat) = (self.incarnation, self.beat);
        NodeRow { format: Format, epoch, incarnation, beat, alive: true }
    }

    fn sent_at(&self, row: &NodeRow) -> Option<Timestamp> {
        let is_it = |(epoch, beat, _): &&(NodeEpoch, u64, Timestamp)| {
            row.incarnation == self.incarnation && (row.epoch, row.beat) == (*epoch, *beat)
        };
        self.sent.iter().rev().find(is_it).map(|(_, _, sent)| *sent)
    }

    /// This node's row as it is in the log.
    fn learn(&mut self, now: Timestamp, revision: Revision, row: NodeRow) -> Option<Change> {
        if self.own.as_ref().is_some_and(|(known, _)| *known >= revision) {
            return None;
        }
        let (is_own, sent) = (row.incarnation == self.incarnation, self.sent_at(&row));
        let (epoch, alive) = (row.epoch, row.alive);
        self.own = Some((revision, row));
        if self.phase == LifePhase::Ended {
            return None;
        }
        if !is_own {
            let has_lived = self.epoch > NodeEpoch::default();
            if has_lived && epoch > self.epoch {
                (self.phase, self.superseded) = (LifePhase::Ended, true);
                return Some(Change::Superseded);
            }
            if self.phase == LifePhase::Living {
                self.join(now);
            }
            return None;
        }
        if !alive {
            self.join(now);
            return None;
        }
        self.renewed = self.renewed.max(sent);
        let begins = self.phase == LifePhase::Joining && epoch > self.epoch;
        if begins {
            (self.phase, self.epoch) = (LifePhase::Living, epoch);
            self.first.get_or_insert(epoch);
            (self.renewed, self.echoed, self.unproven) = (sent, None, None);
        }
        begins.then_some(Change::Begun(epoch))
    }

    /// Who was silent for a lease before this node sent what it has seen since has not been heard of after this.
    fn silent_since(&self) -> Option<Timestamp> {
        self.echoed.map(|sent| sent.before(self.config.lease))
    }
}

#[cfg(test)]
mod tests;
