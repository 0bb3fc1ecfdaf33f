//! What a node knows of the others' lives.

use std::collections::{BTreeMap, BTreeSet};

use super::Change;
use crate::cluster::engine::{NodeName, RequestId, Revision, WriteOutcome};
use crate::cluster::{NodeRow, Place, Requests, RowKey};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Peers(BTreeMap<NodeName, Peer>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Peer {
    revision: Revision,
    row: NodeRow,
    /// When its latest row was heard of.
    changed: Timestamp,
    declaring: Option<RequestId>,
    /// No declaration before that.
    declare_after: Timestamp,
}

impl Peer {
    /// Its life, if it lives.
    fn place(&self, node: &NodeName) -> Option<Place> {
        self.row.alive.then(|| Place { node: node.clone(), epoch: self.row.epoch })
    }
}

impl Peers {
    pub fn lives(&self, place: &Place) -> bool {
        let peer = self.0.get(&place.node);
        peer.is_some_and(|peer| peer.row.alive && peer.row.epoch == place.epoch)
    }

    /// The nodes that live.
    pub fn living(&self) -> impl Iterator<Item = &NodeName> {
        self.0.iter().filter(|(_, peer)| peer.row.alive).map(|(node, _)| node)
    }

    /// How many living nodes have a name before this one.
    pub fn living_before(&self, node: &NodeName) -> u32 {
        let before = self.0.range(..node.clone());
        before.filter(|(_, peer)| peer.row.alive).count() as u32
    }

    pub fn row_of(&self, node: &NodeName) -> Option<(Revision, &NodeRow)> {
        self.0.get(node).map(|peer| (peer.revision, &peer.row))
    }

    /// Forgets those that a watch did not show.
    pub fn keep(&mut self, shown: &BTreeSet<NodeName>) -> Vec<Change> {
        let gone: Vec<NodeName> =
            self.0.keys().filter(|node| !shown.contains(*node)).cloned().collect();
        let died = |node: NodeName| self.0.remove(&node)?.place(&node).map(Change::Died);
        gone.into_iter().filter_map(died).collect()
    }

    /// A watch shows a row.
    pub fn shown(
        &mut self,
        now: Timestamp,
        node: NodeName,
        revision: Revision,
        row: NodeRow,
    ) -> Vec<Change> {
        let before = self.0.get(&node);
        if before.is_some_and(|peer| peer.revision >= revision) {
            return Vec::new();
        }
        let lived = before.and_then(|peer| peer.place(&node));
        let (declaring, declare_after) = (before.and_then(|peer| peer.declaring), now);
        let peer = Peer { revision, row, changed: now, declaring, declare_after };
        let lives = peer.place(&node);
        self.0.insert(node, peer);
        if lived == lives {
            return Vec::new();
        }
        let died = lived.map(Change::Died);
        died.into_iter().chain(lives.map(Change::Appeared)).collect()
    }

    /// Those that live and have not been heard of since, and when each may be declared dead.
    pub fn silent(&self, since: Option<Timestamp>) -> impl Iterator<Item = (&NodeName, Timestamp)> {
        let living = self.0.iter().filter(|(_, peer)| peer.row.alive && peer.declaring.is_none());
        let silent = living.filter(move |(_, peer)| Some(peer.changed) <= since);
        silent.map(|(node, peer)| (node, peer.declare_after))
    }

    /// Declares dead who is silent.
    pub fn declare(&mut self, since: Option<Timestamp>, now: Timestamp, requests: &mut Requests) {
        let due = self.silent(since).filter(|(_, after)| *after <= now);
        let nodes: Vec<NodeName> = due.map(|(node, _)| node.clone()).collect();
        for node in nodes {
            let Some(peer) = self.0.get_mut(&node) else { continue };
            let row = NodeRow { alive: false, ..peer.row.clone() };
            let key = RowKey::Node(node).encode();
            let id = requests.write(key, Some(peer.revision), Some(row.encode()));
            peer.declaring = Some(id);
        }
    }

    /// A declaration is answered, and may be made again after a while. None: it is none.
    pub fn declared(
        &mut self,
        id: RequestId,
        outcome: WriteOutcome,
        (now, again): (Timestamp, Timestamp),
    ) -> Option<Vec<Change>> {
        let (node, peer) = self.0.iter_mut().find(|(_, peer)| peer.declaring == Some(id))?;
        (peer.declaring, peer.declare_after) = (None, again);
        let WriteOutcome::Done(revision) = outcome else { return Some(Vec::new()) };
        if peer.revision >= revision {
            return Some(Vec::new());
        }
        (peer.revision, peer.changed, peer.row.alive) = (revision, now, false);
        let place = Place { node: node.clone(), epoch: peer.row.epoch };
        Some(vec![Change::Died(place)])
    }
}
