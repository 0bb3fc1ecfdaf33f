//! The port's certificate: reads its files, and warns before and after it expires.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::Tls;

use signal_hub::settings::Process;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end the warnings begin.
const TELL_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Reads the files that the settings name, if they name any.
pub fn load(process: &Process) -> anyhow::Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&process.tls_cert, &process.tls_key) else {
        return Ok(None);
    };
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let tls = Tls::from_pem(&read(certificate)?, &read(key)?);
    let names = || format!("cannot use {} and {}", certificate.display(), key.display());
    tls.with_context(names).map(Some)
}

/// Ends when the certificate is to be checked again.
pub async fn next_look() {
    Tokio.sleep(DAY).await;
}

/// Logs that the certificate has expired or is about to, after which no client accepts it.
pub fn tell_end(tls: Option<&Tls>) {
    let Some(end) = tls.and_then(Tls::expires_at) else { return };
    let now = Tokio.now();
    let date = humantime::format_rfc3339_seconds(
        std::time::UNIX_EPOCH + Duration::from_millis(end.as_millis()),
    );
    if end <= now {
        tracing::error!("the certificate has expired, {date}: clients will refuse it");
    } else if end.since(now) < TELL_BEFORE {
        tracing::warn!("the certificate expires soon, {date}");
    }
}
