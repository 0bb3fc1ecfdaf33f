//! What a hub with a store keeps on its disk, so that its next start finds it again
//! (docs/OPERATIONS.md). Synchronous, without a clock: when rows are written and synced is its
//! caller's to decide.
//!
//! ```
//! use std::sync::Arc;
//!
//! use signal_hub::hub::{Entry, StoredLog};
//! use signal_hub::protocol::Epoch;
//! use signal_hub::store::{Durable, Folder, Store, StoreConfig};
//!
//! # let path = std::env::temp_dir().join(format!("signal-hub-store-{}", std::process::id()));
//! let disk = Arc::new(Folder::new(&path)?);
//! let config = StoreConfig { bytes_max: 1 << 30, is_durable: true, repair: false };
//! let mut store = Store::open(disk.clone(), config)?.store;
//! let epoch = Epoch::new(uuid::Uuid::nil());
//! let log = StoredLog { epoch, last: 7, floor: 0, aged: false };
//! let row = Entry::Log("@(bob)".parse()?, Some(log));
//! store.write(&[row.clone()], Durable::Yes)?;
//! store.close()?;
//!
//! // The next start of the hub finds it; `Server::with_store` takes what was opened.
//! let opened = Store::open(disk, config)?;
//! assert_eq!(opened.entries, [row]);
//! assert!(opened.losses.is_empty());
//! # drop(opened);
//! # std::fs::remove_dir_all(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod disk;
mod error;
mod guard;
mod tables;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Builder, Database, Durability, WriteTransaction};

pub use disk::{Disk, Folder};
pub use error::StoreError;
pub use redb::{BackendError, StorageBackend};

use self::guard::{Guard, Watch};
use self::tables::{Found, Meta, Tables};
use crate::hub::Entry;

/// The format that this version writes.
const FORMAT: u64 = 1;

/// What redb may hold in memory; the hub itself holds all rows.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// Bytes of rows from which on it is full.
    pub bytes_max: u64,
    /// Whether every row is synced before anybody hears of it. Otherwise an end that is not in order
    /// ends all epochs.
    pub is_durable: bool,
    /// Whether to begin anew where the store cannot be read.
    pub repair: bool,
}

/// Whether a write must be on the disk when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// It is, and all before it.
    Yes,
    /// It may be lost, with all since the last that is durable.
    No,
}

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Its rows: addresses, subscriptions, logs, kept messages.
    pub entries: Vec<Entry>,
    /// What was lost, and why, for people.
    pub losses: Vec<String>,
}

/// The rows of one hub on its disk. Dropped without [`Store::close`], it did not end in order.
#[derive(Debug)]
pub struct Store {
    database: Database,
    watch: Arc<Watch>,
    bytes: u64,
    bytes_max: u64,
}

impl Store {
    /// Opens what lies on the disk, or an empty store if there is none.
    ///
    /// # Errors
    /// If it is in use, damaged, of a later version, or the disk fails.
    pub fn open(disk: Arc<dyn Disk>, config: StoreConfig) -> Result<Opened, StoreError> {
        match Self::open_once(&disk, config) {
            Err(StoreError::Damaged { file, what }) if config.repair => {
                let aside = disk.set_aside().map_err(|error| StoreError::Io {
                    operation: "set aside",
                    name: file.clone(),
                    error: error.to_string(),
                })?;
                let mut opened = Self::open_once(&disk, config)?;
                let loss = format!(
                    "{file} could not be read ({what}): it lies in {aside} now, and the store begins empty"
                );
                opened.losses.insert(0, loss);
                Ok(opened)
            }
            opened => opened,
        }
    }

    fn open_once(disk: &Arc<dyn Disk>, config: StoreConfig) -> Result<Opened, StoreError> {
        let watch = Arc::new(Watch::new(Arc::clone(disk)));
        let database = open_database(disk, &watch)?;
        watch.keep_ballast()?;
        let mut losses = Vec::new();
        let transaction = begin(&database, Durable::Yes).map_err(|error| watch.explain(error))?;
        let found = bring_up(&transaction, config, &mut losses);
        let Found { entries, bytes } = found.map_err(|error| error.explain(&watch))?;
        transaction.commit().map_err(|error| watch.explain(error.into()))?;
        let store = Self { database, watch, bytes, bytes_max: config.bytes_max };
        Ok(Opened { store, entries, losses })
    }

    /// Writes rows: all of them or, if it fails or the process ends, none.
    ///
    /// # Errors
    /// If the disk fails. Then the store takes nothing more.
    pub fn write(&mut self, entries: &[Entry], durable: Durable) -> Result<(), StoreError> {
        let written = (|| {
            let transaction = begin(&self.database, durable)?;
            let mut bytes = self.bytes;
            let mut tables = Tables::open(&transaction)?;
            entries.iter().try_for_each(|entry| tables.write(entry, &mut bytes))?;
            drop(tables);
            transaction.commit()?;
            Ok(bytes)
        })();
        self.bytes = written.map_err(|error| self.watch.explain(error))?;
        Ok(())
    }

    /// Ends it in order: all that was written is on the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn close(self) -> Result<(), StoreError> {
        let closed = (|| {
            let transaction = begin(&self.database, Durable::Yes)?;
            Meta::open(&transaction)?.set("clean", "yes")?;
            transaction.commit()?;
            self.database.close()?;
            Ok(())
        })();
        closed.map_err(|error| self.watch.explain(error))
    }

    /// Returns whether it has room for nothing but changes and removals.
    pub fn is_full(&self) -> bool {
        self.watch.is_out_of_room() || self.bytes >= self.bytes_max
    }

    /// Returns whether the disk ran out of room, so that [`Store::regain_room`] may help.
    pub fn is_out_of_room(&self) -> bool {
        self.watch.is_out_of_room()
    }

    /// Looks whether a disk that ran out of room has some again.
    pub fn regain_room(&mut self) {
        // If not, or if the disk fails, the next write tells.
        let _ = self.watch.keep_ballast();
    }

    /// Bytes of its rows; the file is larger.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A panic of redb over a file that makes no sense is one more kind of damage.
fn open_database(disk: &Arc<dyn Disk>, watch: &Arc<Watch>) -> Result<Database, StoreError> {
    let backend = disk.open().map_err(|error| StoreError::Io {
        operation: "open",
        name: disk.name(),
        error: error.to_string(),
    })?;
    let guard = Guard::new(backend, Arc::clone(watch));
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        builder.create_with_backend(guard)
    }));
    match opened {
        Ok(database) => database.map_err(|error| watch.explain(error.into())),
        Err(_) => Err(watch.damaged("its pages contradict each other")),
    }
}

fn begin(database: &Database, durable: Durable) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    let durability = match durable {
        Durable::Yes => Durability::Immediate,
        Durable::No => Durability::None,
    };
    transaction.set_durability(durability)?;
    Ok(transaction)
}

/// Reads everything, and begins another life of the store.
fn bring_up(
    transaction: &WriteTransaction,
    config: StoreConfig,
    losses: &mut Vec<String>,
) -> Result<Found, error::Unreadable> {
    let mut meta = Meta::open(transaction)?;
    if let Some(format) = meta.get("format")? {
        match format.parse::<u64>() {
            Ok(known @ 1..=FORMAT) => migrate(known),
            Ok(0) => return Err(error::Unreadable::Row("there is no format 0".to_owned())),
            Ok(_) | Err(_) => {
                let by = meta.get("written_by")?.unwrap_or_default();
                return Err(error::Unreadable::Newer { format, by });
            }
        }
    }
    let ended_well = meta.get("clean")?.is_none_or(|clean| clean == "yes");
    let was_durable = meta.get("durable")?.is_none_or(|durable| durable == "yes");
    let mut tables = Tables::open(transaction)?;
    let why = if config.repair {
        Some("after a repair nobody can tell which numbers were handed out")
    } else {
        (!ended_well && !was_durable)
            .then_some("the hub did not end in order while it synced nothing")
    };
    if let Some(why) = why {
        let logs = tables.end_epochs()?;
        losses.push(format!("{why}: {logs} logs ended, with the messages they kept"));
    }
    let found = tables.read(config.repair, losses)?;
    drop(tables);
    meta.set("format", &FORMAT.to_string())?;
    meta.set("written_by", env!("CARGO_PKG_VERSION"))?;
    meta.set("durable", if config.is_durable { "yes" } else { "no" })?;
    meta.set("clean", "no")?;
    Ok(found)
}

/// Brings rows of an earlier format to this one. There is none yet.
fn migrate(from: u64) {
    debug_assert_eq!(from, FORMAT, "no format was ever written but this one");
}
