//! The settings that concern the process: where it listens, whom it lets in and
//! where it writes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What of the settings is neither the hub's nor the shell's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    pub listen: SocketAddr,
    pub admin_listen: Option<SocketAddr>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub auth_secret_file: Option<PathBuf>,
    /// Whether it is set; the secret itself is no part of the settings, so that nothing prints it.
    pub auth_secret: bool,
    pub auth_public_key: Option<PathBuf>,
    pub allow_unauthenticated: bool,
    pub log: String,
    pub audit: Option<PathBuf>,
    pub audit_lines_max: usize,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            admin_listen: None,
            tls_cert: None,
            tls_key: None,
            auth_secret_file: None,
            auth_secret: false,
            auth_public_key: None,
            allow_unauthenticated: false,
            log: "info".to_owned(),
            audit: None,
            audit_lines_max: 65_536,
        }
    }
}
