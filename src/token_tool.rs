//! Signs tokens by hand, for development; a real issuer has its own means.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use signal_hub::auth::{ISSUER, Keys, authenticate, sign};
use signal_hub::protocol::AuthToken;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::time::Timestamp;

use crate::serve::shared_secret;

/// Print a token for a hub that shares this secret (HS256). For development.
#[derive(Debug, Args)]
pub struct Token {
    /// The file with the secret. Without this flag SIGNAL_HUB_AUTH_SECRET has it.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// On whose behalf the bearer acts.
    #[arg(long, value_name = "SUBJECT")]
    sub: String,
    /// The path of the bearer's own address, such as alice.
    #[arg(long, value_name = "PATH")]
    actor: String,
    /// A pattern of further paths that the bearer may register, such as 'team/*'; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    actors: Vec<String>,
    /// How long the token is valid.
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: &'static str,
    sub: String,
    actor_id: String,
    actors: Vec<String>,
    /// In seconds.
    iat: u64,
    /// In seconds.
    exp: u64,
}

impl Token {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let secret = shared_secret(self.secret_file.as_deref())?
            .context("name the secret's file with --secret-file, or set SIGNAL_HUB_AUTH_SECRET")?;
        let keys = Keys::from_secret(&secret)?;
        let now = Tokio.now();
        let token = sign(&self.claims(now), &secret).context("cannot sign")?;
        // Refuses what the hub would refuse.
        authenticate(&AuthToken::new(&token), &keys, now).context("no hub would take it")?;
        writeln!(io::stdout(), "{token}").context("cannot write to stdout")?;
        Ok(ExitCode::SUCCESS)
    }

    fn claims(self, now: Timestamp) -> Claims {
        let seconds = |moment: Timestamp| moment.as_millis() / 1_000;
        Claims {
            iss: ISSUER,
            sub: self.sub,
            actor_id: self.actor,
            actors: self.actors,
            iat: seconds(now),
            exp: seconds(now + self.ttl),
        }
    }
}
