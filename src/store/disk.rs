//! Where a store lies.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// Room for one store: its data, and a ballast that gives way when there is no room left.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// What errors call the data.
    fn name(&self) -> String;

    /// Opens the data, which are empty at first.
    ///
    /// # Errors
    /// If the disk fails.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Takes as much room as the ballast needs, unless it has it.
    ///
    /// # Errors
    /// If the disk fails or has no room.
    fn keep_ballast(&self) -> io::Result<()>;

    /// Gives the ballast's room away.
    ///
    /// # Errors
    /// If the disk fails, or there is no ballast.
    fn release_ballast(&self) -> io::Result<()>;

    /// Gives the data another name, which it returns: the next [`Disk::open`] finds none.
    ///
    /// # Errors
    /// If the disk fails.
    fn set_aside(&self) -> io::Result<String>;
}

/// A directory for one hub, which nobody else may read.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// What removals have when the disk is full.
    pub const BALLAST_BYTES: usize = 8 * 1024 * 1024;

    /// The directory at `path`; it is made if there is none.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path.as_ref().to_owned()))
    }

    fn data(&self) -> PathBuf {
        self.0.join("hub.redb")
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Until its directory is synced, a new file may be gone after a crash.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Disk for Folder {
    fn name(&self) -> String {
        self.data().display().to_string()
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = private().read(true).open(self.data())?;
        self.sync()?;
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn keep_ballast(&self) -> io::Result<()> {
        let mut file = private().open(self.ballast())?;
        if file.metadata()?.len() >= Self::BALLAST_BYTES as u64 {
            return Ok(());
        }
        // Written, because only then the room is taken.
        let bytes = vec![0x5a; Self::BALLAST_BYTES];
        let taken = file.write_all(&bytes).and_then(|()| file.sync_all());
        taken.inspect_err(|_| drop(fs::remove_file(self.ballast())))
    }

    fn release_ballast(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())?;
        self.sync()
    }

    fn set_aside(&self) -> io::Result<String> {
        let free = (1..).map(|number| self.0.join(format!("hub.redb.damaged-{number}")));
        let aside = free.into_iter().find(|path| !path.exists()).expect("numbers do not end");
        fs::rename(self.data(), &aside)?;
        self.sync()?;
        Ok(aside.display().to_string())
    }
}

/// A file that only this user may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
