//! What the hub writes down for its next start, and how it begins with that.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::state::{Kept, Log, Registration, RegistrationState};
use super::{Deadline, Entry, ForgetReason, Hub, Storage, StoredAddress, StoredLog, StoredMessage};
use crate::protocol::{ActorAddress, Delivery, Refusal};
use crate::time::Timestamp;

impl Hub {
    /// From now on every input leaves its rows in the journal, or none does. A hub begins with
    /// [`Storage::Off`].
    pub fn change_storage(&mut self, storage: Storage) {
        self.storage = storage;
    }

    /// The rows that the inputs since the last call changed, in order.
    pub fn take_journal(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.journal)
    }

    pub(super) fn restore(&mut self, now: Timestamp, entries: Vec<Entry>) {
        let (mut logs, mut kept) = (Vec::new(), BTreeMap::<_, Vec<StoredMessage>>::new());
        for entry in entries {
            match entry {
                Entry::Address(address, Some(stored)) => {
                    self.restore_address(now, address, *stored)
                }
                Entry::Subscription(address, topic, Some(subscription)) => {
                    if let Some((seat, address)) = self.registry.find(&address) {
                        let address = address.clone();
                        self.topics.add(&address, seat, &topic, subscription);
                    }
                }
                Entry::Log(address, Some(stored)) => logs.push((address, stored)),
                Entry::Kept(address, message) => kept.entry(address).or_default().push(*message),
                Entry::Address(_, None) | Entry::Subscription(_, _, None) | Entry::Log(_, None) => {
                }
            }
        }
        for (address, stored) in logs {
            let kept = kept.remove(&address).unwrap_or_default();
            match self.registry.get(&address).filter(|_| self.config.recovers()).cloned() {
                Some(known) => self.restore_log(now, (address, known), stored, kept),
                // Nobody may find it at a later start.
                None => self.logs.touched.note(address),
            }
        }
        while self.registry.len() > self.config.registrations_max
            && let Some(first) = self.registry.first_to_go().cloned()
        {
            self.forget(&first, ForgetReason::Room);
        }
    }

    fn restore_address(&mut self, now: Timestamp, address: ActorAddress, stored: StoredAddress) {
        let until = if stored.dormant { Timestamp::NEVER } else { now + self.config.resume_window };
        if !stored.dormant {
            self.deadlines.arm(Deadline::Address(address.clone()), until);
        }
        let registration = Registration {
            version: stored.version,
            capabilities: stored.capabilities,
            metadata: stored.metadata,
            registered_at: stored.registered_at,
            ttl: Default::default(),
            principal: stored.principal,
            peer: stored.peer,
            renew_on_heartbeat: false,
            recovers: false,
            taken_over: stored.taken_over,
            state: RegistrationState::Detached { until },
        };
        self.registry.insert(address, registration);
    }

    /// The numbers go on. What comes after a number that is missing counts, and nothing before it.
    fn restore_log(
        &mut self,
        now: Timestamp,
        (address, known): (ActorAddress, Registration),
        stored: StoredLog,
        kept: Vec<StoredMessage>,
    ) {
        let address = &address;
        self.registry.insert(address.clone(), Registration { recovers: true, ..known });
        self.logs.insert(address, Log::restored(StoredLog { last: stored.floor, ..stored }));
        let lived = self.deadlines.lived(now);
        for message in kept.into_iter().filter(|message| message.seq.get() > stored.floor) {
            let (seq, came, owed) = (message.seq.get(), (message.at, lived), message.owed);
            self.logs.change(address, |log| log.go_on_to(seq));
            self.log(address, came, Arc::new(delivery_of(message)), owed);
        }
        self.logs.change(address, |log| log.go_on_to(stored.last + 1));
        self.time_log(address);
    }

    /// Refuses what adds rows to a full store.
    pub(super) fn check_store(&self) -> Result<(), Refusal> {
        if self.storage == Storage::Full { Err(Refusal::store_full()) } else { Ok(()) }
    }

    /// A message was numbered, and perhaps kept; or nobody is owed it any longer.
    pub(super) fn note_kept(&mut self, address: &ActorAddress, seq: Option<NonZeroU64>) {
        if self.storage != Storage::Off
            && let Some(seq) = seq
        {
            self.kept.push((address.clone(), seq));
        }
    }

    /// Writes the rows that the input touched, as they are now.
    pub(super) fn write_journal(&mut self) {
        let mut journal = std::mem::take(&mut self.journal);
        let addresses: BTreeSet<_> = self.registry.touched.iter().collect();
        let subscriptions: BTreeSet<_> = self.topics.touched.iter().collect();
        let logs: BTreeSet<_> = self.logs.touched.iter().collect();
        journal.extend(addresses.into_iter().map(|address| {
            let stored = self.registry.get(address).map(|row| self.stored_address(row));
            Entry::Address(address.clone(), stored.map(Box::new))
        }));
        journal.extend(subscriptions.into_iter().map(|(address, topic)| {
            let subscription = self.topics.subscription(address, topic);
            Entry::Subscription(address.clone(), topic.clone(), subscription)
        }));
        journal.extend(
            logs.into_iter().map(|address| {
                Entry::Log(address.clone(), self.logs.get(address).map(Log::stored))
            }),
        );
        journal.extend(self.kept.drain(..).filter_map(|(address, seq)| {
            let log = self.logs.get(&address)?;
            // What is not above the floor is gone from the store.
            let kept = log.after(log.floor().max(seq.get() - 1)).next()?;
            let stored = (kept.seq == seq).then(|| Box::new(stored_message(kept)))?;
            Some(Entry::Kept(address, stored))
        }));
        self.journal = journal;
    }

    fn stored_address(&self, row: &Registration) -> StoredAddress {
        StoredAddress {
            version: row.version,
            capabilities: row.capabilities.clone(),
            metadata: row.metadata.clone(),
            registered_at: row.registered_at,
            principal: row.principal.clone(),
            peer: row.peer,
            taken_over: row.taken_over,
            dormant: self.registry.until(row) == Timestamp::NEVER,
        }
    }
}

fn stored_message(kept: &Kept) -> StoredMessage {
    let delivery = &kept.delivery;
    StoredMessage {
        seq: kept.seq,
        at: kept.at,
        ttl: delivery.ttl,
        from: delivery.from.clone(),
        kind: delivery.kind.to_string(),
        payload: delivery.payload.clone(),
        metadata: delivery.metadata.clone(),
        route: delivery.route.clone(),
        origin: delivery.origin.clone(),
        owed: kept.owed,
    }
}

fn delivery_of(stored: StoredMessage) -> Delivery {
    let StoredMessage { from, kind, payload, metadata, route, origin, ttl, .. } = stored;
    Delivery::new(from, kind, payload, metadata, route, origin, ttl)
}

#[cfg(test)]
mod tests;
