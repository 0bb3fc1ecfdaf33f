//! The settings of the process: where it listens, who may connect and where it writes.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cluster::engine::NodeName;
use crate::server::StoreSync;
use crate::time::duration_text;

/// The settings that are neither the hub's nor the shell's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Where the port listens.
    pub listen: Place,
    /// Where the admin listener listens; none: nowhere.
    pub admin_listen: Option<Place>,
    /// Threads that serve connections.
    pub threads: usize,
    /// The certificate chain (PEM); none: no TLS.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// The file with the shared secret that tokens are signed with (HS256).
    pub auth_secret_file: Option<PathBuf>,
    /// Whether the secret is set; the settings do not hold the secret itself, so that nothing
    /// prints it.
    pub auth_secret: bool,
    /// The file with the public key of who signs tokens (PEM).
    pub auth_public_key: Option<PathBuf>,
    /// Whether the hub may listen beyond loopback without a key.
    pub allow_unauthenticated: bool,
    /// The filter of what is logged, as in `RUST_LOG`.
    pub log: String,
    /// The file of the audit, `-` for stdout; none: no audit.
    pub audit: Option<PathBuf>,
    /// Audit lines that may wait to be written.
    pub audit_lines_max: usize,
    /// Bytes of audit lines that may wait to be written.
    pub audit_bytes_max: usize,
    /// The directory of the store; none: nothing is kept on disk.
    pub store: Option<PathBuf>,
    /// When what goes to the store is synced.
    pub store_sync: StoreSync,
    /// Bytes of rows from which on the store is full.
    pub store_bytes_max: u64,
    /// The servers of the engine that the hubs of a cluster share; none: the hub is alone.
    pub cluster: Vec<String>,
    /// The hub's name in the cluster.
    pub node: Option<NodeName>,
    /// The cluster's name at the engine.
    pub cluster_name: NodeName,
    /// Servers that each row lies on.
    pub cluster_replicas: u8,
    /// The file that proves to the engine who the hub is.
    pub cluster_credentials_file: Option<PathBuf>,
    /// Whether the same is in the environment; the settings do not hold it.
    pub cluster_credentials: bool,
    /// Who may vouch for the engine's servers (PEM); none: whom the system trusts.
    pub cluster_root_certificates: Option<PathBuf>,
    /// How long a hub that starts waits for its engine.
    #[serde(with = "duration_text")]
    pub cluster_start_timeout: Duration,
}

impl Process {
    /// Returns whether a key of any kind is named.
    pub fn demands_tokens(&self) -> bool {
        self.auth_secret || self.auth_secret_file.is_some() || self.auth_public_key.is_some()
    }
}

/// Where to listen: `address:port`, or `name:port` for the addresses that the name has here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub String);

impl Place {
    /// The addresses, at least one, with IPv4 first: a name such as localhost has both kinds, of
    /// which only one may be in use.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = self.0.to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
        } else {
            Ok(addresses)
        }
    }

    /// Returns whether only this machine can reach it.
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
            threads: 1,
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
            store: None,
            store_sync: StoreSync::Always,
            store_bytes_max: 1024 * 1024 * 1024,
            cluster: Vec::new(),
            node: None,
            cluster_name: NodeName::parse("signal-hub").expect("it is a name"),
            cluster_replicas: 3,
            cluster_credentials_file: None,
            cluster_credentials: false,
            cluster_root_certificates: None,
            cluster_start_timeout: Duration::from_secs(20),
        }
    }
}
