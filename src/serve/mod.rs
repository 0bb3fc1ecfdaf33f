//! `signal-hub serve`: from settings to a running server (docs/OPERATIONS.md).

mod access;
mod certificate;
mod cluster;
mod files;
mod flags;
mod lines;
mod logging;
mod reload;
mod rules;
mod settings;
mod signals;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use sd_notify::NotifyState;
use signal_hub::hub::Config;
use signal_hub::runtime::Tokio;
use signal_hub::server::{Server, ServerLost};
use signal_hub::settings::{Place, Process};
use signal_hub::store::{Folder, Opened, Store, StoreConfig};
use tokio::select;
use tokio::sync::oneshot;

pub use access::shared_secret;
pub use files::raise_limit;
pub use logging::begin_plainly;
pub use signals::Signals as EndSignals;

use self::flags::Flags;
use self::reload::Reload;
use self::settings::{Mistake, Settings, Sources};
use self::signals::{Hangups, Signals};

/// Wrong arguments or settings.
const USAGE: u8 = 2;

/// Serve a hub until SIGINT or SIGTERM; a second one ends it at once.
///
/// Exit status: 0 ended in order, 1 the environment failed (a port that is taken, a key or certificate
/// that cannot be read), 2 wrong arguments or settings, or a settings file that cannot be read, 130 and
/// 143 ended at once by a second SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Settings as TOML; flags and the environment override it.
    #[arg(long, env = "SIGNAL_HUB_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every effective setting as TOML, with its source, and exit.
    #[arg(long)]
    print_config: bool,
    /// Start with a store that is damaged: what cannot be read is set aside, and the log says what
    /// was lost.
    #[arg(long)]
    store_repair: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<ExitCode> {
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
        let process = settings.process()?;
        crate::block_on(process.threads, serve(&self, &settings, &process))
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

async fn serve(serve: &Serve, settings: &Settings, process: &Process) -> anyhow::Result<ExitCode> {
    let writers = logging::begin(process)?;
    // Caught before the line on stdout: its reader may send a signal at once.
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let hangups = Hangups::catch().context("cannot catch signals")?;
    let files_max = files::raise_limit();
    let tls = certificate::load(process)?;
    let access = access::load(process)?;
    let stored = open_store(process, serve.store_repair)?;
    let (hub, cluster) = (settings.hub()?, settings.cluster()?);
    let link = select! {
        biased;
        signal = signals.next() => return Ok(signal.exit_code()),
        link = cluster::link(process, &hub, cluster.as_ref()) => link?,
    };
    let server = bind(&process.listen, hub).await?;
    let server = server.with_limits(settings.limits()?).with_access(access);
    let (mut server, changes) = server.with_changes();
    if let Some(tls) = tls.clone() {
        certificate::tell_end(Some(&tls));
        server = server.with_tls(tls);
    }
    if let Some(stored) = stored {
        server = server.with_store(stored, process.store_sync);
    }
    if let Some((cluster, link)) = cluster.zip(link) {
        server = server.with_cluster(cluster, link);
    }
    if let Some(states) = writers.audit_states() {
        server = server.with_audit(states);
    }
    if let Some(files_max) = files_max {
        server = with_files(server, files_max);
    }
    if let Some(place) = &process.admin_listen {
        let address = place.addresses().with_context(|| cannot_listen(place))?[0];
        server = server.with_admin(address).await.with_context(|| cannot_listen(place))?;
    }
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    announce(scheme, &server).context("cannot write to stdout")?;
    let latest = settings.clone();
    let reload = Reload { serve, settings, latest, writers: &writers, changes, tls };
    run(server, signals, reload.run(hangups)).await
}

/// Opens the store, if there is to be one; logs what was lost of it.
fn open_store(process: &Process, repair: bool) -> anyhow::Result<Option<Opened>> {
    let Some(path) = &process.store else { return Ok(None) };
    let folder = Folder::new(path).with_context(|| format!("cannot make {}", path.display()))?;
    let (bytes_max, is_durable) = (process.store_bytes_max, process.store_sync.is_durable());
    let config = StoreConfig { bytes_max, is_durable, repair };
    let opened = Store::open(Arc::new(folder), config)?;
    for loss in &opened.losses {
        tracing::warn!("the store: {loss}");
    }
    Ok(Some(opened))
}

/// Listens on the first address of `place` that is free.
async fn bind(place: &Place, config: Config) -> anyhow::Result<Server<Tokio, ()>> {
    let addresses = place.addresses().with_context(|| cannot_listen(place))?;
    let mut failed = None;
    for address in addresses {
        match Server::bind(Tokio, address, config.clone(), ()).await {
            Ok(server) => return Ok(server),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.expect("a place has addresses")).with_context(|| cannot_listen(place))
}

fn cannot_listen(Place(place): &Place) -> String {
    format!("cannot listen on {place}")
}

/// Logs if there are too few files for the connections that the settings promise.
fn with_files(server: Server<Tokio, ()>, files_max: u64) -> Server<Tokio, ()> {
    let promised = server.connections_max();
    let server = server.with_files_max(files_max);
    let connections_max = server.connections_max();
    if connections_max < promised {
        tracing::warn!(
            "the limit of open files is {files_max}: {connections_max} connections may be open \
             at once, not the {promised} of connections_max; raise the hard limit (ulimit -Hn)"
        );
    }
    server
}

/// Prints the address: who starts the hub with port 0 reads here which port it got.
fn announce(scheme: &str, server: &Server<Tokio, ()>) -> io::Result<()> {
    let mut lines = format!("listening on {scheme}://{}/ws\n", server.local_address()?);
    if let Some(address) = server.admin_address()? {
        lines += &format!("admin on http://{address}\n");
    }
    io::stdout().write_all(lines.as_bytes())?;
    notify(NotifyState::Ready);
    Ok(())
}

/// Tells the service manager, if one asked for it.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

async fn run(
    server: Server<Tokio, ()>,
    mut signals: Signals,
    reloading: impl Future<Output = Infallible>,
) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = oneshot::channel::<()>();
    let at_once = async {
        let first = signals.next().await;
        tracing::info!("{}: shutting down", first.name());
        notify(NotifyState::Stopping);
        // The server may have ended by itself.
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
        ended = server.run(stopped) => match ended {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(lost) => {
                eprintln!("signal-hub: {lost}");
                Ok(ExitCode::from(if lost == ServerLost::Superseded { USAGE } else { 1 }))
            }
        },
        code = at_once => Ok(code),
        never = reloading => match never {},
    }
}
