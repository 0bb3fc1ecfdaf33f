//! Which hub is tested, where it is, and what is known of it before anything is played.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use dst::backend::Skipped;
use signal_hub::client::HubUrl;
use signal_hub::hub::Config;

use super::Scenario;
use super::dialect::{Promise, Promises, Speaker};
use super::own::{Own, promises_of, served};
use super::process::{LOOK_EVERY, Output};
use super::subject::Run;

/// Failures whose hub's output is kept.
const OUTPUTS_MAX: usize = 100;

/// A hub that is to be tested.
pub struct Target {
    /// Where it is.
    pub place: Place,
    /// What it speaks.
    pub tongue: Tongue,
    /// What it does not promise, though its dialect does.
    pub without: BTreeSet<Promise>,
    /// Times that are not as its dialect says.
    pub times: Times,
    /// How long it may take until it listens.
    pub start_within: Duration,
    /// Operations a second, of all clients together.
    pub rate: u32,
    outputs: Mutex<BTreeMap<u64, String>>,
}

/// Where the hub is.
pub enum Place {
    /// It runs, and others may use it.
    Running {
        /// Where clients connect.
        url: HubUrl,
        /// What its name meant when it was resolved.
        address: SocketAddr,
    },
    /// It is started for each run.
    Command {
        /// The program and its arguments, with `{port}` and perhaps `{config}`.
        arguments: Vec<String>,
        /// The path of its WebSocket.
        path: String,
    },
}

/// What the hub speaks.
pub enum Tongue {
    /// The protocol of this project.
    Own,
    /// What this command translates.
    Child(Vec<String>),
}

/// Times that are the hub's own, where the user knows better.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// See [`Promises::resume_window`].
    pub resume_window: Option<Duration>,
    /// See [`Promises::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// See [`Promises::patience`].
    pub patience: Option<Duration>,
    /// See [`Promises::lease`].
    pub lease: Option<Duration>,
}

impl Place {
    /// A hub that runs. Only one on this machine, unless its very host is allowed.
    ///
    /// # Errors
    /// If it is no URL, is elsewhere, or its name means nothing.
    pub fn running(url: &str, allowed: Option<&str>) -> anyhow::Result<Self> {
        let url: HubUrl = url.parse().with_context(|| format!("{url:?} is no hub's URL"))?;
        ensure!(
            !url.speaks_tls(),
            "{url}: a wss hub hides its bytes from faults; point this at the port behind the TLS"
        );
        let addresses = url.authority().to_socket_addrs();
        let addresses = addresses.with_context(|| format!("{url}: nobody knows that host"))?;
        let address = addresses.into_iter().find(SocketAddr::is_ipv4);
        let address = address.with_context(|| format!("{url}: the host has no IPv4 address"))?;
        if !address.ip().is_loopback() && allowed != Some(url.host()) {
            bail!(
                "{url} is not on this machine, and this makes faults: if you may do that to {host}, say \
                 --allow-remote {host}",
                host = url.host()
            );
        }
        Ok(Self::Running { url, address })
    }

    /// A hub that a command starts, and what of a URL is the same each time.
    ///
    /// # Errors
    /// If the command does not take a port, or is not readable.
    pub fn command(command: &str, path: &str) -> anyhow::Result<Self> {
        let arguments = words(command)?;
        ensure!(
            arguments.iter().any(|argument| argument.contains("{port}")),
            "--exec: the command has to say where {{port}} goes, as in --exec 'hub --listen 127.0.0.1:{{port}}'"
        );
        ensure!(path.starts_with('/'), "--path {path}: begin with a slash");
        Ok(Self::Command { arguments, path: path.to_owned() })
    }

    /// Returns whether the hub gets the settings of a scenario.
    pub fn takes_settings(&self) -> bool {
        matches!(self, Place::Command { arguments, .. }
            if arguments.iter().any(|argument| argument.contains("{config}")))
    }

    /// Returns whether the hub can be stopped, restarted and paused.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Place::Command { .. })
    }
}

impl Target {
    /// A hub at a place that speaks so, of which nothing else is known.
    pub fn new(place: Place, tongue: Tongue) -> Self {
        Self {
            place,
            tongue,
            without: BTreeSet::new(),
            times: Times::default(),
            start_within: Duration::from_secs(10),
            rate: 10_000,
            outputs: Mutex::default(),
        }
    }

    /// Who speaks to it in one run, and what it promises there.
    ///
    /// # Errors
    /// If its dialect does not start.
    pub fn speaker(&self, config: &Config) -> anyhow::Result<(Speaker, Promises)> {
        let speaker = match &self.tongue {
            Tongue::Own => Speaker::Frames(Box::new(Own::new(config))),
            Tongue::Child(command) => Speaker::start(command)?,
        };
        let mut promises = match &self.tongue {
            Tongue::Own => promises_of(config),
            Tongue::Child(_) => speaker.promises().clone(),
        };
        promises.keeps.retain(|promise| !self.without.contains(promise));
        let Times { resume_window, idle_timeout, patience, lease } = self.times;
        promises.resume_window = resume_window.or(promises.resume_window);
        promises.idle_timeout = idle_timeout.or(promises.idle_timeout);
        promises.patience = patience.or(promises.patience);
        promises.lease = lease.or(promises.lease);
        Ok((speaker, promises))
    }

    /// Begins a run of the scenario: the hub listens, if this starts it.
    ///
    /// # Errors
    /// If it cannot be tested so.
    pub fn begin(self: &Arc<Self>, scenario: &Scenario) -> Result<Run, Skipped> {
        let told = |error: anyhow::Error| Skipped { reason: format!("{error:#}") };
        let config = if self.place.takes_settings() {
            scenario.hub.config.clone()
        } else {
            Config::default()
        };
        let (speaker, promises) = self.speaker(&config).map_err(told)?;
        let mut run = Run::new(Arc::clone(self), promises, speaker);
        if self.place.is_ours() {
            self.launch(&config, &mut run).map_err(told)?;
        }
        Ok(run)
    }

    fn launch(&self, config: &Config, run: &mut Run) -> anyhow::Result<()> {
        let file = self.place.takes_settings().then(|| write_config(config)).transpose()?;
        run.set_config(file);
        let program = run.start().context("--exec: it cannot be started")?;
        let mut waited = Duration::ZERO;
        // Whoever listens may be another program that took the port.
        while !program.listens() || program.ended().is_some() {
            if let Some(status) = program.ended() {
                bail!("--exec: it ended with {status} before it listened\n{}", program.said());
            }
            if waited > self.start_within {
                let address = program.address();
                bail!(
                    "--exec: nobody listens on {address} after {}: raise --start-within, or look at what it \
                     said\n{}",
                    humantime::format_duration(self.start_within),
                    program.said()
                );
            }
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY * 2;
        }
        run.keep_ready(program);
        Ok(())
    }

    /// Keeps what the hub said in the run of a failure.
    pub fn keep_output(&self, seed: u64, output: &Output) {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        if outputs.len() < OUTPUTS_MAX {
            outputs.insert(seed, output.text());
        }
    }

    /// What the hub said in the run of a failure.
    pub fn output_of(&self, seed: u64) -> Option<String> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).get(&seed).cloned()
    }
}

/// The words of a command, as a shell takes them apart; no shell runs.
pub fn words(command: &str) -> anyhow::Result<Vec<String>> {
    let words = shell_words::split(command).unwrap_or_default();
    ensure!(!words.is_empty(), "{command:?} is no command: are all quotes closed?");
    Ok(words)
}

/// The text as one word for a shell.
pub fn quoted(text: &str) -> String {
    shell_words::quote(text).into_owned()
}

/// The settings as the hub of this project reads them.
fn write_config(config: &Config) -> anyhow::Result<PathBuf> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let settings = serde_json::to_value(served(config))?;
    let lines = settings.as_object().into_iter().flatten();
    let lines = lines.filter(|(_, value)| !value.is_null());
    let text: String = lines.map(|(name, value)| format!("{name} = {value}\n")).collect();
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("signal-hub-under-test-{}-{number}.toml", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
