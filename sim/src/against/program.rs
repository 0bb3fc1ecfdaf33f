//! The command that is under test: an argument vector in a process group of its own, which ends with the run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use rustix::process::Signal;

use super::process::{Group, LOOK_EVERY, Output};

/// Where programs listen.
const PORTS: Range<u16> = 12_000..32_000;

/// A program that runs. Whoever drops the last handle has its whole group killed.
#[derive(Clone)]
pub struct Program(Arc<Running>);

struct Running {
    group: Group,
    address: SocketAddr,
    output: Output,
    stopping: AtomicBool,
}

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
        command.args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let group = Group::start(&mut command)?;
        group.keep(output);
        let (output, stopping) = (output.clone(), AtomicBool::new(false));
        Ok(Self(Arc::new(Running { group, address, output, stopping })))
    }

    /// Where it is to listen.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Returns whether it accepts connections.
    pub fn listens(&self) -> bool {
        TcpStream::connect_timeout(&self.0.address, LOOK_EVERY).is_ok()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.0.group.ended()
    }

    /// The same, if nobody had told it to.
    pub fn ended_by_itself(&self) -> Option<ExitStatus> {
        self.ended().filter(|_| !self.0.stopping.load(Ordering::Relaxed))
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        self.0.group.signal(Signal::TERM);
    }

    /// Ends it, whatever it does.
    pub fn kill(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        self.0.group.end();
    }

    /// What it said last, fit to be shown.
    pub fn said(&self) -> String {
        self.0.output.text()
    }
}

impl dst::backend::Program for Program {
    fn pause(&self) {
        self.0.group.signal(Signal::STOP);
    }

    fn resume(&self) {
        self.0.group.signal(Signal::CONT);
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
