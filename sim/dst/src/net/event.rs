//! What happened on the network, compact: text is made only for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::ids::{ConnectionId, End, FaultId};

/// Receives every event, in order, while the network is not locked: it may call the network,
/// but must not own it.
pub type Sink = Box<dyn FnMut(NetEvent) + Send>;

/// Something that happened, and when, counted from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetEvent {
    pub at: Duration,
    pub kind: NetEventKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEventKind {
    /// A client asks for a connection.
    Opened { connection: ConnectionId, client: Arc<str>, server: Arc<str>, port: u16 },
    /// The client knows that it is connected.
    Established { connection: ConnectionId },
    /// The client knows that it is refused.
    Refused { connection: ConnectionId },
    /// `from` sent `bytes` bytes; `hash` is their [`stable_hash`](crate::hash::stable_hash).
    Sent { connection: ConnectionId, from: End, bytes: u32, hash: u64 },
    /// `from` ended its direction in an orderly way.
    FinSent { connection: ConnectionId, from: End },
    /// The orderly end of the other direction reached `by`.
    FinSeen { connection: ConnectionId, by: End },
    /// `by` knows that the connection was reset.
    ResetSeen { connection: ConnectionId, by: End },
    /// Neither end is left.
    Closed { connection: ConnectionId },
    /// A fault was injected.
    Injected { id: FaultId, fault: Arc<Fault> },
    /// A fault made a difference for the first time.
    TookEffect { id: FaultId },
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
