//! Stands between redb, to which every error is the last, and the disk, which may only lack room.

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::disk::Disk;
use super::error::StoreError;

/// The state of the disk, for redb's side and for ours.
#[derive(Debug)]
pub(super) struct Watch {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    has_ballast: bool,
    /// What failed first, and with what.
    failure: Option<(&'static str, String)>,
}

impl Watch {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        // While the store is opened, there is a ballast to release if the last life left one.
        Self { disk, state: Mutex::new(State { has_ballast: true, failure: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> String {
        self.disk.name()
    }

    pub(super) fn failure(&self) -> Option<(&'static str, String)> {
        self.state().failure.clone()
    }

    pub(super) fn is_out_of_room(&self) -> bool {
        !self.state().has_ballast
    }

    /// Takes the ballast's room if there is some; a disk that has none is no error.
    pub(super) fn keep_ballast(&self) -> Result<(), StoreError> {
        let kept = self.disk.keep_ballast();
        self.state().has_ballast = kept.is_ok();
        match kept {
            Err(error) if !lacks_room(&error) => Err(StoreError::Io {
                operation: "take room beside",
                name: self.name(),
                error: error.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn release_ballast(&self) -> bool {
        let mut state = self.state();
        std::mem::take(&mut state.has_ballast) && self.disk.release_ballast().is_ok()
    }

    fn note<T>(&self, operation: &'static str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            self.state().failure.get_or_insert_with(|| (operation, error.to_string()));
        })
    }
}

fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The disk as redb sees it.
#[derive(Debug)]
pub(super) struct Guard {
    backend: Box<dyn StorageBackend>,
    watch: Arc<Watch>,
}

impl Guard {
    pub(super) fn new(backend: Box<dyn StorageBackend>, watch: Arc<Watch>) -> Self {
        Self { backend, watch }
    }

    /// What lacks room is tried once more in that of the ballast.
    fn with_ballast(
        &self,
        operation: &'static str,
        attempt: impl Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let result = match attempt() {
            Err(error) if lacks_room(&error) && self.watch.release_ballast() => attempt(),
            result => result,
        };
        self.watch.note(operation, result)
    }
}

impl StorageBackend for Guard {
    fn len(&self) -> io::Result<u64> {
        self.watch.note("measure", self.backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.watch.note("read", self.backend.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with_ballast("resize", || self.backend.set_len(len))
    }

    // Never twice: what a failed sync did not write may be forgotten by the system.
    fn sync_data(&self) -> io::Result<()> {
        self.watch.note("sync", self.backend.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with_ballast("write", || self.backend.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
