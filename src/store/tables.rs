//! The tables of a store and the rows in them.

use std::collections::BTreeSet;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Unreadable;
use crate::hub::{Entry, StoredLog};
use crate::protocol::{ActorAddress, Topic};

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
pub(super) const ADDRESSES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("addresses");
const SUBSCRIPTIONS: TableDefinition<'_, (&str, &str), &[u8]> =
    TableDefinition::new("subscriptions");
const LOGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("logs");
const KEPT: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("kept");

/// What a row takes beyond its value, about.
const ROW_BYTES: u64 = 64;

/// What the store says of itself.
pub(super) struct Meta<'t>(Table<'t, &'static str, &'static str>);

impl<'t> Meta<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self(transaction.open_table(META)?))
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<String>, redb::Error> {
        Ok(self.0.get(name)?.map(|value| value.value().to_owned()))
    }

    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), redb::Error> {
        self.0.insert(name, value)?;
        Ok(())
    }
}

/// What lies in a store.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) bytes: u64,
}

/// The tables in one transaction.
pub(super) struct Tables<'t> {
    addresses: Table<'t, &'static str, &'static [u8]>,
    subscriptions: Table<'t, (&'static str, &'static str), &'static [u8]>,
    logs: Table<'t, &'static str, &'static [u8]>,
    kept: Table<'t, (&'static str, u64), &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            addresses: transaction.open_table(ADDRESSES)?,
            subscriptions: transaction.open_table(SUBSCRIPTIONS)?,
            logs: transaction.open_table(LOGS)?,
            kept: transaction.open_table(KEPT)?,
        })
    }

    /// Makes a row what the entry says, and counts its `bytes`.
    pub(super) fn write(&mut self, entry: &Entry, bytes: &mut u64) -> Result<(), redb::Error> {
        match entry {
            Entry::Address(address, row) => {
                put(&mut self.addresses, address.as_str(), row.as_ref(), bytes)
            }
            Entry::Subscription(address, topic, row) => {
                let key = (address.as_str(), topic.as_str());
                put(&mut self.subscriptions, key, row.as_ref(), bytes)
            }
            Entry::Log(address, row) => {
                self.end_kept(address, row.as_ref(), bytes)?;
                put(&mut self.logs, address.as_str(), row.as_ref(), bytes)
            }
            Entry::Kept(address, message) => {
                let key = (address.as_str(), message.seq.get());
                put(&mut self.kept, key, Some(message), bytes)
            }
        }
    }

    /// The kept messages that are none of this log.
    fn end_kept(
        &mut self,
        address: &ActorAddress,
        log: Option<&StoredLog>,
        bytes: &mut u64,
    ) -> Result<(), redb::Error> {
        let address = address.as_str();
        let old = self.logs.get(address)?.and_then(|row| read::<StoredLog>(row.value()).ok());
        let until = match (log, old) {
            (Some(log), Some(old)) if log.epoch == old.epoch => log.floor,
            _ => u64::MAX,
        };
        self.kept.retain_in((address, 0)..=(address, until), |_, row| {
            *bytes = bytes.saturating_sub(size(row));
            false
        })?;
        Ok(())
    }

    /// Ends all logs with what they kept; how many there were.
    pub(super) fn end_epochs(&mut self) -> Result<u64, redb::Error> {
        let mut logs = 0;
        self.logs.retain(|_, _| {
            logs += 1;
            false
        })?;
        self.kept.retain(|_, _| false)?;
        Ok(logs)
    }

    /// Every row. One that says nothing is an error, or a loss where the store is repaired.
    pub(super) fn read(
        &mut self,
        repair: bool,
        losses: &mut Vec<String>,
    ) -> Result<Found, Unreadable> {
        let mut reader = Reader::default();
        for row in self.addresses.iter()? {
            let (key, row) = row?;
            let at = |address, row| Entry::Address(address, Some(row));
            reader.take("addresses", key.value(), row.value(), at);
        }
        for row in self.subscriptions.iter()? {
            let (key, row) = row?;
            let (address, topic) = key.value();
            match Topic::parse(topic) {
                Ok(topic) => {
                    let at = |address, row| Entry::Subscription(address, topic, Some(row));
                    reader.take("subscriptions", address, row.value(), at);
                }
                Err(why) => reader.lose("subscriptions", address, &why),
            }
        }
        for row in self.logs.iter()? {
            let (key, row) = row?;
            let at = |address, row| Entry::Log(address, Some(row));
            reader.take("logs", key.value(), row.value(), at);
        }
        for row in self.kept.iter()? {
            let (key, row) = row?;
            reader.take("kept", key.value().0, row.value(), Entry::Kept);
        }
        let Reader { found, broken, first } = reader;
        let Some(first) = first else { return Ok(found) };
        if !repair {
            return Err(Unreadable::Row(first));
        }
        losses
            .push(format!("{first}: what the store had of {} addresses is dropped", broken.len()));
        self.drop_all_of(&broken)?;
        self.read(false, losses)
    }

    /// An address without one of its rows is not what it was: it begins anew.
    fn drop_all_of(&mut self, broken: &BTreeSet<String>) -> Result<(), redb::Error> {
        self.addresses.retain(|key, _| !broken.contains(key))?;
        self.subscriptions.retain(|(key, _), _| !broken.contains(key))?;
        Ok(())
    }
}

/// Sorts what can be read from what cannot.
struct Reader {
    found: Found,
    /// Addresses with a row that says nothing.
    broken: BTreeSet<String>,
    /// What is wrong with the first.
    first: Option<String>,
}

impl Default for Reader {
    fn default() -> Self {
        let found = Found { entries: Vec::new(), bytes: 0 };
        Self { found, broken: BTreeSet::new(), first: None }
    }
}

impl Reader {
    fn take<T: DeserializeOwned>(
        &mut self,
        table: &str,
        address: &str,
        row: &[u8],
        entry: impl FnOnce(ActorAddress, T) -> Entry,
    ) {
        let parsed = ActorAddress::parse(address).map_err(|why| why.to_string());
        match parsed.and_then(|address| Ok((address, read(row)?))) {
            Ok((address, value)) => {
                self.found.entries.push(entry(address, value));
                self.found.bytes += size(row);
            }
            Err(why) => self.lose(table, address, &why),
        }
    }

    fn lose(&mut self, table: &str, address: &str, why: &dyn std::fmt::Display) {
        self.broken.insert(address.to_owned());
        self.first.get_or_insert_with(|| format!("a row of {address} in {table} says: {why}"));
    }
}

fn size(row: &[u8]) -> u64 {
    row.len() as u64 + ROW_BYTES
}

fn read<T: DeserializeOwned>(row: &[u8]) -> Result<T, String> {
    serde_json::from_slice(row).map_err(|error| error.to_string())
}

fn put<'k, K: redb::Key + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'k>,
    row: Option<&impl Serialize>,
    bytes: &mut u64,
) -> Result<(), redb::Error> {
    let old = match row {
        Some(row) => {
            let text = serde_json::to_vec(row).expect("rows are JSON");
            *bytes += size(&text);
            table.insert(key, text.as_slice())?
        }
        None => table.remove(key)?,
    };
    if let Some(old) = old {
        *bytes = bytes.saturating_sub(size(old.value()));
    }
    Ok(())
}
