//! The copy of the log's rows: the watch brings them in order, and a read may be ahead of it.

use std::time::Duration;

use super::chores::{Chores, Lost, Sweep};
use super::watch::Shown;
use super::{Known, readable};
use crate::cluster::engine::{Key, RequestId, Revision};
use crate::cluster::{AddressRow, NodeRow, Place, RowKey};
use crate::hub::state::{Registration, RegistrationState};
use crate::hub::{Deadline, Hub, NodeChange, SessionKey, StoredSubscription};
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

impl Hub {
    /// The watch shows a row. What it shows older than it is known counts once it is caught up: until then it may be
    /// behind.
    pub(super) fn row_shown(
        &mut self,
        now: Timestamp,
        key: &Key,
        revision: Revision,
        value: Option<&[u8]>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let row = RowKey::decode(key);
        let says = cluster.row_says(row.as_ref(), revision, value.unwrap_or_default());
        let Some(watch) = &mut cluster.watch else { return };
        match says {
            Shown::Another => self.went_back(now),
            Shown::Older => _ = watch.older.insert(key.clone()),
            Shown::Fresh => {
                watch.older.remove(key);
                self.shown(now, row, revision, value);
            }
        }
    }

    fn shown(
        &mut self,
        now: Timestamp,
        key: Option<RowKey>,
        revision: Revision,
        value: Option<&[u8]>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.shown = cluster.shown.max(revision);
        cluster.last = cluster.last.max(revision);
        match key {
            Some(RowKey::Node(node)) => {
                let read = value.map(NodeRow::decode);
                let row = read.and_then(|read| readable(read, &mut cluster.figures.rows_unread));
                let Some(row) = row else { return };
                cluster.watch.iter_mut().for_each(|watch| _ = watch.nodes.insert(node.clone()));
                let caught_up = cluster.watch.as_ref().is_some_and(|watch| watch.caught_up);
                let change = cluster.life.shown((now, caught_up), node, revision, row);
                self.changed(now, change);
            }
            Some(RowKey::Address(address)) => {
                let read = value.map(AddressRow::decode);
                let row = read.and_then(|read| readable(read, &mut cluster.figures.rows_unread));
                if row.is_some() {
                    let mut watch = cluster.watch.iter_mut().filter(|watch| !watch.caught_up);
                    watch.next().map(|watch| watch.addresses.insert(address.clone()));
                }
                self.learn(now, &address, revision, row);
            }
            None => cluster.figures.rows_unread += 1,
        }
    }

    /// The watch has shown all rows that were there.
    pub(super) fn caught_up(&mut self, now: Timestamp, id: RequestId, revision: Revision) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(watch) = cluster.watch.as_mut().filter(|watch| watch.id == id) else { return };
        watch.caught_up = true;
        cluster.verified = true;
        let shown = std::mem::take(&mut watch.addresses);
        let (nodes, mark) = (watch.nodes.clone(), watch.mark);
        if revision < mark || !watch.older.is_empty() {
            return self.went_back(now);
        }
        cluster.chores.sweep = Some(Sweep { revision, shown, after: None });
        let changes = cluster.life.caught_up(now, &nodes);
        // Until now it may have been blind: what is detached elsewhere has all of its window from here on.
        let elsewhere = cluster.at.keys().filter(|place| place.node != cluster.config.node);
        cluster.chores.places.extend(elsewhere.map(|place| (place.clone(), None)));
        self.changed(now, changes);
    }

    /// A watch did not show the address, unless it is known better by now.
    pub(super) fn clear_unshown(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        revision: Revision,
    ) {
        let known = self.cluster.as_ref().and_then(|cluster| cluster.rows.get(address));
        if known.is_some_and(|known| known.revision == revision) {
            self.gone(now, address);
        }
    }

    /// The engine lost the row of the address: who has it here claims it again, and nobody has it elsewhere unless there is
    /// a row again.
    pub(super) fn look_for_lost(&mut self, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        let has_row = cluster.rows.contains_key(address);
        if self.registry.owner(address).is_some() {
            self.unsettle(address);
        } else if !has_row {
            self.forget_copy(address);
        }
    }

    /// The engine lost what it had: its revisions count anew, so no row of before says anything.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.generation += 1;
        (cluster.shown, cluster.last) = (Revision(0), Revision(0));
        let (rows, at) = (std::mem::take(&mut cluster.rows), std::mem::take(&mut cluster.at));
        cluster.chores.lost.push_back(Lost { rows, at });
        let lost = std::mem::take(&mut cluster.chores.lost);
        cluster.chores = Chores { lost, ..Chores::default() };
        cluster.life.went_back();
        cluster.watch_anew(now);
        let own = cluster.life.place();
        self.tell_of(&own, NodeChange::LostRows);
        self.drop_fetches();
        self.end_handovers();
        self.cluster.iter_mut().for_each(|cluster| cluster.drop_writes());
    }

    /// A row as it is in the log, unless a later one is known.
    pub(super) fn learn(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        revision: Revision,
        row: Option<AddressRow>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        if cluster.rows.get(address).is_some_and(|known| known.revision >= revision) {
            return;
        }
        let Some(row) = row else { return self.gone(now, address) };
        cluster.generation = cluster.generation.max(row.generation);
        if cluster.writes.get(address).is_some_and(|writing| writing.is_shown_by(&row)) {
            return self.done(now, address, revision);
        }
        let is_own = |owner: &Place| cluster.life.lived(owner);
        let is_ours = is_own(&row.owner) || row.generation < cluster.generation;
        let had = cluster.rows.get(address).filter(|known| is_own(&known.owner));
        let recovers = had.is_some_and(|known| known.recovers);
        let had = had.map(|known| (address.clone(), known.version));
        let had = had.filter(|_| !is_ours || self.registry.owner(address).is_none());
        let had = had.filter(|_| !is_own(&row.owner));
        cluster.note(address, Known::of(&row, revision));
        if let Some(had) = &had {
            self.set_aside(now, had, recovers);
        }
        match self.registry.owner(address) {
            // Of an earlier life of this very process, or from before the engine lost its rows.
            Some(_) if is_ours => self.unsettle(address),
            Some(old) => {
                self.taken_elsewhere(now, address, old, Some(&row.owner));
                self.copy_row(now, address, row);
            }
            None => self.copy_row(now, address, row),
        }
        self.moved(now, address);
        if let Some(had) = &had {
            self.refuse_fetching(now, had);
        }
        self.answer_asking(now, address);
    }

    /// There is no row of the address any longer.
    pub(super) fn gone(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let had = cluster.rows.get(address).map(|known| (address.clone(), known.version));
        cluster.forget(address);
        if cluster.writes.get(address).is_some_and(|writing| writing.row.is_none()) {
            cluster.end_write(address);
        }
        if let Some(old) = self.registry.owner(address) {
            // Others took it, or cleared it when this node was taken for dead.
            self.taken_elsewhere(now, address, old, None);
        }
        self.forget_copy(address);
        if let Some(had) = &had {
            self.refuse_fetching(now, had);
            self.cluster.iter_mut().for_each(|cluster| _ = cluster.take_fetch(had));
        }
        self.unsettle(address);
        self.moved(now, address);
        self.answer_asking(now, address);
    }

    /// The life of its owner began or ended: the address can be reached, or is detached from now on.
    pub(super) fn look_again_at(&mut self, now: Timestamp, address: &ActorAddress) {
        let known = self.cluster.as_ref().and_then(|cluster| cluster.rows.get(address));
        let known = known.map(|known| (known.owner.clone(), known.recovers));
        let Some((place, recovers)) = known else { return };
        let (state, recovers) =
            (self.state_at(now, &place, address), self.is_kept_at(&place, address, recovers));
        let is_same = |known: &&Registration| {
            known.state.is_elsewhere() && state.is_elsewhere() && known.recovers == recovers
        };
        let copy = self.registry.get(address).filter(|copy| copy.state.owner().is_none());
        if let Some(copy) = copy.filter(|copy| !is_same(copy)) {
            let copy = Registration { state, recovers, ..copy.clone() };
            self.registry.insert(address.clone(), copy);
            self.time_copy(address, state);
        }
        if self.registry.owner(address).is_some() {
            // Its row may be of an earlier life.
            self.unsettle(address);
        }
        self.moved(now, address);
    }

    /// What a row says of an address that no session here has.
    pub(super) fn copy_row(&mut self, now: Timestamp, address: &ActorAddress, row: AddressRow) {
        let Some(cluster) = &self.cluster else { return };
        let version = cluster.version_of(address);
        let state = self.state_at(now, &row.owner, address);
        let is_own = row.owner.node == cluster.config.node;
        if !is_own {
            self.end_log(address);
        }
        let recovers = self.is_kept_at(&row.owner, address, row.recovers);
        let registration = Registration {
            version,
            capabilities: row.capabilities,
            metadata: row.metadata,
            registered_at: row.registered_at,
            ttl: row.ttl,
            principal: row.principal,
            peer: row.peer,
            renew_on_heartbeat: false,
            recovers,
            taken_over: None,
            state,
        };
        self.registry.insert(address.clone(), registration);
        self.time_copy(address, state);
        let seat = self.registry.find(address).map(|(seat, _)| seat).unwrap_or_default();
        let old: Vec<_> = self.topics.of(address).cloned().collect();
        let is_new = |topic: &_| row.topics.iter().any(|(known, _)| known == topic);
        old.iter()
            .filter(|topic| !is_new(topic))
            .for_each(|topic| self.topics.remove(address, topic));
        for (topic, id) in &row.topics {
            let subscription = StoredSubscription { id: *id, durable: false };
            if self.topics.subscription(address, topic) != Some(subscription) {
                self.topics.remove(address, topic);
                self.topics.add(address, seat, topic, subscription);
            }
        }
    }

    /// Returns whether messages are kept for the address at its place, whose row says that it does or does not: not by a
    /// life that is over.
    fn is_kept_at(&self, place: &Place, address: &ActorAddress, recovers: bool) -> bool {
        let cluster = self.cluster.as_ref().expect("only a node copies rows");
        if place.node == cluster.config.node {
            self.logs.get(address).is_some()
        } else {
            recovers && cluster.life.lives(place)
        }
    }

    fn state_at(&self, now: Timestamp, place: &Place, address: &ActorAddress) -> RegistrationState {
        let cluster = self.cluster.as_ref().expect("only a node copies rows");
        let known = cluster.rows.get(address);
        let is_own = place.node == cluster.config.node;
        if !is_own && cluster.life.lives(place) && known.is_some_and(|known| !known.detached) {
            return RegistrationState::Elsewhere;
        }
        // The owner clears its rows; of a dead one the first living node does, else the next.
        let turn = if is_own { 0 } else { 1 + cluster.life.rank() };
        let until = now + self.config.resume_window + cluster.config.lease * turn;
        RegistrationState::Detached { until }
    }

    /// Nobody has the address until then.
    pub(super) fn detach_until(&mut self, address: &ActorAddress, until: Timestamp) {
        let state = RegistrationState::Detached { until };
        self.registry.set_state(address, state);
        self.time_copy(address, state);
    }

    fn time_copy(&mut self, address: &ActorAddress, state: RegistrationState) {
        let deadline = Deadline::Address(address.clone());
        match state {
            RegistrationState::Detached { until } => self.deadlines.arm(deadline, until),
            RegistrationState::Live { .. } | RegistrationState::Elsewhere => {
                self.deadlines.disarm(&deadline)
            }
        }
    }

    /// Returns how long to wait yet for the node that an address is detached at: it lives, and clears its rows itself, or
    /// this one does not know.
    pub(in crate::hub) fn kept_elsewhere(
        &self,
        now: Timestamp,
        address: &ActorAddress,
    ) -> Option<Duration> {
        let cluster = self.cluster.as_ref()?;
        let known = cluster.rows.get(address)?;
        let is_blind = !cluster.writes_now(now) || !cluster.chores.places.is_empty();
        let may_live = cluster.life.lives(&known.owner) || is_blind;
        (known.owner != cluster.life.place() && may_live).then_some(cluster.config.lease)
    }

    /// Another node's session registered an address that a session here has.
    fn taken_elsewhere(
        &mut self,
        now: Timestamp,
        address: &ActorAddress,
        old: SessionKey,
        place: Option<&Place>,
    ) {
        self.record_taken_elsewhere(address, old, place);
        self.refuse_withheld(now, address);
        self.tell_taken(now, address, old);
    }

    fn forget_copy(&mut self, address: &ActorAddress) {
        self.end_log(address);
        self.registry.remove(address);
        self.deadlines.disarm(&Deadline::Address(address.clone()));
        self.topics.remove_all(address);
    }

    /// Its row is looked at at the end of this input.
    pub(super) fn unsettle(&mut self, address: &ActorAddress) {
        if let Some(cluster) = &mut self.cluster {
            cluster.unsettled.insert(address.clone());
        }
    }
}
