//! Recovery: how an actor gets what was sent to it while it was away (protocol, section 5).

use serde::{Deserialize, Serialize, Serializer};

use super::{ActorAddress, Epoch};

/// How far an actor has read: every message of the epoch up to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The epoch in which the numbers count.
    pub epoch: Epoch,
    /// The `metadata.seq` of the last message; zero: there was none yet.
    pub after: u64,
}

/// What a registration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoveryWish {
    /// From now on messages are numbered and kept: `true`.
    Begin,
    /// What came after the position, and so on from there.
    From(Position),
}

impl RecoveryWish {
    /// The position that the client keeps, if it has one.
    pub const fn position(&self) -> Option<Position> {
        match self {
            RecoveryWish::Begin => None,
            RecoveryWish::From(position) => Some(*position),
        }
    }
}

impl Serialize for RecoveryWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RecoveryWish::Begin => serializer.serialize_bool(true),
            RecoveryWish::From(position) => position.serialize(serializer),
        }
    }
}

/// Asks for what came after a number, on the living connection: a number was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recover {
    /// None: the acting identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_address: Option<ActorAddress>,
    /// The `metadata.seq` of the last message before the gap.
    pub after: u64,
}

/// The answer to `hub:recover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// The recovering address.
    pub actor_address: ActorAddress,
    /// What comes next.
    pub recovery: Recovery,
}

/// Where an actor stands, and what it gets of what it missed: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The epoch from now on; none where recovery is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The next message is the first one after this number that did not expire.
    pub after: u64,
    /// Whether everything after the asked position follows.
    pub recovered: bool,
    /// Messages that follow because of that, before all others.
    pub replayed: u64,
    /// Messages after the position whose time to live was over.
    pub ttl_expired: u64,
    /// Why nothing was recovered; none if nothing was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unrecovered>,
    /// What the hub keeps for the address.
    pub window: RecoveryWindow,
}

impl Recovery {
    /// The position that the client has now, if recovery is on.
    pub fn position(&self) -> Option<Position> {
        let after = self.after;
        self.epoch.map(|epoch| Position { epoch, after })
    }
}

/// Why a position does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unrecovered {
    /// The epoch ended, or never was.
    Epoch,
    /// A message after the position is older than the window.
    Expired,
    /// A message after the position gave way to newer ones.
    Overflow,
    /// No message has this number yet.
    Ahead,
    /// Another connection took the address over without a position.
    TakenOver,
    /// The node of a cluster that kept it is gone, or did not answer.
    NodeLost,
    /// The hub, or the address, keeps nothing.
    Off,
    /// A reason that only newer hubs know.
    #[serde(other)]
    Other,
}

/// The bounds within which a position counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecoveryWindow {
    /// The age of the oldest message that is kept, and how long an address may be away; whole
    /// seconds, rounded down.
    pub seconds: u64,
    /// Messages of one address.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}
