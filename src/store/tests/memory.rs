//! A disk in memory, with bounds and faults.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::super::Disk;

/// A disk in memory, with room for so many bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(pub(super) Arc<Mutex<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) data: Vec<u8>,
    pub(super) aside: Vec<u8>,
    pub(super) ballast: usize,
    pub(super) room: usize,
    /// Whether the next sync fails.
    pub(super) broken: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self { data: Vec::new(), aside: Vec::new(), ballast: 0, room: usize::MAX, broken: false }
    }
}

impl Disk for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }

    fn keep_ballast(&self) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        if inner.data.len() + 64 * 1024 > inner.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.ballast = 64 * 1024;
        Ok(())
    }

    fn release_ballast(&self) -> io::Result<()> {
        self.0.lock().unwrap().ballast = 0;
        Ok(())
    }

    fn set_aside(&self) -> io::Result<String> {
        let mut inner = self.0.lock().unwrap();
        inner.aside = std::mem::take(&mut inner.data);
        Ok("memory.damaged".to_owned())
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().data.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let read = inner.data.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.data.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.0.lock().unwrap().broken { Err(io::Error::other("broken")) } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let to = from + data.len();
        // As on a sparse file: room is taken where something is written.
        if to + inner.ballast > inner.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.data[from..to].copy_from_slice(data);
        Ok(())
    }
}
