//! What the generator and, on the same machine, the hub use of it.

use std::fs;
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use signal_hub::runtime::{Runtime, Tokio};

/// What was used since the processes began.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// When.
    pub at: Duration,
    own: Duration,
    /// None, if the hub's process is not known or gone.
    server: Option<Duration>,
}

/// What was used in some time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub time: Duration,
    pub own: Duration,
    pub server: Duration,
}

impl Usage {
    pub fn now(server: Option<&Servers>) -> Self {
        let server = server.and_then(|server| server.cpu().ok());
        Self { at: Tokio.monotonic(), own: own_cpu(), server }
    }

    pub fn since(&self, earlier: &Self) -> Spent {
        let server = self.server.zip(earlier.server).unwrap_or_default();
        Spent {
            time: self.at.saturating_sub(earlier.at),
            own: self.own.saturating_sub(earlier.own),
            server: server.0.saturating_sub(server.1),
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.time += more.time;
        self.own += more.own;
        self.server += more.server;
    }
}

fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// The processes of the hub, or of a cluster, read from /proc.
#[derive(Debug, Clone)]
pub struct Servers(pub Vec<u32>);

impl Servers {
    /// The CPU time of all.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.0.iter().map(|process| ServerProcess(*process).cpu()).sum()
    }

    /// The resident memory of all, in bytes.
    pub fn rss(&self) -> anyhow::Result<u64> {
        self.0.iter().map(|process| ServerProcess(*process).rss()).sum()
    }
}

#[derive(Debug, Clone, Copy)]
struct ServerProcess(u32);

impl ServerProcess {
    /// The CPU time of its living threads. A hub's threads live as long as the hub, and these
    /// figures are finer than the process's, which has hundredths of a second.
    fn cpu(self) -> anyhow::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(self.path("task")).with_context(|| self.cannot_read())? {
            let path = thread.with_context(|| self.cannot_read())?.path();
            // A thread may end while it is read.
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            nanoseconds += first_number(&text).unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn rss(self) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.path("status")).with_context(|| self.cannot_read())?;
        resident(&text).with_context(|| self.cannot_read())
    }

    fn path(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0)
    }

    fn cannot_read(self) -> String {
        format!("cannot read the figures of process {}", self.0)
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    first_number(line).map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_stands_in_kilobytes_among_other_lines() {
        assert_eq!(resident("VmHWM:\t  9 kB\nVmRSS:\t  2 kB\n"), Some(2_048));
        assert_eq!(resident("VmHWM:\t  9 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_can_be_read_from_outside_and_a_missing_one_is_an_error() {
        let me = std::process::id();
        assert!(Servers(vec![me]).rss().unwrap() > 0);
        assert!(Servers(vec![me, me]).cpu().is_ok());
        assert!(Servers(vec![me, u32::MAX]).cpu().is_err());
    }
}
