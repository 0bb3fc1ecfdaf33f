//! Why a hub cannot use an engine; each says what to do about it.

use async_nats::ConnectErrorKind;

/// Why a hub does not begin with an engine.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The list of servers cannot be read.
    #[error("`{server}` is no server of NATS: write nats://host:port or tls://host:port")]
    Server {
        /// What was written.
        server: String,
    },
    /// The list of servers has a secret, which would get into logs.
    #[error(
        "the address of a server of NATS has a user or a password: put them into a file of credentials"
    )]
    SecretInAddress,
    /// The credentials cannot be read.
    #[error("the credentials for NATS cannot be read: {0}")]
    Credentials(#[source] std::io::Error),
    /// No server takes the hub.
    #[error(
        "no server of NATS takes this hub: {0}; are the addresses, the certificates and the credentials right?"
    )]
    Unreachable(#[source] async_nats::ConnectError),
    /// A server is too old.
    #[error("the server of NATS has version {version}: {because}; install {needed} or later")]
    TooOld {
        /// What it has.
        version: String,
        /// What it lacks.
        because: &'static str,
        /// What has it.
        needed: &'static str,
    },
    /// A message of the hub would not fit.
    #[error(
        "NATS takes no message above {has} bytes and this hub's may have {needed}: raise `max_payload` of its servers to {needed} or more, or lower message_bytes_max of all hubs by {}", needed - has
    )]
    PayloadTooSmall {
        /// What it takes.
        has: usize,
        /// What the hub demands.
        needed: usize,
    },
    /// Rows are to lie on several servers, and there is one.
    #[error(
        "the server of NATS is alone and each row is to lie on {replicas}: give it a cluster, or every hub cluster_replicas = 1, with which the loss of that server's disk is the loss of all registrations"
    )]
    Alone {
        /// How many there should be.
        replicas: u8,
    },
    /// There is no JetStream, which keeps the rows.
    #[error(
        "NATS has no JetStream for this hub ({0}): start its servers with `jetstream {{}}` in their configuration, and allow it to this hub's account"
    )]
    NoJetStream(String),
    /// The stream is not what rows need.
    #[error(
        "the stream `{stream}` of NATS {wrong}: mend it with `nats stream edit {stream}`, or give the cluster another name"
    )]
    Stream {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// The stream cannot be made.
    #[error(
        "NATS does not make the stream `{stream}`: {said}; are there as many servers as `replicas` asks for, and room on their disks?"
    )]
    NotMade {
        /// Its name.
        stream: String,
        /// What NATS said.
        said: String,
    },
    /// Nobody who decides answers.
    #[error("NATS does not answer ({0}): are most of its servers up, and connected to each other?")]
    Silent(String),
}

impl NatsError {
    /// Whether it may pass by itself, as while a cluster starts.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(error) => !matches!(
                error.kind(),
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
            ),
            Self::NotMade { .. } | Self::Silent(_) => true,
            Self::NoJetStream(_)
            | Self::Server { .. }
            | Self::SecretInAddress
            | Self::Credentials(_)
            | Self::TooOld { .. }
            | Self::Alone { .. }
            | Self::PayloadTooSmall { .. }
            | Self::Stream { .. } => false,
        }
    }
}
