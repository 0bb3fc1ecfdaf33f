//! A node's copy of the rows (I48).

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::cluster::RowKey;
use signal_hub::cluster::engine::{Event, NodeName, Request, RequestId, Revision};
use signal_hub::hub::{Hub, NodeSizes, SessionKey, Sizes};
use signal_hub::protocol::ActorAddress;

use super::{Books, Client, Judge, Violation};
use crate::engine::Engine;
use crate::invariants::Invariant;
use crate::nodes::talk;

/// What a node's watches have shown since it reached the engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    /// The last one that it asked for. Those before it show nothing that counts, however late that comes.
    watch: Option<RequestId>,
    shown: BTreeMap<ActorAddress, Revision>,
    /// Whether one has shown all rows, as far as the node knows.
    is_whole: bool,
    /// Whether they are of what the engine has since it lost rows last.
    pub is_current: bool,
}

impl Judge {
    /// A node begins anew.
    pub fn begins(&mut self, node: &NodeName) {
        self.watched.insert(node.clone(), Watched::default());
        self.books.insert(node.clone(), Books::default());
    }

    /// A node hears of its engine.
    pub fn hears(&mut self, node: &NodeName, event: &Event) {
        let watched = self.watched.entry(node.clone()).or_default();
        match event {
            Event::Lost | Event::Back => *watched = Watched::default(),
            Event::Row { watch, .. } | Event::CaughtUp { watch, .. }
                if watched.watch != Some(*watch) => {}
            Event::Row { key, revision, .. } => {
                if let Some(RowKey::Address(address)) = RowKey::decode(key) {
                    let shown = watched.shown.entry(address).or_insert(*revision);
                    *shown = (*shown).max(*revision);
                }
            }
            Event::CaughtUp { .. } => (watched.is_whole, watched.is_current) = (true, true),
            Event::Read { .. } | Event::Written { .. } | Event::Arrived { .. } => {}
        }
    }

    /// What a node was shown is of an engine that has lost rows since.
    pub fn knows_the_past(&mut self, node: &NodeName) {
        self.watched.entry(node.clone()).or_default().is_current = false;
    }

    /// A node writes rows of addresses only if it knows them all. Another watch may show what was there before.
    pub fn asks(&mut self, node: &NodeName, request: &Request) -> Result<(), Violation> {
        if let (Request::Watch { id }, Some(watched)) = (request, self.watched.get_mut(node)) {
            watched.watch = Some(*id);
            watched.shown.clear();
            watched.is_current = false;
        }
        let Request::Write { key, .. } = request else { return Ok(()) };
        let is_whole = self.watched.get(node).is_some_and(|watched| watched.is_whole);
        if !is_whole && let Some(RowKey::Address(address)) = RowKey::decode(key) {
            let what = format!("{node} writes {address} before a watch has shown all rows");
            return Err(Violation::new(Invariant::I48, what));
        }
        Ok(())
    }

    /// What a node knows is in the log, and no older than what its watch has shown.
    pub fn copies(&self, node: &NodeName, hub: &Hub) -> Result<(), Violation> {
        let Some(watched) = self.watched.get(node).filter(|watched| watched.is_current) else {
            return Ok(());
        };
        for (address, revision, _, _) in hub.copied_rows() {
            let shown = watched.shown.get(address);
            if let Some(newer) = shown.filter(|shown| **shown > revision) {
                let what = format!("{node} knows {address} of {revision}, and was shown {newer}");
                return Err(Violation::new(Invariant::I48, what));
            }
            let mut history = self.log.get(address).into_iter().flatten();
            if !history.any(|written| written.revision == revision && written.row.is_some()) {
                let what = format!("{node} knows {address} of {revision}, and there was no row");
                return Err(Violation::new(Invariant::I48, what));
            }
        }
        Ok(())
    }

    /// A node has a topic for an address exactly if it has the address for the topic (I13).
    pub(super) fn indexes_agree(hub: &Hub) -> Result<(), Violation> {
        let view = hub.view();
        let addresses = view.addresses.iter().flat_map(|(address, row)| {
            let topics = row.iter().flat_map(|row| &row.topics);
            topics.map(move |topic| (address, topic))
        });
        let topics = view.topics.iter().flat_map(|(topic, row)| {
            let subscribers = row.iter().flat_map(|row| &row.subscribers);
            subscribers.map(move |address| (address, topic))
        });
        let (one, other): (BTreeSet<_>, BTreeSet<_>) = (addresses.collect(), topics.collect());
        match one.symmetric_difference(&other).next() {
            None => Ok(()),
            Some((address, topic)) => {
                let what = format!("{}: {address} and {topic} are in one index", name_of(hub));
                Err(Violation::new(Invariant::I13, what))
            }
        }
    }

    /// All clients are gone, and all deadlines past (I34).
    pub fn nothing_is_left<'h>(hubs: impl Iterator<Item = &'h Hub>) -> Result<(), Violation> {
        let nothing = (Sizes::default(), Some(NodeSizes::default()));
        let sizes = hubs.map(|hub| (name_of(hub), (hub.sizes(), hub.node_sizes())));
        let mut left = sizes.filter(|(_, sizes)| *sizes != nothing);
        left.next().map_or(Ok(()), |(node, sizes)| {
            let what = format!("nobody is there, and {node} has {sizes:?}");
            Err(Violation::new(Invariant::I34, what))
        })
    }

    /// When all is quiet, the copy is the log (I30, I48, L1).
    pub(super) fn copy_rests(
        &self,
        engine: &Engine,
        hub: &Hub,
        owners: &BTreeMap<usize, SessionKey>,
    ) -> Result<(), Violation> {
        let node = name_of(hub);
        let mut copied = BTreeSet::new();
        for (address, revision, _, _) in hub.copied_rows() {
            let row = engine.row(&RowKey::Address(address.clone()).encode());
            if row.map(|(at, _)| at) != Some(revision) {
                let what = format!("{node} knows {address} of {revision}, and the engine does not");
                return Err(Violation::new(Invariant::I48, what));
            }
            copied.insert(address.clone());
        }
        for (address, history) in &self.log {
            let has_row = engine.row(&RowKey::Address(address.clone()).encode()).is_some();
            if has_row && !copied.contains(address) {
                return Err(Violation::new(
                    Invariant::I48,
                    format!("{node} does not know {address}"),
                ));
            }
            let owner = owners.iter().find(|(actor, _)| talk::address(**actor) == *address);
            let may_have =
                |client: &Client| client.may_have && talk::address(client.actor) == *address;
            if has_row && owner.is_none() && !self.clients.values().any(may_have) {
                let last = history.last().and_then(|last| last.row.as_ref());
                let what = format!("{address} is nobody's, and its row is still there: {last:?}");
                return Err(Violation::new(Invariant::I30, what));
            }
            if !has_row && owner.is_some() {
                let what = format!("{owner:?} has {address}, and there is no row");
                return Err(Violation::new(Invariant::L1, what));
            }
        }
        Ok(())
    }
}

fn name_of(hub: &Hub) -> String {
    hub.life().map_or_else(String::new, |life| life.place().node.to_string())
}
