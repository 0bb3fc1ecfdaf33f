//! What can be done to the network, as data: a scenario names faults in these words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ConnectionId, End};
use super::link_config::{ConnectMode, LinkConfig, Seen};

/// Something done to the network. Hosts go by their names.
///
/// Each fault says when it *took effect*: when something first went another way because of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// From now on the link carries what is sent from one host to the other in this way. Takes
    /// effect with the first segment sent over it.
    Link {
        /// The host that sends.
        from: String,
        /// The host that it sends to.
        to: String,
        /// How it is carried from now on.
        config: LinkConfig,
    },
    /// Holds everything that would arrive on the link for a while, then lets it flow. Takes effect
    /// with the first segment held.
    Stall {
        /// The host that sends.
        from: String,
        /// The host that it sends to.
        to: String,
        /// How long from now on.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// Lets nothing pass until the partition is over; held bytes then flow after a retransmission
    /// delay, and connects that hang go on. Takes effect with the first segment held.
    Partition {
        /// The host that sends.
        from: String,
        /// The host that it sends to.
        to: String,
        /// Whether the way back is cut as well.
        ways: Ways,
    },
    /// Ends a partition. Takes effect if there was one.
    Rejoin {
        /// The host that sends.
        from: String,
        /// The host that it sends to.
        to: String,
        /// Whether the way back is rejoined as well.
        ways: Ways,
    },
    /// Decides what becomes of connects from one host to the other. Takes effect with the first
    /// connect it decides; `accept`, if another mode was in force.
    Connects {
        /// The host that connects.
        from: String,
        /// The host that it connects to.
        to: String,
        /// What becomes of them.
        mode: ConnectMode,
    },
    /// Ends connections at once: both ends see a reset, bytes unread or in flight are lost. Takes
    /// effect if an end that was open sees it.
    Reset {
        /// Which ones.
        connections: Choice,
    },
    /// Cuts connections in the middle: bytes in flight are lost, and each end learns of it in its
    /// own time. Until then it reads nothing and writes into the void, until the window is full.
    /// Takes effect if an end that was open is cut off, or learns of an earlier cut.
    Sever {
        /// Which ones.
        connections: Choice,
        /// When and how the end that connected learns of it.
        client_sees: CutDetection,
        /// When and how the other end learns of it.
        server_sees: CutDetection,
    },
    /// The host's application reads nothing for a while, though bytes arrive. Takes effect when it
    /// is first kept from reading what has arrived.
    PauseHostReading {
        /// The host whose application reads nothing.
        host: String,
        /// How long from now on.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// The same for one end of connections.
    PauseReading {
        /// Which ones.
        connections: Choice,
        /// The end that reads nothing.
        end: End,
        /// How long from now on.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// The host's machine stops for a while. This is the network's half, and holds nothing back: whoever
    /// injects it stops the host's tasks, which a scenario asks of an actor or the hub. Takes effect
    /// when something first arrives that nobody is there to read.
    #[serde(skip_deserializing)]
    Pause {
        /// The host that stops.
        host: String,
        /// How long from now on.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// All streams and listeners of the host die without a word of their own. This is the network's
    /// half: whoever injects it kills the host's tasks next. Takes effect if there was a stream or a
    /// listener.
    Crash {
        /// The host that crashes.
        host: String,
        /// What the other ends of its connections see.
        peers: Peers,
    },
    /// Sets how far the host's wall clock is ahead. Takes effect if that moves it.
    ClockSkew {
        /// The host whose clock it is.
        host: String,
        /// How far it is ahead of the right time; negative if it is behind.
        milliseconds: i64,
    },
    /// Restores every link to the network's default, ends stalls, partitions, pauses and connect
    /// modes, and lets held bytes flow. Severed and half-open connections stay as they are, and so
    /// do clocks. Takes effect if there was anything to end.
    Heal,
}

/// The hosts of a fault, as the method of that name gives those of a [`Choice`].
macro_rules! hosts_of {
    ($fault:expr, $of_choice:ident) => {
        match $fault {
            Self::Link { from, to, .. }
            | Self::Stall { from, to, .. }
            | Self::Partition { from, to, .. }
            | Self::Rejoin { from, to, .. }
            | Self::Connects { from, to, .. } => vec![from, to],
            Self::Reset { connections }
            | Self::Sever { connections, .. }
            | Self::PauseReading { connections, .. } => connections.$of_choice(),
            Self::PauseHostReading { host, .. }
            | Self::Pause { host, .. }
            | Self::Crash { host, .. }
            | Self::ClockSkew { host, .. } => vec![host],
            Self::Heal => Vec::new(),
        }
    };
}

impl Fault {
    /// The names of all hosts it is about.
    pub fn hosts(&self) -> Vec<&str> {
        hosts_of!(self, hosts)
    }

    /// The same, to be renamed.
    pub fn hosts_mut(&mut self) -> Vec<&mut String> {
        hosts_of!(self, hosts_mut)
    }
}

/// As a scenario file has it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A fault that was injected, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRecord {
    /// What was done.
    pub fault: Arc<Fault>,
    /// Time since the run began.
    pub injected: Duration,
    /// When it first made a difference, if it did; time since the run began.
    pub took_effect: Option<Duration>,
}

/// Why a fault cannot be injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// It names a host that the network does not have.
    #[error("no host is called {0:?}")]
    UnknownHost(String),
}

/// Which directions of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// The named one.
    OneWay,
    /// The named one and the way back.
    BothWays,
}

/// As what the end of a connection is seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SeenAs {
    /// An orderly end: what has arrived is read first, then the end of the stream; writes fail.
    EndOfStream,
    /// A reset: what has arrived is lost.
    Reset,
}

/// When and how one end learns that its connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutDetection {
    /// When, counted from the cut.
    pub when: Seen,
    /// As what it is seen.
    pub ending: SeenAs,
}

impl CutDetection {
    /// It is seen as a reset.
    pub const fn reset(when: Seen) -> Self {
        Self { when, ending: SeenAs::Reset }
    }

    /// It is seen as an orderly end.
    pub const fn end_of_stream(when: Seen) -> Self {
        Self { when, ending: SeenAs::EndOfStream }
    }

    /// The end never learns of the cut.
    pub const NEVER: Self = Self::reset(Seen::Never);
}

/// What the peers of a host that crashes see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Peers {
    /// The process died and its kernel lives: peers see resets, connects are refused.
    SeeReset,
    /// The machine is gone: nothing answers until the host listens or connects again; what is sent
    /// to its old connections is then answered by resets.
    SeeNothing,
}

/// Which of the connections that are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Choice {
    /// This one.
    Id(ConnectionId),
    /// The youngest from this client to this server.
    Latest {
        /// The host that connected.
        client: String,
        /// The host that it connected to.
        server: String,
    },
    /// Every one from this client to this server.
    Every {
        /// The host that connected.
        client: String,
        /// The host that it connected to.
        server: String,
    },
    /// Every one that has an end on this host.
    Of {
        /// The host at either end.
        host: String,
    },
}

impl Choice {
    fn hosts(&self) -> Vec<&str> {
        match self {
            Self::Id(_) => Vec::new(),
            Self::Latest { client, server } | Self::Every { client, server } => {
                vec![client, server]
            }
            Self::Of { host } => vec![host],
        }
    }

    fn hosts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Id(_) => Vec::new(),
            Self::Latest { client, server } | Self::Every { client, server } => {
                vec![client, server]
            }
            Self::Of { host } => vec![host],
        }
    }
}
