//! The store of the scenario's hub, on the disk of its machine.

use std::io;
use std::sync::Arc;

use dst::disk::{Disk, DiskFile};
use signal_hub::hub::Entry;
use signal_hub::server::{Keeper, StoreSync};
use signal_hub::store::{self, Opened, StorageBackend, Store, StoreConfig, StoreError};

use crate::scenario::Scenario;

/// What the hub of the scenario finds at a start, if it has a store.
///
/// # Errors
/// If what lies on the disk cannot be opened.
pub fn open(scenario: &Scenario, disk: &Disk) -> Result<Option<(Opened, StoreSync)>, StoreError> {
    let Some(store) = &scenario.clients.store else { return Ok(None) };
    let config = StoreConfig {
        bytes_max: store.bytes_max,
        is_durable: store.sync.is_durable(),
        repair: false,
    };
    let opened = Store::open(Arc::new(Machine(disk.clone())), config)?;
    Ok(Some((opened, store.sync)))
}

/// The same for whoever drives the store itself.
///
/// # Errors
/// If what lies on the disk cannot be opened.
pub fn keep(scenario: &Scenario, disk: &Disk) -> Result<Option<(Keeper, Vec<Entry>)>, StoreError> {
    Ok(open(scenario, disk)?.map(|(opened, sync)| Keeper::new(opened, sync)))
}

/// The disk as the store wants it.
#[derive(Debug)]
struct Machine(Disk);

impl store::Disk for Machine {
    fn name(&self) -> String {
        "the hub's disk".to_owned()
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(File(self.0.open())))
    }

    fn keep_ballast(&self) -> io::Result<()> {
        self.0.keep_ballast()
    }

    fn release_ballast(&self) -> io::Result<()> {
        self.0.release_ballast();
        Ok(())
    }

    fn set_aside(&self) -> io::Result<String> {
        unreachable!("only a repair sets anything aside")
    }
}

#[derive(Debug)]
struct File(DiskFile);

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
