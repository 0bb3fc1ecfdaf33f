//! Writes of rows, one at a time for each address. One whose outcome is unknown is repeated as it was until it is
//! known, since its expectation lets it be carried out at most once.

use bytes::Bytes;

use super::{Cluster, Known, Timer, readable};
use crate::cluster::engine::{RequestId, Revision, Unanswered, WriteOutcome};
use crate::cluster::{AddressRow, ClaimId, Format, RowKey};
use crate::hub::state::{Registration, RegistrationState};
use crate::hub::{Hub, SessionKey};
use crate::protocol::{ActorAddress, Refusal, SubscriptionId, Topic};
use crate::time::Timestamp;

/// A row that is being written.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    /// What is under way.
    asked: Option<RequestId>,
    expected: Option<Revision>,
    /// None: there is to be no row.
    pub row: Option<AddressRow>,
    why: Why,
    /// Whether a try may have been carried out.
    is_unsure: bool,
    tries: u32,
    retry_at: Option<Timestamp>,
}

/// Why a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// What it says changed here.
    Changed,
    /// A session claims the address.
    Claimed(SessionKey),
    /// The address of a node that leaves comes here.
    Adopted,
}

impl Why {
    fn claimant(self) -> Option<SessionKey> {
        match self {
            Why::Claimed(claimant) => Some(claimant),
            Why::Changed | Why::Adopted => None,
        }
    }
}

impl Writing {
    /// Returns whether the row is what it writes.
    pub fn is_shown_by(&self, row: &AddressRow) -> bool {
        self.row.as_ref().is_some_and(|own| own.claim == row.claim)
    }
}

impl Cluster {
    pub(super) fn note(&mut self, address: &ActorAddress, known: Known) {
        self.forget(address);
        self.at.entry(known.owner.clone()).or_default().insert(address.clone());
        self.rows.insert(address.clone(), known);
    }

    pub(super) fn forget(&mut self, address: &ActorAddress) {
        let Some(known) = self.rows.remove(address) else { return };
        if let Some(there) = self.at.get_mut(&known.owner) {
            there.remove(address);
            if there.is_empty() {
                self.at.remove(&known.owner);
            }
        }
    }

    /// What was under way means nothing any longer; who claimed claims again.
    pub fn drop_writes(&mut self) {
        self.asked.clear();
        for (address, writing) in std::mem::take(&mut self.writes) {
            self.timers.disarm(&Timer::Retry(address.clone()));
            match writing.why.claimant() {
                Some(claimant) => self.claims_again(&address, claimant),
                None => _ = self.unsettled.insert(address),
            }
        }
    }

    /// The row of the address is written no longer.
    pub(super) fn end_write(&mut self, address: &ActorAddress) -> Option<Writing> {
        self.timers.disarm(&Timer::Retry(address.clone()));
        self.writes.remove(address)
    }

    /// Before all others that wait for the address.
    pub(super) fn claims_again(&mut self, address: &ActorAddress, claimant: SessionKey) {
        self.claimants.entry(address.clone()).or_default().push_front(claimant);
        self.unsettled.insert(address.clone());
    }

    /// The version as clients see it: the revision, with the number of times that the engine lost its rows above.
    pub fn version_of(&self, address: &ActorAddress) -> u64 {
        const REVISION_BITS: u32 = 43;
        let revision = self.rows.get(address).map_or(0, |known| known.version.0);
        self.generation << REVISION_BITS | revision
    }

    /// Sends the write, and what it expects is what is known now.
    fn send_write(&mut self, address: &ActorAddress, expected: Option<Revision>) {
        let Some(writing) = self.writes.get_mut(address) else { return };
        (writing.expected, writing.retry_at) = (expected, None);
        let value = writing.row.as_ref().map(AddressRow::encode);
        let key = RowKey::Address(address.clone()).encode();
        let id = self.requests.write(key, expected, value);
        writing.asked = Some(id);
        self.asked.insert(id, address.clone());
    }

    fn retry_later(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(writing) = self.writes.get_mut(address) else { return };
        let at = now + self.config.retry_interval;
        writing.retry_at = Some(at);
        self.timers.arm(Timer::Retry(address.clone()), at);
    }

    fn revision_of(&self, address: &ActorAddress) -> Option<Revision> {
        self.rows.get(address).map(|known| known.revision)
    }
}

impl Hub {
    /// Begins what is next for the row of an address, if nothing is under way: what its session changed, or a claim.
    pub(super) fn go_on_with(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &self.cluster else { return };
        if cluster.writes.contains_key(address) || cluster.is_fetching(address) {
            return;
        }
        match self.unwritten(address) {
            Some(row) => self.write_row(address, row, Why::Changed),
            None => {
                self.release_withheld(now, address);
                self.begin_claim(now, address);
                self.begin_adoption(address);
            }
        }
    }

    /// What the row should be, if that is this node's to say.
    fn wish(&self, address: &ActorAddress) -> Option<Option<AddressRow>> {
        let cluster = self.cluster.as_ref()?;
        let known = cluster.rows.get(address);
        let Some(registration) = self.registry.get(address) else {
            let is_left =
                |known: &&Known| !cluster.life.lives(&known.owner) || cluster.has(address);
            return known.filter(is_left).map(|_| None);
        };
        match registration.state {
            RegistrationState::Live { .. } => Some(Some(self.row_of(address, registration, false))),
            RegistrationState::Detached { .. } if cluster.has(address) => {
                Some(Some(self.row_of(address, registration, true)))
            }
            RegistrationState::Detached { .. } | RegistrationState::Elsewhere => None,
        }
    }

    pub(super) fn row_of(
        &self,
        address: &ActorAddress,
        registration: &Registration,
        detached: bool,
    ) -> AddressRow {
        let cluster = self.cluster.as_ref().expect("only a node writes rows");
        let since = cluster.rows.get(address).filter(|_| cluster.has(address));
        AddressRow {
            format: Format,
            owner: cluster.life.place(),
            claim: ClaimId(0),
            since: since.map(|known| known.version),
            generation: cluster.generation,
            detached,
            recovers: registration.recovers,
            capabilities: registration.capabilities.clone(),
            metadata: registration.metadata.clone(),
            registered_at: registration.registered_at,
            ttl: registration.ttl,
            principal: registration.principal.clone(),
            peer: registration.peer,
            topics: self.topics_of(address),
        }
    }

    /// Begins to write a row.
    pub(super) fn write_row(&mut self, address: &ActorAddress, row: Option<AddressRow>, why: Why) {
        let claim = ClaimId(self.ids.fresh().as_u64_pair().0 >> 1);
        let Some(cluster) = &mut self.cluster else { return };
        let row = row.map(|row| AddressRow { claim, ..row });
        let expected = cluster.revision_of(address);
        let writing =
            Writing { asked: None, expected, row, why, is_unsure: false, tries: 0, retry_at: None };
        cluster.writes.insert(address.clone(), writing);
        cluster.send_write(address, expected);
    }

    /// A write of an address's row is answered.
    pub(super) fn row_written(&mut self, now: Timestamp, id: RequestId, outcome: WriteOutcome) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(address) = cluster.asked.remove(&id) else { return };
        let known = cluster.revision_of(&address);
        let Some(writing) = cluster.writes.get_mut(&address) else { return };
        if writing.asked != Some(id) {
            return;
        }
        writing.asked = None;
        match outcome {
            // The watch is past it, and did not show it: others have written since.
            WriteOutcome::Done(revision) if revision <= cluster.shown && writing.row.is_some() => {
                self.came_too_late(now, &address)
            }
            WriteOutcome::Done(revision) => self.done(now, &address, revision),
            WriteOutcome::Conflict if known != writing.expected => self.conflict(now, &address),
            WriteOutcome::Conflict => {
                let id = cluster.requests.read(RowKey::Address(address.clone()).encode());
                writing.asked = Some(id);
                cluster.asked.insert(id, address);
            }
            WriteOutcome::Unknown => {
                writing.is_unsure = true;
                cluster.retry_later(now, &address);
            }
        }
    }

    /// A read of an address's row is answered. It may be ahead of the watch, or old.
    pub(super) fn row_read(
        &mut self,
        now: Timestamp,
        id: RequestId,
        row: Result<Option<(Revision, Bytes)>, Unanswered>,
    ) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(address) = cluster.asked.remove(&id) else { return };
        let Some(writing) = cluster.writes.get_mut(&address) else { return };
        if writing.asked != Some(id) {
            return;
        }
        writing.asked = None;
        if let Ok(Some((revision, text))) = row
            && revision > cluster.shown
            && let Some(row) = readable(AddressRow::decode(&text), &mut cluster.figures.rows_unread)
        {
            self.learn(now, &address, revision, Some(row));
        }
        self.conflict(now, &address);
    }

    /// The row is not what was expected. Where that is news, the write is tried again or means nothing any longer.
    fn conflict(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let known = cluster.revision_of(address);
        let Some(writing) = cluster.writes.get_mut(address) else { return };
        writing.tries += 1;
        let (is_unsure, has_moved) = (writing.is_unsure, writing.expected != known);
        let Some(claimant) = writing.why.claimant() else {
            if has_moved {
                cluster.end_write(address);
                return self.unsettle(address);
            }
            return cluster.retry_later(now, address);
        };
        if is_unsure && has_moved {
            // It may have been carried out, and what the row says now come after it.
            cluster.end_write(address);
            self.end_claim(now, claimant, address, Err(Refusal::unknown_outcome()));
        } else if writing.tries > cluster.config.claim_tries_max {
            let wait = cluster.config.renew_interval;
            cluster.end_write(address);
            self.end_claim(now, claimant, address, Err(Refusal::unavailable(wait)));
        } else if has_moved {
            cluster.end_write(address);
            cluster.claims_again(address, claimant);
        } else {
            cluster.retry_later(now, address);
        }
    }

    /// The row is written.
    pub(super) fn done(&mut self, now: Timestamp, address: &ActorAddress, revision: Revision) {
        let Some(cluster) = &mut self.cluster else { return };
        if cluster.revision_of(address).is_some_and(|known| known > revision) {
            return self.came_too_late(now, address);
        }
        let Some(writing) = cluster.end_write(address) else { return };
        cluster.unsettled.insert(address.clone());
        let Some(row) = writing.row else { return cluster.forget(address) };
        let (known, before) = (Known::of(&row, revision), cluster.rows.get(address).cloned());
        cluster.note(address, Known { written: Some(Box::new(row)), ..known });
        let version = cluster.version_of(address);
        match writing.why {
            Why::Claimed(claimant) => self.claimed(now, Some(claimant), address, before),
            Why::Adopted => self.claimed(now, None, address, before),
            Why::Changed => self.registry.set_version(address, version),
        }
    }

    /// The row was written, and others have written it since.
    fn came_too_late(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let Some(writing) = cluster.end_write(address) else { return };
        cluster.unsettled.insert(address.clone());
        if let Some(claimant) = writing.why.claimant() {
            self.end_claim(now, claimant, address, Err(Refusal::unknown_outcome()));
        }
    }

    /// The row of an address as it is to be written, if it does not say so already.
    pub(super) fn unwritten(&self, address: &ActorAddress) -> Option<Option<AddressRow>> {
        let known = self.cluster.as_ref().and_then(|cluster| cluster.rows.get(address));
        let written = known.and_then(|known| known.written.as_deref());
        self.wish(address).filter(|wish| match (written, wish) {
            (Some(written), Some(row)) => !says_the_same(written, row),
            _ => true,
        })
    }

    /// Tries again what nobody answered.
    pub(super) fn retry_write(&mut self, now: Timestamp, address: &ActorAddress) {
        let Some(cluster) = &mut self.cluster else { return };
        let acts = cluster.writes_now(now);
        let Some(writing) = cluster.writes.get(address) else { return };
        let (expected, is_due) = (writing.expected, writing.retry_at.is_some_and(|at| at <= now));
        if is_due && acts {
            cluster.send_write(address, expected);
        } else if is_due {
            cluster.retry_later(now, address);
        }
    }

    pub(super) fn topics_of(&self, address: &ActorAddress) -> Vec<(Topic, SubscriptionId)> {
        let topics = self.topics.of(address);
        let with_id = topics.filter_map(|topic| {
            let subscription = self.topics.subscription(address, topic)?;
            Some((topic.clone(), subscription.id))
        });
        with_id.collect()
    }
}

/// Returns whether two rows of one owner differ in nothing but who wrote them when.
fn says_the_same(known: &AddressRow, row: &AddressRow) -> bool {
    let (claim, since, registered_at) = (row.claim, row.since, row.registered_at);
    let known = AddressRow { claim, since, registered_at, ..known.clone() };
    known == *row
}
