//! The disk of the hub's machine: one file in memory. What was not synced may be lost when the power
//! fails, and a disk can fill up or fail.
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use dst::disk::Disk;
//!
//! /// What is there after a crash.
//! fn after_a_crash(seed: u64) -> std::io::Result<[u8; 4]> {
//!     let disk = Disk::new(seed);
//!     let file = disk.open();
//!     file.set_length(4)?;
//!     file.write(0, b"safe")?;
//!     file.sync()?;
//!     file.write(0, b"new?")?;
//!     disk.lose_power();
//!     assert!(file.sync().is_err(), "the machine is down");
//!     let mut found = [0; 4];
//!     disk.open().read(0, &mut found)?;
//!     Ok(found)
//! }
//!
//! let found = (0..20).map(after_a_crash).collect::<Result<BTreeSet<_>, _>>()?;
//! assert_eq!(found, BTreeSet::from([*b"new?", *b"safe"]));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::Dice;

/// What is written whole or not at all.
const SECTOR: usize = 512;
/// What is written where nothing was needs room that a full disk has not; what was set aside for that
/// has this much.
pub const BALLAST_BYTES: usize = 1024 * 1024;
/// A file that is larger is none of a run.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A handle to a disk; cloning gives another one.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    dice: Dice,
    /// As whoever reads sees it.
    bytes: Vec<u8>,
    /// As it is when the power has failed.
    synced: Vec<u8>,
    /// What happened since the last sync, in order.
    unsynced: Vec<Change>,
    /// The sectors that take room.
    taken: BTreeSet<usize>,
    ballast: bool,
    is_full: bool,
    /// Bytes that a full disk still takes.
    spare: usize,
    /// After how many more writes and syncs it fails.
    fails_after: Option<u32>,
    has_failed: bool,
    /// How often it was opened: an earlier file reads and writes nothing any more.
    opened: u32,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// The file, from one start of the hub to its end.
#[derive(Debug, Clone)]
pub struct DiskFile {
    disk: Disk,
    opened: u32,
}

impl Disk {
    /// The empty disk of the run of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::split(seed, "disk"),
            bytes: Vec::new(),
            synced: Vec::new(),
            unsynced: Vec::new(),
            taken: BTreeSet::new(),
            ballast: false,
            is_full: false,
            spare: 0,
            fails_after: None,
            has_failed: false,
            opened: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, on a disk that does not fail yet; whoever had it before has it no more.
    pub fn open(&self) -> DiskFile {
        let mut state = self.lock();
        state.opened += 1;
        (state.fails_after, state.has_failed) = (None, false);
        DiskFile { disk: self.clone(), opened: state.opened }
    }

    /// The machine goes down: each write since the last sync is on the disk, or not, or in part.
    pub fn lose_power(&self) {
        let mut state = self.lock();
        state.opened += 1;
        state.crash();
    }

    /// After so many more writes and syncs, every one fails, until the file is opened again.
    pub fn fail_after(&self, operations: u32) {
        self.lock().fails_after.get_or_insert(operations);
    }

    /// From now on it takes nothing more, or something again. What the ballast gave away stays the file's.
    pub fn fill(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// As good as new, with what it holds.
    pub fn mend(&self) {
        self.fill(false);
        self.lock().fails_after = None;
    }

    /// Takes room for later, if it has any.
    ///
    /// # Errors
    /// If it is full.
    pub fn keep_ballast(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.is_full && !state.ballast {
            return Err(ErrorKind::StorageFull.into());
        }
        if !std::mem::replace(&mut state.ballast, true) {
            state.spare = 0;
        }
        Ok(())
    }

    /// Gives the room away that was taken.
    pub fn release_ballast(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.ballast) {
            state.spare = BALLAST_BYTES;
        }
    }
}

impl State {
    /// Counts a write or a sync.
    fn work(&mut self) -> io::Result<()> {
        match &mut self.fails_after {
            Some(0) => self.has_failed = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if self.has_failed { Err(io::Error::other("the disk does not answer")) } else { Ok(()) }
    }

    fn take_room(&mut self, from: usize, to: usize) -> io::Result<()> {
        let new: Vec<usize> = (from / SECTOR..to.div_ceil(SECTOR))
            .filter(|sector| !self.taken.contains(sector))
            .collect();
        let needed = new.len() * SECTOR;
        if self.is_full {
            self.spare = self.spare.checked_sub(needed).ok_or(ErrorKind::StorageFull)?;
        }
        self.taken.extend(new);
        Ok(())
    }

    fn crash(&mut self) {
        let changes = std::mem::take(&mut self.unsynced);
        let (kept, in_order) = (self.dice.up_to(1_000) as u16, self.dice.happens(500));
        let all = self.dice.up_to(changes.len() as u64) as usize;
        for (number, change) in changes.into_iter().enumerate() {
            match change {
                Change::Length(length) => self.synced.resize(length, 0),
                Change::Write(from, data) => {
                    for (sector, bytes) in data.chunks(SECTOR).enumerate() {
                        let is_kept = if in_order {
                            // The last one may be torn.
                            number < all || number == all && self.dice.happens(500)
                        } else {
                            self.dice.happens(kept)
                        };
                        let at = from + sector * SECTOR;
                        if is_kept && at + bytes.len() <= self.synced.len() {
                            self.synced[at..at + bytes.len()].copy_from_slice(bytes);
                        }
                    }
                }
            }
        }
        self.bytes.clone_from(&self.synced);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Length(length) => self.synced.resize(length, 0),
                Change::Write(from, data) => {
                    self.synced[from..from + data.len()].copy_from_slice(&data);
                }
            }
        }
    }
}

impl DiskFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.opened == self.opened {
            Ok(state)
        } else {
            Err(io::Error::other("the machine is down"))
        }
    }

    /// Its length in bytes.
    ///
    /// # Errors
    /// If the machine is down.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.state()?.bytes.len() as u64)
    }

    /// Makes it so long; what is new is zero.
    ///
    /// # Errors
    /// If the machine is down or the disk has failed.
    pub fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.work()?;
        if length > BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let length = length as usize;
        state.bytes.resize(length, 0);
        state.taken.split_off(&length.div_ceil(SECTOR));
        state.unsynced.push(Change::Length(length));
        Ok(())
    }

    /// Reads from there on until `out` is full.
    ///
    /// # Errors
    /// If the file is shorter, or the machine is down.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state()?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = state.bytes.get(from..).and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Writes from there on, within its length.
    ///
    /// # Errors
    /// If the file is shorter, the disk is full or has failed, or the machine is down.
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        state.work()?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from.saturating_add(data.len());
        if to > state.bytes.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        state.take_room(from, to)?;
        state.bytes[from..to].copy_from_slice(data);
        state.unsynced.push(Change::Write(from, data.to_vec()));
        Ok(())
    }

    /// What was written is there after any crash.
    ///
    /// # Errors
    /// If the disk has failed, or the machine is down.
    pub fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.work()?;
        state.sync();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (Disk, DiskFile) {
        let disk = Disk::new(1);
        let file = disk.open();
        file.set_length(4096).unwrap();
        (disk, file)
    }

    fn bytes(disk: &Disk) -> Vec<u8> {
        let file = disk.open();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_synced_outlives_any_crash() {
        let (disk, file) = disk();
        file.write(0, &[1; 1024]).unwrap();
        file.sync().unwrap();
        file.write(1024, &[2; 1024]).unwrap();
        disk.lose_power();
        assert_eq!(bytes(&disk)[..1024], [1; 1024]);
    }

    #[test]
    fn what_was_not_synced_may_be_kept_lost_or_torn() {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let disk = Disk::new(seed);
            let file = disk.open();
            file.set_length(1024).unwrap();
            file.sync().unwrap();
            file.write(0, &[1; 1024]).unwrap();
            disk.lose_power();
            let bytes = bytes(&disk);
            seen.insert((bytes[0], bytes[512]));
        }
        assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
    }

    #[test]
    fn an_earlier_file_writes_nothing() {
        let (disk, file) = disk();
        disk.lose_power();
        assert!(file.write(0, &[1]).is_err() && file.sync().is_err() && file.length().is_err());
    }

    #[test]
    fn a_full_disk_takes_what_it_has_room_for_already() {
        let (disk, file) = disk();
        file.write(0, &[1; SECTOR]).unwrap();
        disk.keep_ballast().unwrap();
        disk.fill(true);
        file.write(0, &[2; SECTOR]).unwrap();
        assert_eq!(file.write(512, &[2]).unwrap_err().kind(), ErrorKind::StorageFull);
        disk.release_ballast();
        file.write(512, &[2]).unwrap();
        disk.fill(false);
        disk.fill(true);
        file.write(2 * 512, &[2]).unwrap();
        assert_eq!(disk.keep_ballast().unwrap_err().kind(), ErrorKind::StorageFull);
        disk.fill(false);
        disk.keep_ballast().unwrap();
    }

    #[test]
    fn a_disk_that_fails_fails_until_it_is_opened_again() {
        let (disk, file) = disk();
        disk.fail_after(1);
        file.write(0, &[1]).unwrap();
        assert!(file.sync().is_err() && file.write(0, &[1]).is_err());
        disk.open().sync().unwrap();
    }
}
