//! What the hub says unasked: the payloads of its notices (protocol, section 4).

use serde::{Deserialize, Serialize};

use super::ActorAddress;

/// What the hub says unasked, without a `correlationId`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `hub:disconnect`: the hub is about to close this session.
    Disconnect(DisconnectNotice),
    /// `hub:unregistered`: this session lost the address, and lives on.
    Unregistered(UnregisteredNotice),
    /// `hub:pause`: this session sends to one that does not keep up.
    Pause(PauseNotice),
    /// `hub:resume`: the cause of the latest pause is gone.
    Resume,
}

impl Notice {
    /// The envelope's `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Notice::Disconnect(_) => "hub:disconnect",
            Notice::Unregistered(_) => "hub:unregistered",
            Notice::Pause(_) => "hub:pause",
            Notice::Resume => "hub:resume",
        }
    }
}

/// The address that a session lost, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnregisteredNotice {
    /// The address that was taken.
    pub actor_address: ActorAddress,
    /// Why it was taken.
    pub reason: UnregisterReason,
}

/// Why the hub takes an address from a session that lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnregisterReason {
    /// Another session registered it.
    DuplicateConnection,
    /// The registration's time to live was over.
    Expired,
    /// The session's newer token does not allow it.
    TokenNarrowed,
    /// A reason that only newer hubs know.
    #[serde(other)]
    Other,
}

/// The recipient that does not keep up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseNotice {
    /// `slow_consumer`.
    pub reason: String,
    /// The recipient.
    pub actor_address: ActorAddress,
    /// Messages that wait for its session.
    pub queue_depth: usize,
}

impl PauseNotice {
    /// The reason of a recipient that reads too slowly.
    pub const SLOW_CONSUMER: &'static str = "slow_consumer";
}

/// Why the hub is about to close a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisconnectNotice {
    /// `duplicate_connection` or `server_shutdown`.
    pub reason: String,
    /// The same for a person.
    pub message: String,
}

impl DisconnectNotice {
    /// The reason of a takeover.
    pub const DUPLICATE_CONNECTION: &'static str = "duplicate_connection";
    /// The reason of the hub's end.
    pub const SERVER_SHUTDOWN: &'static str = "server_shutdown";
}
