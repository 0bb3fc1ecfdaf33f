//! Programs that nobody here wrote: each runs in a process group of its own, which ends with its owner.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::history::escaped_lines;

/// Bytes that are kept of what a program says: the last ones.
const KEPT_MAX: usize = 64 * 1024;
/// How often it is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The groups that run, for whoever has to go in a hurry.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// Whether somebody had to: nothing is started any more.
static OVER: AtomicBool = AtomicBool::new(false);

/// A process with whatever it starts.
pub struct Group {
    child: Mutex<Child>,
    id: Pid,
}

impl Group {
    /// Starts it.
    ///
    /// # Errors
    /// If the system does not.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        // Held until it is among them: whoever ends all of them misses none.
        let mut groups = lock(&GROUPS);
        if OVER.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("the program ends"));
        }
        let child = command.process_group(0).spawn()?;
        let id = Pid::from_child(&child);
        groups.insert(id.as_raw_pid());
        drop(groups);
        Ok(Self { child: Mutex::new(child), id })
    }

    /// Has what it says on its outputs taken down, as far as they are piped.
    pub fn keep(&self, output: &Output) {
        self.keep_errors(output);
        output.take_down(lock(&self.child).stdout.take());
    }

    /// The same of stderr alone.
    pub fn keep_errors(&self, output: &Output) {
        output.take_down(lock(&self.child).stderr.take());
    }

    /// What it can be spoken to by, once, as far as that is piped.
    pub fn pipes(&self) -> Option<(ChildStdin, ChildStdout)> {
        let mut child = lock(&self.child);
        Some((child.stdin.take()?, child.stdout.take()?))
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    /// How it ended, if it has after so much time.
    pub fn ended_within(&self, patience: Duration) -> Option<ExitStatus> {
        let mut waited = Duration::ZERO;
        loop {
            let ended = self.ended();
            if ended.is_some() || waited >= patience {
                return ended;
            }
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    /// Tells all of it something.
    pub fn signal(&self, signal: Signal) {
        // One that is gone needs none.
        let _ = kill_process_group(self.id, signal);
    }

    /// Ends it, whatever it does: what it started may outlive it.
    pub fn end(&self) {
        self.signal(Signal::KILL);
        let _ = lock(&self.child).wait();
        lock(&GROUPS).remove(&self.id.as_raw_pid());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends all programs that still run: nothing outlives whoever started it.
pub fn end_all() {
    let mut groups = lock(&GROUPS);
    OVER.store(true, Ordering::Relaxed);
    for group in std::mem::take(&mut *groups) {
        if let Some(group) = Pid::from_raw(group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What a program said last.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    /// The same, fit to be shown.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = lock(&self.0).iter().copied().collect();
        escaped_lines(&String::from_utf8_lossy(&bytes))
    }

    /// The same once all of a program that has ended is taken down, or after so much time.
    pub fn last_words(&self, patience: Duration) -> String {
        let mut waited = Duration::ZERO;
        // Whoever takes down holds the other handle.
        while Arc::strong_count(&self.0) > 1 && waited < patience {
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        self.text()
    }

    fn take_down(&self, from: Option<impl Read + Send + 'static>) {
        let Some(mut from) = from else { return };
        let output = self.clone();
        #[expect(clippy::disallowed_methods, reason = "a pipe has to be read, whatever happens")]
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let mut kept = lock(&output.0);
                kept.extend(&buffer[..length]);
                let much = kept.len().saturating_sub(KEPT_MAX);
                kept.drain(..much);
            }
        });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
