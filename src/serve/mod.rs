//! `signal-hub serve`: from settings to a running server (docs/OPERATIONS.md).

mod access;
mod flags;
mod logging;
mod process;
mod rules;
mod settings;
mod signals;
mod table;
mod value;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use signal_hub::runtime::Tokio;
use signal_hub::server::{Server, Tls};
use tokio::select;
use tokio::sync::oneshot;

pub use access::shared_secret;
pub use logging::begin_plainly;

use self::flags::Flags;
use self::process::Process;
use self::settings::{Mistake, Settings, Sources};
use self::signals::Signals;

/// Wrong arguments or settings.
const USAGE: u8 = 2;

/// Serve a hub until SIGINT or SIGTERM; a second one ends it at once.
///
/// Exit status: 0 ended in order, 1 the environment failed (a port that is taken, a file that
/// cannot be read), 2 wrong arguments or settings, 130 and 143 ended at once by a second SIGINT or
/// SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Settings as TOML; flags and the environment go before it.
    #[arg(long, env = "SIGNAL_HUB_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every effective setting as TOML, with its source, and exit.
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(mistakes) => {
                for mistake in mistakes {
                    eprintln!("signal-hub: {mistake}");
                }
                return Ok(ExitCode::from(USAGE));
            }
        };
        if self.print_config {
            write!(io::stdout(), "{}", settings.to_toml()).context("cannot write to stdout")?;
            return Ok(ExitCode::SUCCESS);
        }
        serve(&settings).await
    }

    fn settings(&self) -> Result<Settings, Vec<Mistake>> {
        let path = self.config.as_ref().map(|path| path.to_string_lossy());
        let text = match &self.config {
            Some(config) => match fs::read_to_string(config) {
                Ok(text) => Some(text),
                Err(error) => {
                    let why = format!("cannot read {}: {error}", config.display());
                    return Err(vec![Mistake(why)]);
                }
            },
            None => None,
        };
        let environment = std::env::vars_os()
            .map(|(name, text)| (name.to_string_lossy().into(), text.to_string_lossy().into()))
            .collect();
        let file = path.as_deref().zip(text.as_deref());
        Settings::read(&Sources { flags: self.flags.0.clone(), environment, file })
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<ExitCode> {
    let process = settings.process()?;
    let writers = logging::begin(&process)?;
    // Caught from before the line on stdout: whoever reads it may signal at once.
    let signals = Signals::catch().context("cannot catch signals")?;
    let access = access::load(&process)?;
    let mut server = Server::bind(Tokio, process.listen, settings.hub()?, ())
        .await
        .with_context(|| format!("cannot listen on {}", process.listen))?
        .with_limits(settings.limits()?)
        .with_access(access);
    let tls = tls(&process)?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    if let Some(lost) = writers.audit_lines_lost() {
        server = server.with_audit_lines_lost(lost);
    }
    if let Some(address) = process.admin_listen {
        let listening = server.with_admin(address).await;
        server = listening.with_context(|| format!("cannot listen on {address}"))?;
    }
    announce(scheme, &server).context("cannot write to stdout")?;
    run(server, signals).await
}

/// Whoever starts the hub with port 0 reads here which one it became.
fn announce(scheme: &str, server: &Server<Tokio, ()>) -> io::Result<()> {
    let mut lines = format!("listening on {scheme}://{}/ws\n", server.local_address()?);
    if let Some(address) = server.admin_address()? {
        lines += &format!("admin on http://{address}\n");
    }
    io::stdout().write_all(lines.as_bytes())
}

async fn run(server: Server<Tokio, ()>, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = oneshot::channel::<()>();
    let at_once = async {
        let first = signals.next().await;
        tracing::info!("{}: shutting down", first.name());
        // The server may have ended of its own accord.
        let _ = stop.send(());
        let second = signals.next().await;
        tracing::warn!("{}: ending at once", second.name());
        second.exit_code()
    };
    let stopped = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    select! {
        biased;
        ended = server.run(stopped) => {
            ended?;
            Ok(ExitCode::SUCCESS)
        }
        code = at_once => Ok(code),
    }
}

fn tls(process: &Process) -> anyhow::Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&process.tls_cert, &process.tls_key) else {
        return Ok(None);
    };
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let tls = Tls::from_pem(&read(certificate)?, &read(key)?);
    let names = || format!("cannot use {} and {}", certificate.display(), key.display());
    tls.with_context(names).map(Some)
}
