//! Decides who may connect to a served hub. Keys come from files and the environment, never from
//! arguments, which anybody on the machine can list.

use std::path::Path;
use std::{env, fs};

use anyhow::Context;
use signal_hub::auth::{Access, Keys};

use signal_hub::settings::Process;

/// The variable with the shared secret itself, read if no file is named.
const SECRET_VARIABLE: &str = "SIGNAL_HUB_AUTH_SECRET";

/// Reads the key that the settings name. Without one everybody may connect.
pub fn load(process: &Process) -> anyhow::Result<Access> {
    if let Some(file) = &process.auth_public_key {
        let pem = fs::read_to_string(file).with_context(|| cannot_read(file))?;
        let keys = Keys::from_public_pem(&pem).with_context(|| file.display().to_string())?;
        return Ok(Access::Tokens(keys));
    }
    match shared_secret(process.auth_secret_file.as_deref())? {
        Some(secret) => Ok(Access::Tokens(Keys::from_secret(&secret)?)),
        None => Ok(Access::Open),
    }
}

/// The shared secret from the file, else from the environment. A line break at the file's end is
/// not part of it.
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
