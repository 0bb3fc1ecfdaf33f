//! What a watch of the engine's rows shows, until it is caught up and after.

use std::collections::BTreeSet;

use super::Cluster;
use crate::cluster::engine::{Key, NodeName, RequestId, Revision};
use crate::cluster::{AddressRow, NodeRow, RowKey};
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

/// A watch, and what it has shown until it is caught up.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub id: RequestId,
    pub since: Timestamp,
    /// The last revision that was known when it began: it shows no row that is older than it was then.
    pub mark: Revision,
    pub nodes: BTreeSet<NodeName>,
    pub addresses: BTreeSet<ActorAddress>,
    /// Rows that it has shown older than they are known: it is behind, or the engine lost what was known.
    pub older: BTreeSet<Key>,
    pub caught_up: bool,
}

/// What a watch shows of a row, beside what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It as it is known, or later.
    Fresh,
    /// It as it was.
    Older,
    /// Another one in its place: the engine lost what it had.
    Another,
}

impl Cluster {
    /// Begins another watch if this one is not caught up for too long, or does not show the node's own renewals.
    pub(super) fn look_after_watch(&mut self, now: Timestamp) {
        let (late, since) = (self.life.misses_echo(now), now.before(self.config.staleness_max));
        let is_old = |watch: &Watch| watch.since <= since;
        let is_over = |watch: &Watch| is_old(watch) && (late || !watch.caught_up);
        if self.reached && self.watch.as_ref().is_none_or(is_over) {
            self.watch_anew(now);
        }
        self.watch.iter_mut().filter(|watch| is_old(watch)).for_each(|watch| watch.since = now);
    }

    pub(super) fn watch_anew(&mut self, now: Timestamp) {
        self.figures.watches += 1;
        let (id, mark) = (self.requests.watch(), self.last);
        let (nodes, addresses) = (BTreeSet::new(), BTreeSet::new());
        let older = BTreeSet::new();
        self.watch =
            Some(Watch { id, since: now, mark, nodes, addresses, older, caught_up: false });
    }

    /// What a row that the watch shows says of the log.
    pub(super) fn row_says(&self, key: Option<&RowKey>, revision: Revision, value: &[u8]) -> Shown {
        let known = match key {
            Some(RowKey::Node(node)) => self.life.row_of(node).map(|(known, row)| {
                (known, NodeRow::decode(value).is_ok_and(|shown| shown != *row))
            }),
            Some(RowKey::Address(address)) => self.rows.get(address).map(|known| {
                let is_other = |row: AddressRow| row.claim != known.claim;
                (known.revision, AddressRow::decode(value).is_ok_and(is_other))
            }),
            None => None,
        };
        let mark = self.watch.as_ref().filter(|watch| !watch.caught_up).map(|watch| watch.mark);
        match known {
            Some((known, is_other)) if known == revision && is_other => Shown::Another,
            Some((known, _)) if known > revision && Some(known) <= mark => Shown::Older,
            Some(_) | None => Shown::Fresh,
        }
    }
}
