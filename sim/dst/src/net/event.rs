//! What happened on the network, compact: text is made only for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::ids::{ConnectionId, End, FaultId};

/// Receives every event, in order, while the network is not locked: it may call the network,
/// but must not own it.
pub type Sink = Box<dyn FnMut(NetEvent) + Send>;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetEvent {
    /// Time since the run began.
    pub at: Duration,
    /// What happened.
    pub kind: NetEventKind,
}

/// What can happen on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEventKind {
    /// A client asks for a connection.
    Opened {
        /// Its number from now on.
        connection: ConnectionId,
        /// The name of the host that connects.
        client: Arc<str>,
        /// The name of the host that it connects to.
        server: Arc<str>,
        /// The server's.
        port: u16,
    },
    /// The client knows that it is connected.
    Established {
        /// The connection that stands.
        connection: ConnectionId,
    },
    /// The client knows that it is refused.
    Refused {
        /// The connection that does not come about.
        connection: ConnectionId,
    },
    /// An end sent bytes.
    Sent {
        /// On which connection.
        connection: ConnectionId,
        /// The end that sent.
        from: End,
        /// How many bytes.
        bytes: u32,
        /// Their [`stable_hash`](crate::hash::stable_hash).
        hash: u64,
    },
    /// An end sends no more, in an orderly way.
    FinSent {
        /// On which connection.
        connection: ConnectionId,
        /// The end that sends no more.
        from: End,
    },
    /// The orderly end of what the peer sends has arrived.
    FinSeen {
        /// On which connection.
        connection: ConnectionId,
        /// The end that it reached.
        by: End,
    },
    /// An end knows that the connection was reset.
    ResetSeen {
        /// Which connection.
        connection: ConnectionId,
        /// The end that knows.
        by: End,
    },
    /// Neither end is left.
    Closed {
        /// The connection that is over.
        connection: ConnectionId,
    },
    /// A fault was injected.
    Injected {
        /// Its number from now on.
        id: FaultId,
        /// What was done.
        fault: Arc<Fault>,
    },
    /// A fault made a difference for the first time.
    TookEffect {
        /// The fault's number.
        id: FaultId,
    },
}

impl fmt::Display for NetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14.6} {}", self.at.as_secs_f64(), self.kind)
    }
}

impl fmt::Display for NetEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { connection, client, server, port } => {
                write!(f, "{connection} opened {client} -> {server}:{port}")
            }
            Self::Established { connection } => write!(f, "{connection} established"),
            Self::Refused { connection } => write!(f, "{connection} refused"),
            Self::Sent { connection, from, bytes, hash } => {
                write!(f, "{connection} {from} sent {bytes} bytes {hash:016x}")
            }
            Self::FinSent { connection, from } => write!(f, "{connection} {from} sent FIN"),
            Self::FinSeen { connection, by } => write!(f, "{connection} {by} sees FIN"),
            Self::ResetSeen { connection, by } => write!(f, "{connection} {by} sees reset"),
            Self::Closed { connection } => write!(f, "{connection} closed"),
            Self::Injected { id, fault } => write!(f, "{id} injected {fault}"),
            Self::TookEffect { id } => write!(f, "{id} took effect"),
        }
    }
}
