//! What a hub with a store writes down, so that its next start finds it again (docs/OPERATIONS.md).

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::protocol::{ActorAddress, Epoch, Json, MessageId, Route, SubscriptionId, Topic};
use crate::time::Timestamp;

/// Whether what the hub knows is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Storage {
    /// Nowhere: it ends with the hub.
    #[default]
    Off,
    /// In a store.
    Open,
    /// In a store that takes nothing more, until it has room again: what adds to it is refused.
    Full,
}

/// A row as it is from now on; `None`: it is gone. Later entries count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An address that the hub knows.
    Address(ActorAddress, Option<Box<StoredAddress>>),
    /// A subscription of the address.
    Subscription(ActorAddress, Topic, Option<StoredSubscription>),
    /// The log of the address. It ends the kept messages up to its floor, and all of them if its
    /// epoch is another one or there is no log.
    Log(ActorAddress, Option<StoredLog>),
    /// A message that the log keeps.
    Kept(ActorAddress, Box<StoredMessage>),
}

/// What outlives the owner of an address: its sessions and its renewal tokens do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAddress {
    /// Goes on from here.
    pub version: u64,
    /// Of the latest registration.
    pub capabilities: Vec<String>,
    /// Of the latest registration.
    pub metadata: Json,
    /// When that was.
    pub registered_at: Timestamp,
    /// The only principal that may have the address; none with auth off.
    pub principal: Option<Principal>,
    /// The IP address that registered it.
    pub peer: IpAddr,
    /// The latest epoch that a takeover ended.
    pub taken_over: Option<Epoch>,
    /// Its resume window ended; its durable subscriptions alone are left.
    pub dormant: bool,
}

/// A subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoredSubscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Whether it outlives the resume window.
    pub durable: bool,
}

/// The numbers of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoredLog {
    /// In which they count.
    pub epoch: Epoch,
    /// The latest number.
    pub last: u64,
    /// The latest number that is lost.
    pub floor: u64,
    /// Whether age took it, and not a bound.
    pub aged: bool,
}

/// A kept message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// Its number.
    pub seq: NonZeroU64,
    /// When it arrived.
    pub at: Timestamp,
    /// How long after that it may be handed out; none: for ever.
    pub ttl: Option<Duration>,
    /// Who sent it.
    pub from: ActorAddress,
    /// The application's type.
    pub kind: String,
    /// The application's data.
    pub payload: Json,
    /// With the hub's own keys.
    pub metadata: Json,
    /// How it came.
    pub route: Route,
    /// The id of its request.
    pub origin: MessageId,
    /// No session got it when it was kept.
    pub owed: bool,
}
