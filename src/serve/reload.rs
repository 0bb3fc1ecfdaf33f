//! SIGHUP: reads again what can change, and logs the rest. A bad new value leaves the old one in
//! force.

use anyhow::Context;
use signal_hub::auth::Access;
use signal_hub::server::{Change, Changes, Tls};
use signal_hub::settings::{Process, SETTINGS};
use tokio::select;

use super::logging::Writers;
use super::settings::{Effective, Settings};
use super::signals::Hangups;
use super::{Serve, access, certificate};

/// The settings that a reload can change.
pub const RELOADED: [&str; 6] =
    ["tls_cert", "tls_key", "auth_secret_file", "auth_public_key", "allowed_origins", "log"];

/// Changes a running hub on SIGHUP.
pub struct Reload<'a> {
    pub serve: &'a Serve,
    /// The settings that the hub began with.
    pub settings: &'a Settings,
    /// The latest valid settings that it read.
    pub latest: Settings,
    pub writers: &'a Writers,
    pub changes: Changes,
    /// The certificate in use.
    pub tls: Option<Tls>,
}

impl Reload<'_> {
    /// Reloads on each SIGHUP, and warns each day of a certificate that ends. Never ends.
    pub async fn run(mut self, mut hangups: Hangups) -> std::convert::Infallible {
        loop {
            select! {
                biased;
                () = hangups.next() => self.reload().await,
                () = certificate::next_look() => certificate::tell_end(self.tls.as_ref()),
            }
        }
    }

    async fn reload(&mut self) {
        tracing::info!("SIGHUP: reloading");
        tell_failure("the audit goes on where it was", self.writers.reopen_audit());
        match self.serve.settings() {
            Ok(settings) => {
                self.tell_what_needs_a_restart(&settings);
                self.latest = settings;
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    tracing::error!("{mistake}");
                }
                tracing::error!("the settings stay as they were; files are read again");
            }
        }
        match self.latest.process() {
            Ok(process) => self.apply(&process).await,
            Err(mistake) => tracing::error!("{mistake}"),
        }
    }

    async fn apply(&mut self, process: &Process) {
        tell_failure("the certificate stays as it was", self.certificate(process).await);
        tell_failure("the key stays as it was", self.keys(process).await);
        if let Ok(limits) = self.latest.limits() {
            self.changes.make(Change::Origins(limits.allowed_origins)).await;
        }
        let filtered = self.writers.set_filter(&process.log);
        tell_failure("the log filter stays as it was", filtered);
        tracing::info!("reloaded");
    }

    async fn certificate(&mut self, process: &Process) -> anyhow::Result<()> {
        let tls = certificate::load(process)?;
        anyhow::ensure!(
            tls.is_some() == self.tls.is_some(),
            "whether the port speaks TLS needs a restart"
        );
        if let Some(tls) = tls {
            self.tls = Some(tls.clone());
            certificate::tell_end(self.tls.as_ref());
            self.changes.make(Change::Tls(tls)).await;
        }
        Ok(())
    }

    async fn keys(&mut self, process: &Process) -> anyhow::Result<()> {
        let began = self.settings.process().context("the settings that the hub began with")?;
        let access = access::load(process)?;
        let demands_tokens = matches!(access, Access::Tokens(_));
        anyhow::ensure!(
            demands_tokens == began.demands_tokens(),
            "whether tokens are demanded needs a restart"
        );
        if demands_tokens {
            self.changes.make(Change::Access(access)).await;
        }
        Ok(())
    }

    fn tell_what_needs_a_restart(&self, settings: &Settings) {
        let fixed = SETTINGS.iter().filter(|setting| !RELOADED.contains(&setting.name));
        for setting in fixed {
            let Effective { value, source } = settings.effective(setting.name);
            if *value != self.settings.effective(setting.name).value {
                tracing::warn!(
                    "{} ({source}) is another one now: that needs a restart",
                    setting.name
                );
            }
        }
    }
}

fn tell_failure(stays: &str, result: anyhow::Result<()>) {
    if let Err(error) = result {
        tracing::error!("{error:#}: {stays}");
    }
}
