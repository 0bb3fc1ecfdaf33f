//! Whom a served hub lets in: keys from files and from the environment, never from arguments,
//! which anybody on the machine can list.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, bail};
use clap::Args;
use signal_hub::auth::{Access, Keys};

/// Holds the shared secret itself, where no file is named.
const SECRET_VARIABLE: &str = "SIGNAL_HUB_AUTH_SECRET";

/// Without a key the hub is open to everybody, and serves this machine only.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Let in bearers of tokens that are signed HS256 with the secret in this file, of 32 bytes or
    /// more. Without the flag the secret is taken from SIGNAL_HUB_AUTH_SECRET, if that is set.
    #[arg(long, value_name = "FILE", conflicts_with = "auth_public_key")]
    auth_secret_file: Option<PathBuf>,
    /// Let in bearers of tokens that are signed by the owner of this public key (PEM): RS256 for
    /// an RSA key, EdDSA for an Ed25519 key.
    #[arg(long, value_name = "FILE")]
    auth_public_key: Option<PathBuf>,
    /// Serve everybody who can reach an address that is not this machine's alone.
    #[arg(long)]
    allow_unauthenticated: bool,
}

impl Arguments {
    /// Reads the keys for a hub that listens at `listen`.
    pub fn load(&self, listen: SocketAddr) -> anyhow::Result<Access> {
        if let Some(file) = &self.auth_public_key {
            let pem = fs::read_to_string(file).with_context(|| cannot_read(file))?;
            let keys = Keys::from_public_pem(&pem).with_context(|| file.display().to_string())?;
            return Ok(Access::Tokens(keys));
        }
        if let Some(secret) = shared_secret(self.auth_secret_file.as_deref())? {
            return Ok(Access::Tokens(Keys::from_secret(&secret)?));
        }
        if !self.allow_unauthenticated && !listen.ip().to_canonical().is_loopback() {
            bail!(
                "{listen} can be reached from outside and no token would be demanded: name a key \
                 with --auth-secret-file or --auth-public-key, or say --allow-unauthenticated"
            );
        }
        Ok(Access::Open)
    }
}

/// The shared secret of the file, else of the environment. A line break at a file's end is none of
/// it.
pub fn shared_secret(file: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(file) = file else {
        let secret = env::var_os(SECRET_VARIABLE);
        return Ok(secret.map(|secret| secret.into_encoded_bytes()));
    };
    let mut secret = fs::read(file).with_context(|| cannot_read(file))?;
    if secret.ends_with(b"\n") {
        secret.pop();
    }
    if secret.ends_with(b"\r") {
        secret.pop();
    }
    Ok(Some(secret))
}

fn cannot_read(file: &Path) -> String {
    format!("cannot read {}", file.display())
}
