//! The command that is under test: an argument vector in a process group of its own, which ends with the run.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::history::escaped_lines;

/// Bytes that are kept of what a program says: the last ones.
const KEPT_MAX: usize = 64 * 1024;
/// Where programs listen.
const PORTS: Range<u16> = 12_000..32_000;
/// How often it is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The groups that run, for whoever has to go in a hurry.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// Whether somebody had to: nothing is started any more.
static OVER: AtomicBool = AtomicBool::new(false);

/// A program that runs. Whoever drops the last handle has its whole group killed.
#[derive(Clone)]
pub struct Program(Arc<Running>);

struct Running {
    child: Mutex<Child>,
    group: Pid,
    address: SocketAddr,
    output: Output,
    stopping: AtomicBool,
}

/// What a program said, on both of its outputs.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Program {
    /// Starts it; `{port}` in the arguments is a free port of the loopback, `{config}` this text.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn start(arguments: &[String], config: &str, output: &Output) -> std::io::Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let mut words = arguments
            .iter()
            .map(|argument| argument.replace("{port}", &port).replace("{config}", config));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        output.take_down(child.stdout.take());
        output.take_down(child.stderr.take());
        let group = Pid::from_child(&child);
        lock(&GROUPS).insert(group.as_raw_pid());
        if OVER.load(Ordering::Relaxed) {
            end_all();
        }
        let output = output.clone();
        let stopping = AtomicBool::new(false);
        Ok(Self(Arc::new(Running { child: Mutex::new(child), group, address, output, stopping })))
    }

    /// Where it is to listen.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Whether it accepts connections.
    pub fn listens(&self) -> bool {
        TcpStream::connect_timeout(&self.0.address, LOOK_EVERY).is_ok()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        lock(&self.0.child).try_wait().ok().flatten()
    }

    /// The same, if nobody had told it to.
    pub fn ended_by_itself(&self) -> Option<ExitStatus> {
        self.ended().filter(|_| !self.0.stopping.load(Ordering::Relaxed))
    }

    /// Whether it has ended, or was killed.
    pub fn is_over(&self) -> bool {
        self.ended().is_some()
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        self.signal(Signal::TERM);
    }

    /// Ends it, whatever it does.
    pub fn kill(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        self.0.end();
    }

    /// What it said last, fit to be shown.
    pub fn said(&self) -> String {
        self.0.output.text()
    }

    fn signal(&self, signal: Signal) {
        // One that is gone needs none.
        let _ = kill_process_group(self.0.group, signal);
    }
}

impl dst::backend::Program for Program {
    fn pause(&self) {
        self.signal(Signal::STOP);
    }

    fn resume(&self) {
        self.signal(Signal::CONT);
    }
}

impl Running {
    fn end(&self) {
        // What it started may outlive it.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = lock(&self.child).wait();
        lock(&GROUPS).remove(&self.group.as_raw_pid());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl Output {
    /// What was said last.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = lock(&self.0).iter().copied().collect();
        escaped_lines(&String::from_utf8_lossy(&bytes))
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

/// Ends all programs that still run: nothing outlives whoever started it.
pub fn end_all() {
    OVER.store(true, Ordering::Relaxed);
    for group in std::mem::take(&mut *lock(&GROUPS)) {
        if let Some(group) = Pid::from_raw(group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A port that nobody listens on, below those that systems give to connections; none twice, as it is free until
/// whoever it is meant for has started.
fn free_address() -> std::io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    #[expect(
        clippy::disallowed_methods,
        reason = "two of these programs shall not ask for the same"
    )]
    let first = rand::random::<u16>();
    // Only the first who asks sets it.
    let _ = NEXT.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    let mut last = None;
    for _ in 0..PORTS.len() {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener.local_addr(),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("there are no ports")))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
