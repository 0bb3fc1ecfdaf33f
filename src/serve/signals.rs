//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process at once.
//! SIGHUP reloads.

use std::io;
use std::process::ExitCode;

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches both signals from now on.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// The signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    Interrupt,
    Terminate,
}

impl Signals {
    pub fn catch() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    pub async fn next(&mut self) -> Caught {
        select! {
            biased;
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
        }
    }
}

/// Catches SIGHUP from now on.
pub struct Hangups(Signal);

impl Hangups {
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Caught {
    pub fn name(self) -> &'static str {
        match self {
            Caught::Interrupt => "SIGINT",
            Caught::Terminate => "SIGTERM",
        }
    }

    /// The exit code that shells give a process killed by the signal: 128 plus the signal's number.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Caught::Interrupt => ExitCode::from(130),
            Caught::Terminate => ExitCode::from(143),
        }
    }
}
