//! `hub`: a hub that behaves badly on purpose, for the tests of any client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::{eprintln, println};
use anyhow::{Context, Error, Result, ensure};
use clap::Args;
use dst::campaign::Verdict;
use dst::interrupt;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub_sim::scripted::{ScriptedHub, read_file};

use super::now;

/// How often Ctrl-C is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Serves clients over real sockets as the real hub does, but for what a script says: refusals, resets, late
/// closes, takeovers and more.
///
/// Its URL is the first line on stdout, and what is said and done follows. It ends with Ctrl-C, SIGTERM or `--for`.
/// Exit code 5: a rule was never played, or less often than it says.
#[derive(Args)]
pub struct Hub {
    /// What it does differently (docs/CLIENTS.md).
    #[arg(long, value_name = "FILE")]
    script: PathBuf,
    /// Where it listens: on loopback. Port 0 lets the system choose one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Ends after this time.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    lasts: Option<Duration>,
}

impl Hub {
    pub fn run(&self) -> Result<ExitCode> {
        ensure!(
            self.listen.ip().is_loopback(),
            "--listen {}: expected a loopback address",
            self.listen
        );
        let script = read_file(&self.script).map_err(Error::msg)?;
        interrupt::listen();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let left = runtime.block_on(async {
            let hub = ScriptedHub::bind(self.listen, script, |line: &str| println!("{line}"));
            let hub = hub.await.with_context(|| format!("cannot listen on {}", self.listen))?;
            println!("listening on {}", hub.url()?);
            anyhow::Ok(hub.run(self.end()).await)
        })?;
        if left.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let left: Vec<String> = left.iter().map(usize::to_string).collect();
        eprintln!("not played, or less often than they say: rule {}", left.join(", "));
        Ok(ExitCode::from(Verdict::Void.exit_code()))
    }

    async fn end(&self) {
        let begun = now();
        while !interrupt::came() && self.lasts.is_none_or(|lasts| now() - begun < lasts) {
            Tokio.sleep(LOOK_EVERY).await;
        }
    }
}
