//! Where the engine is, who the hub is there, and what the hub demands of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::engine::NodeName;

/// How a hub finds and uses NATS. Whoever makes one changes what [`Settings::new`] gives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `nats://host:port` or `tls://host:port`, one or more servers of one cluster.
    pub servers: Vec<String>,
    /// Who the hub is, if the servers ask.
    pub credentials: Option<Credentials>,
    /// The certificates of who may vouch for a server, in PEM; without it, those that the system trusts.
    pub root_certificates: Option<PathBuf>,
    /// What the messages of this hub are addressed to.
    pub node: NodeName,
    /// Names the cluster: its messages go to `<prefix>.node.<name>`, its rows to the bucket of the same name.
    pub prefix: NodeName,
    /// On how many servers each row lies: 1, 3 or 5.
    pub replicas: u8,
    /// How long a request may be unanswered.
    pub request_timeout: Duration,
    /// How long a hub that starts waits for a cluster that starts as well.
    pub start_timeout: Duration,
    /// How many publications may wait to be written; those beyond are lost.
    pub publications_max: usize,
    /// How often the connection and the watch must show that they still live; after three times as long they are lost.
    pub heartbeat: Duration,
    /// The largest message or row that the servers must take, in bytes.
    pub payload_bytes_min: usize,
}

/// What proves to the servers who the hub is; its text is shown to nobody.
#[derive(Clone)]
pub enum Credentials {
    /// A file that holds one of the texts below.
    File(PathBuf),
    /// What a file of credentials holds (a token with its seed), `user:password`, or a token.
    Text(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

impl Settings {
    /// One hub of a cluster, with the rows on three servers.
    pub fn new(servers: Vec<String>, prefix: NodeName, node: NodeName) -> Self {
        Self {
            servers,
            credentials: None,
            root_certificates: None,
            node,
            prefix,
            replicas: 3,
            request_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(20),
            publications_max: 16_384,
            heartbeat: Duration::from_secs(1),
            payload_bytes_min: 1 << 20,
        }
    }

    /// The stream that holds the rows: a bucket for whatever knows JetStream's buckets.
    pub(super) fn stream(&self) -> String {
        format!("KV_{}", self.prefix)
    }

    /// What each key's subject begins with.
    pub(super) fn rows(&self) -> String {
        format!("$KV.{}.", self.prefix)
    }

    /// Where the messages of a node arrive.
    pub(super) fn inbox(&self, node: &NodeName) -> String {
        format!("{}.node.{node}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let text = format!("{:?}", Credentials::Text("alice:secret".to_owned()));
        assert_eq!(text, "Text(..)");
    }
}
