//! The logs of all recovering addresses, within a bound for the hub: whoever has most gives way.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use super::log::{Kept, Log, Lost};
use super::{Table, Touched};
use crate::hub::{Config, weights};
use crate::protocol::ActorAddress;

/// Bytes by which a log has to grow to change its rank: few messages move it to another place.
const RANK_STEP: usize = 4096;

#[derive(Debug, Clone)]
pub(crate) struct Logs {
    of: Table<ActorAddress, Box<Log>>,
    /// How many messages are kept.
    messages: usize,
    /// What they weigh.
    bytes: usize,
    /// The logs that can give way, by size.
    ranks: BTreeSet<(usize, ActorAddress)>,
    pub touched: Touched<ActorAddress>,
}

impl Logs {
    /// `secret` is the hub's key for the places of addresses.
    pub fn new(secret: [u8; 16]) -> Self {
        let (ranks, touched) = (BTreeSet::new(), Touched::default());
        Self { of: Table::new(secret), messages: 0, bytes: 0, ranks, touched }
    }

    pub fn get(&self, address: &ActorAddress) -> Option<&Log> {
        self.of.get(address).map(Box::as_ref)
    }

    /// The addresses that have a log, in order.
    pub fn addresses(&self) -> impl Iterator<Item = &ActorAddress> {
        self.of.sorted().into_iter().map(|(address, _)| address)
    }

    pub fn is_empty(&self) -> bool {
        self.of.len() == 0
    }

    /// How many messages all logs keep.
    pub fn kept_messages(&self) -> usize {
        self.messages
    }

    /// What these weigh.
    pub fn kept_bytes(&self) -> usize {
        self.bytes
    }

    /// The weight of all logs.
    pub fn bytes(&self) -> usize {
        self.bytes + self.of.len() * weights::LOG
    }

    /// The address has no log before.
    pub fn insert(&mut self, address: &ActorAddress, log: Log) {
        self.touched.note(address.clone());
        self.messages += log.len();
        self.bytes += log.bytes();
        if let Some(rank) = rank(&log) {
            self.ranks.insert((rank, address.clone()));
        }
        self.of.insert(address.clone(), Box::new(log));
    }

    pub fn remove(&mut self, address: &ActorAddress) -> Option<Log> {
        let log = self.of.remove(address)?;
        self.touched.note(address.clone());
        if let Some(rank) = rank(&log) {
            self.ranks.remove(&(rank, address.clone()));
        }
        self.messages -= log.len();
        self.bytes -= log.bytes();
        Some(*log)
    }

    /// Changes a log.
    pub fn change<R>(
        &mut self,
        address: &ActorAddress,
        change: impl FnOnce(&mut Log) -> R,
    ) -> Option<R> {
        let log = self.of.get_mut(address)?;
        self.touched.note(address.clone());
        let (rank_before, messages_before, bytes_before) = (rank(log), log.len(), log.bytes());
        let changed = change(log);
        self.messages = self.messages - messages_before + log.len();
        self.bytes = self.bytes - bytes_before + log.bytes();
        let rank_after = rank(log);
        if rank_before != rank_after {
            if let Some(rank) = rank_before {
                self.ranks.remove(&(rank, address.clone()));
            }
            if let Some(rank) = rank_after {
                self.ranks.insert((rank, address.clone()));
            }
        }
        Some(changed)
    }

    /// Makes room for a message in its log and in the hub. Returns whether there is room now;
    /// `lost` gets what gave way.
    pub fn make_room(
        &mut self,
        address: &ActorAddress,
        weight: usize,
        config: &Config,
        lost: &mut Vec<(ActorAddress, Kept)>,
    ) -> bool {
        if weight > config.recovery_bytes_max.min(config.recovery_total_bytes_max) {
            return false;
        }
        while !self.get(address).is_some_and(|log| log.has_room(weight, config)) {
            if !self.lose_oldest(address, lost) {
                return false;
            }
        }
        self.make_total_room(weight, config, lost)
    }

    /// Makes room for so much more in the hub. Returns whether there is room now.
    pub fn make_total_room(
        &mut self,
        weight: usize,
        config: &Config,
        lost: &mut Vec<(ActorAddress, Kept)>,
    ) -> bool {
        while self.bytes + weight > config.recovery_total_bytes_max {
            let Some((_, most)) = self.ranks.last().cloned() else { return false };
            self.lose_oldest(&most, lost);
        }
        true
    }

    fn lose_oldest(
        &mut self,
        address: &ActorAddress,
        lost: &mut Vec<(ActorAddress, Kept)>,
    ) -> bool {
        let oldest = self.change(address, |log| log.lose_oldest(Lost::Crowded)).flatten();
        let gave_way = oldest.is_some();
        lost.extend(oldest.map(|kept| (address.clone(), kept)));
        gave_way
    }
}

/// The rank of a log that can give way.
fn rank(log: &Log) -> Option<usize> {
    (log.len() > 0 && log.cursor().is_none()).then(|| log.bytes() / RANK_STEP)
}

/// Leaves out what follows from the logs.
impl Hash for Logs {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (address, log) in self.of.sorted() {
            (address, log.last, log.floor(), log.position()).hash(state);
            log.after(0).for_each(|kept| (kept.seq, kept.lived, kept.owed).hash(state));
        }
    }
}
