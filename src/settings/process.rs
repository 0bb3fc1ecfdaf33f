//! The settings that concern the process: where it listens, whom it lets in and
//! where it writes.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What of the settings is neither the hub's nor the shell's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    pub listen: Place,
    pub admin_listen: Option<Place>,
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
    pub audit_bytes_max: usize,
}

impl Process {
    /// Whether a key is named, of whatever kind.
    pub fn demands_tokens(&self) -> bool {
        self.auth_secret || self.auth_secret_file.is_some() || self.auth_public_key.is_some()
    }
}

/// Where to listen: `address:port`, or `name:port` for the addresses that the name has here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub String);

impl Place {
    /// At least one; those of IPv4 first, for a name such as localhost has both kinds where only
    /// one may be in use.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = self.0.to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
        } else {
            Ok(addresses)
        }
    }

    /// Whether nobody but this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        self.addresses().is_ok_and(|addresses| addresses.iter().all(is_loopback))
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            listen: Place("127.0.0.1:9000".to_owned()),
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
            audit_bytes_max: 32 * 1024 * 1024,
        }
    }
}
