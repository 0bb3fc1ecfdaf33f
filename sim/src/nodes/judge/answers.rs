//! What hubs answer: to each request once, and truly.

use std::time::Duration;

use signal_hub::cluster::engine::Revision;
use signal_hub::cluster::{AddressRow, NodeRow};
use signal_hub::hub::SessionKey;
use signal_hub::protocol::{ActorAddress, DeliveryStatus, ErrorCode, MessageId, Reply};

use super::{Judge, REVISION_BITS, Violation, Written, leaves, number_of};
use crate::invariants::Invariant;
use crate::nodes::moves::Word;
use crate::nodes::talk;

/// A send to another node is answered in less.
const ANSWERED_IN: Duration = Duration::from_secs(3);

impl Judge {
    pub(super) fn replied(
        &mut self,
        key: SessionKey,
        id: &MessageId,
        reply: &Reply,
        now: Duration,
    ) -> Result<(), Violation> {
        let Some(client) = self.clients.get_mut(&key) else { return Ok(()) };
        let Some(word) = client.asked.remove(id) else {
            return Err(Violation::new(
                Invariant::I24,
                format!("{key} gets a second reply to {id}"),
            ));
        };
        // What it asked since may have changed them again.
        let changes = |word: &Option<Word>| {
            matches!(word, Some(Word::Subscribe | Word::Unsubscribe | Word::Unregister))
        };
        let changes = client.asked.values().any(changes);
        match reply {
            Reply::Registered(told) => {
                (client.registered, client.may_have) = (Some(told.version), false);
                client.leaves = client.asked.values().any(leaves);
                self.leaving.remove(&client.actor);
                let topics = (!changes).then_some(told.subscriptions.len());
                self.registered(key, told.version, &told.actor_address, topics)?;
                self.read_from(key, number_of(id), told.recovery.as_ref(), now)?;
            }
            Reply::Unregistered(_) => client.registered = None,
            Reply::Error(refusal) => {
                // Nobody knows: it may or may not have it.
                if word == Some(Word::Unregister) && refusal.code == ErrorCode::Timeout {
                    client.registered = None;
                }
                let registers = matches!(word, Some(Word::Register | Word::Recover));
                // Or it had it, and lost it before it could hear of that.
                let doubts = [ErrorCode::Timeout, ErrorCode::Unauthorized];
                client.may_have |= registers && doubts.contains(&refusal.code);
                self.saw(refusal.code.as_str());
            }
            Reply::DeliveryAck(told) => {
                let is_delivered = told.status == DeliveryStatus::Delivered;
                self.saw(if is_delivered { "a send was delivered" } else { "a send was queued" });
                if let Some(Word::Send(to)) = word {
                    self.accepted(to, number_of(id), now);
                }
            }
            Reply::Published(told) => {
                self.counted(key, number_of(id), told)?;
            }
            Reply::ActorList(told) => self.assembly.lists(number_of(id), told),
            Reply::UnknownActor(_) => self.is_nobodys(key, word, now)?,
            _ => {}
        }
        let number = number_of(id);
        if self.probes.contains(&number) && !matches!(reply, Reply::DeliveryAck(_)) {
            let what = format!("when all is well, {key} sends {word:?} and hears {reply:?}");
            return Err(Violation::new(Invariant::L4, what));
        }
        Ok(())
    }

    /// Whoever has an address by rows that each hub that serves has seen is nobody's for none (I25).
    pub(super) fn is_nobodys(
        &self,
        key: SessionKey,
        word: Option<Word>,
        now: Duration,
    ) -> Result<(), Violation> {
        let Some(Word::Send(to)) = word else { return Ok(()) };
        let address = talk::address(to);
        let latest = self.log.get(&address).and_then(|history| history.last());
        let Some(Written { at, row: Some(row), .. }) = latest else { return Ok(()) };
        let lives = |known: &NodeRow| known.alive && known.epoch == row.owner.epoch;
        let is_there = !row.detached && self.nodes.get(&row.owner.node).is_some_and(lives);
        if !is_there || self.leaving.contains(&to) || now < *at + self.lease + ANSWERED_IN {
            return Ok(());
        }
        let what = format!("{key} is told that nobody has {address}, which {} has", row.owner);
        Err(Violation::new(Invariant::I25, what))
    }

    /// Its row says so, no other registration has this version, and its topics are the row's (I1, I2, I14, I49).
    pub(super) fn registered(
        &mut self,
        key: SessionKey,
        version: u64,
        address: &ActorAddress,
        topics: Option<usize>,
    ) -> Result<(), Violation> {
        let revision = Revision(version & ((1 << REVISION_BITS) - 1));
        let history = self.log.get(address).map(Vec::as_slice).unwrap_or_default();
        let rows =
            history.iter().filter_map(|written| Some((written.revision, written.row.as_ref()?)));
        let generation = version >> REVISION_BITS;
        let is_it = |(at, row): &(Revision, &AddressRow)| {
            row.version(*at) == revision && row.generation == generation
        };
        let of_version = rows.filter(is_it);
        let mut of_version = of_version.peekable();
        if of_version.peek().is_none() {
            if self.generation_lost {
                let client = self.clients.get_mut(&key);
                client.into_iter().for_each(|client| client.registered = Some(u64::MAX));
                return Ok(());
            }
            let what = format!("{key} is told version {version} of {address}, which no row has");
            return Err(Violation::new(Invariant::I49, what));
        }
        if !of_version.any(|(_, row)| topics.is_none_or(|topics| row.topics.len() == topics)) {
            let what =
                format!("{key} is told {topics:?} topics of {address}, and its row has others");
            return Err(Violation::new(Invariant::I14, what));
        }
        if !self.versions.entry(address.clone()).or_default().insert(version) {
            let what = format!("version {version} of {address} is told twice");
            return Err(Violation::new(Invariant::I2, what));
        }
        Ok(())
    }
}
