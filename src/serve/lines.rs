//! The writers of the audit and of the log have a bounded queue and a thread each, so that neither a
//! full disk nor a stuck reader makes the hub wait. Lines that are not written are counted and logged.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{mem, thread};

use anyhow::Context;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::AuditState;
use tracing_subscriber::fmt::MakeWriter;

/// The mode of new files: only the hub's user and group may read them.
const MODE: u32 = 0o640;
/// The size of one write.
const BATCH_BYTES: usize = 64 * 1024;
/// How long the process waits at its end for queued lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval at which a lasting error is logged.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Log lines that may wait to be written.
const LOG: Bounds = Bounds { lines_max: 65_536, bytes_max: 32 * 1024 * 1024 };

/// What lines are written to.
type Target = Box<dyn Write + Send>;

/// The bounds on lines that wait to be written.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub lines_max: usize,
    pub bytes_max: usize,
}

/// The writer and its queue. On drop it writes the lines that still wait.
pub struct LineWriter {
    path: PathBuf,
    shared: Arc<Shared>,
}

/// The end of the queue that takes lines.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    /// What the lines are, in a word.
    name: &'static str,
    bounds: Bounds,
    queue: Mutex<Queue>,
    changed: Condvar,
    lines_lost: AtomicU64,
    write_errors: AtomicU64,
    failing: AtomicBool,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// The bytes of queued lines and of those being written.
    bytes: usize,
    /// The file to write to from now on.
    reopened: Option<Target>,
    ended: bool,
    finished: bool,
}

impl LineWriter {
    /// Appends the audit to `path`; `-` is stdout.
    pub fn audit(path: &Path, bounds: Bounds) -> anyhow::Result<Self> {
        Self::begin("audit", path, open(path)?, bounds)
    }

    /// Writes the log to stderr.
    pub fn log() -> anyhow::Result<Self> {
        Self::begin("log", Path::new("/dev/stderr"), Box::new(io::stderr()), LOG)
    }

    fn begin(
        name: &'static str,
        path: &Path,
        target: Target,
        bounds: Bounds,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            name,
            bounds,
            queue: Mutex::default(),
            changed: Condvar::new(),
            lines_lost: AtomicU64::new(0),
            write_errors: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.write_all(Sheet::new(target)))
            .with_context(|| format!("cannot start the {name}'s writer"))?;
        Ok(Self { path: path.to_owned(), shared })
    }

    pub fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.shared))
    }

    /// Opens the file again by its name, which after a rotation names another file.
    pub fn reopen(&self) -> anyhow::Result<()> {
        let target = open(&self.path)?;
        self.shared.lock().reopened = Some(target);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// A function that gives the writer's present state.
    pub fn state(&self) -> Arc<dyn Fn() -> AuditState + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || AuditState {
            failing: shared.failing.load(Ordering::Relaxed),
            lines_lost: shared.lines_lost.load(Ordering::Relaxed),
            write_errors: shared.write_errors.load(Ordering::Relaxed),
        })
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.ended = true;
        self.shared.changed.notify_all();
        let waiting =
            self.shared.changed.wait_timeout_while(queue, FLUSH_TIMEOUT, |queue| !queue.finished);
        // A stuck reader must not delay the end of the process.
        drop(waiting);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut queue = self.lock();
        let has_room = queue.lines.len() < self.bounds.lines_max
            && queue.bytes.saturating_add(line.len()) <= self.bounds.bytes_max;
        if !has_room {
            self.lines_lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.to_vec());
        self.changed.notify_all();
    }

    /// The next lines to write, with the file if it is a new one; none at the end.
    fn next(&self, written: usize) -> Option<(Vec<u8>, Option<Target>)> {
        let mut queue = self.lock();
        queue.bytes -= written;
        let nothing =
            |queue: &mut Queue| queue.lines.is_empty() && queue.reopened.is_none() && !queue.ended;
        let waited = self.changed.wait_while(queue, nothing);
        queue = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.lines.is_empty() && queue.reopened.is_none() {
            queue.finished = true;
            self.changed.notify_all();
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_BYTES
            && let Some(line) = queue.lines.pop_front()
        {
            batch.extend(line);
        }
        Some((batch, mem::take(&mut queue.reopened)))
    }

    fn write_all(&self, mut sheet: Sheet) {
        let name = self.name;
        let mut told: Option<Duration> = None;
        let mut written = 0;
        while let Some((batch, reopened)) = self.next(written) {
            if let Some(target) = reopened {
                sheet = Sheet::new(target);
            }
            written = batch.len();
            match sheet.write(&batch) {
                Ok(()) => {
                    if !batch.is_empty() && self.failing.swap(false, Ordering::Relaxed) {
                        let missing = self.write_errors.load(Ordering::Relaxed);
                        tracing::info!("the {name} is written again; {missing} lines are missing");
                        told = None;
                    }
                }
                Err(Unwritten { error, lines }) => {
                    self.failing.store(true, Ordering::Relaxed);
                    let missing = self.write_errors.fetch_add(lines, Ordering::Relaxed) + lines;
                    let now = Tokio.monotonic();
                    if told.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY) {
                        told = Some(now);
                        tracing::error!(
                            "cannot write the {name}: {error}; {missing} lines are missing"
                        );
                    }
                }
            }
        }
    }
}

/// A file that takes whole lines, even after one was cut off.
struct Sheet {
    target: Target,
    /// Whether a line was written in part: then the next one begins on a new line.
    torn: bool,
}

struct Unwritten {
    error: io::Error,
    lines: u64,
}

impl Sheet {
    fn new(target: Target) -> Self {
        Self { target, torn: false }
    }

    fn write(&mut self, batch: &[u8]) -> Result<(), Unwritten> {
        let mut rest = batch;
        let result = if self.torn {
            self.target.write_all(b"\n").inspect(|()| self.torn = false)
        } else {
            Ok(())
        };
        let error = result.and_then(|()| self.write_on(&mut rest)).err();
        let Some(error) = error else { return Ok(()) };
        let written = &batch[..batch.len() - rest.len()];
        self.torn |= written.last().is_some_and(|byte| *byte != b'\n');
        let lines = rest.iter().filter(|byte| **byte == b'\n').count() as u64;
        Err(Unwritten { error, lines })
    }

    fn write_on(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.target.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => *rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.target.flush()
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

/// Each write is one line. It never fails and never waits.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> anyhow::Result<Target> {
    if path.as_os_str() == "-" {
        let stdout = io::stdout().as_fd().try_clone_to_owned().context("cannot use stdout")?;
        return Ok(Box::new(File::from(stdout)));
    }
    let file = open_file(path);
    Ok(Box::new(file.with_context(|| format!("cannot write the audit to {}", path.display()))?))
}

/// Opens a pipe without waiting for its reader; the writer's thread may wait for it later.
fn open_file(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(MODE).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = match options.open(path) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            let is_pipe = path.metadata().is_ok_and(|file| file.file_type().is_fifo());
            let error = anyhow::Error::from(error);
            return Err(if is_pipe { error.context("nobody reads this pipe") } else { error });
        }
        file => file?,
    };
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
