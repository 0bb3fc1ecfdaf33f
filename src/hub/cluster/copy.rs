//! The copy of the log's rows: the watch brings them in order, and a read may be ahead of it.

use std::time::Duration;

use super::{Known, readable};
use crate::cluster::engine::{RequestId, Revision};
use crate::cluster::{AddressRow, NodeRow, Place, RowKey};
use crate::hub::state::{Registration, RegistrationState};
use crate::hub::{Deadline, Hub, SessionKey, StoredSubscription};
use crate::protocol::ActorAddress;
use crate::time::Timestamp;

impl Hub {
    /// The watch shows a row.
    pub(super) fn shown(
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
                let change = cluster.life.shown(now, node, revision, row);
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
        if revision < mark {
            return self.went_back(now);
        }
        let is_gone = |(address, known): &(&ActorAddress, &Known)| {
            known.revision <= revision && !shown.contains(*address)
        };
        let gone: Vec<ActorAddress> =
            cluster.rows.iter().filter(is_gone).map(|(address, _)| address.clone()).collect();
        gone.iter().for_each(|address| self.gone(now, address));
        let Some(cluster) = &mut self.cluster else { return };
        let unknown = |address: &&ActorAddress| !cluster.rows.contains_key(*address);
        let foreign = self.registry.iter().filter(|(_, known)| known.state.owner().is_none());
        let gone: Vec<ActorAddress> =
            foreign.map(|(address, _)| address).filter(unknown).cloned().collect();
        let changes = cluster.life.caught_up(now, &nodes);
        // Until now it may have been blind: what is detached elsewhere has all of its window from here on.
        let elsewhere = cluster.at.keys().filter(|place| place.node != cluster.config.node);
        let elsewhere: Vec<Place> = elsewhere.cloned().collect();
        gone.iter().for_each(|address| self.forget_copy(address));
        elsewhere.iter().for_each(|place| self.look_again_at(now, place));
        self.changed(now, changes);
    }

    /// The engine lost what it had: its revisions count anew, so no row of before says anything.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.generation += 1;
        (cluster.shown, cluster.last) = (Revision(0), Revision(0));
        cluster.rows.clear();
        cluster.at.clear();
        cluster.life.went_back();
        cluster.watch_anew(now);
        self.claim_all_again();
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
        let is_ours = row.owner.node == cluster.config.node || row.generation < cluster.generation;
        cluster.note(address, Known::of(&row, revision));
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
    }

    /// There is no row of the address any longer.
    pub(super) fn gone(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        cluster.forget(address);
        if cluster.writes.get(address).is_some_and(|writing| writing.row.is_none()) {
            cluster.writes.remove(address);
        }
        if let Some(old) = self.registry.owner(address) {
            // Others took it, or cleared it when this node was taken for dead.
            self.taken_elsewhere(now, address, old, None);
        }
        self.forget_copy(address);
        self.unsettle(address);
        self.moved(now, address);
    }

    /// Lives began or ended: what is at that place can be reached, or is detached from now on.
    pub(super) fn look_again_at(&mut self, now: Timestamp, place: &Place) {
        let Some(cluster) = &self.cluster else { return };
        let addresses = cluster.at.get(place).cloned().unwrap_or_default();
        for address in addresses {
            if self.registry.owner(&address).is_none() {
                let state = self.state_at(now, place, &address);
                self.registry.set_state(&address, state);
                self.time_copy(&address, state);
            }
            self.moved(now, &address);
        }
    }

    /// What a row says of an address that no session here has.
    pub(super) fn copy_row(&mut self, now: Timestamp, address: &ActorAddress, row: AddressRow) {
        let Some(cluster) = &self.cluster else { return };
        let version = cluster.version_of(address);
        let state = self.state_at(now, &row.owner, address);
        self.end_log(address);
        let registration = Registration {
            version,
            capabilities: row.capabilities,
            metadata: row.metadata,
            registered_at: row.registered_at,
            ttl: row.ttl,
            principal: row.principal,
            peer: row.peer,
            renew_on_heartbeat: false,
            recovers: false,
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
        let may_live = cluster.life.lives(&known.owner) || !cluster.writes_now(now);
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
