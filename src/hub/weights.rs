//! The weight of a row in the hub's accounts, in bytes: what a client can make long in it, and a
//! constant for the rest, with its places in all indexes. A queue has the weight of its messages
//! ([`Outgoing::weight`]). The hub never holds more than a constant times what it accounts for
//! (I52): `tests/memory.rs` measures it.

use serde::Serialize;

use super::Config;
use crate::protocol::{ActorAddress, Outgoing, PATH_BYTES_MAX, TOPIC_BYTES_MAX, Topic};

/// The weight of a session: its row, its deadlines, its rate limiters.
pub const SESSION: usize = 1024;
/// The weight of a recovering address's log, without its messages.
pub const LOG: usize = 512;
const REGISTRATION: usize = 1024;
const CAPABILITY: usize = 32;
const SUBSCRIPTION: usize = 512;
const OUTCOME: usize = 256;
/// What surrounds the path of an address.
const ADDRESS_BYTES_MAX: usize = PATH_BYTES_MAX + 3;

/// The weight of a registered or detached address, without its subscriptions.
pub fn registration(
    address: &ActorAddress,
    capabilities: &[String],
    metadata_bytes: usize,
) -> usize {
    let capabilities: usize = capabilities.iter().map(|text| CAPABILITY + text.len()).sum();
    REGISTRATION + address.as_str().len() + capabilities + metadata_bytes
}

/// The weight of one address's subscription to a topic.
pub fn subscription(topic: &Topic) -> usize {
    SUBSCRIPTION + topic.as_str().len()
}

/// The weight of one remembered outcome of this address. Of its ask a digest is kept.
pub(super) fn outcome(address: &ActorAddress) -> usize {
    OUTCOME + address.as_str().len()
}

/// Bytes that the hub accounts for, or the most that it may account for, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Accounts {
    /// Rows of sessions.
    pub sessions: usize,
    /// Messages that wait to be written.
    pub queues: usize,
    /// Registered and detached addresses.
    pub registrations: usize,
    /// Subscriptions of addresses to topics.
    pub subscriptions: usize,
    /// Messages kept for addresses that recover.
    pub logs: usize,
    /// Remembered outcomes of asks.
    pub outcomes: usize,
}

impl Accounts {
    /// The most that a hub with this configuration accounts for (docs/OPERATIONS.md, Sizing).
    pub fn at_most(config: &Config) -> Self {
        let addresses = config.registrations_max;
        let subscriptions = addresses.saturating_mul(config.subscriptions_per_session_max);
        Self {
            sessions: config.sessions_max.saturating_mul(SESSION),
            queues: config.sessions_max.saturating_mul(queue_max(config)),
            registrations: addresses.saturating_mul(registration_max(config)),
            subscriptions: subscriptions.saturating_mul(SUBSCRIPTION + TOPIC_BYTES_MAX),
            logs: addresses.saturating_mul(LOG).saturating_add(config.recovery_total_bytes_max),
            outcomes: config.dedupe_entries_max.max(1).saturating_mul(OUTCOME + ADDRESS_BYTES_MAX),
        }
    }

    /// Each number with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let Self { sessions, queues, registrations, subscriptions, logs, outcomes } = *self;
        [
            ("sessions", sessions),
            ("queues", queues),
            ("registrations", registrations),
            ("subscriptions", subscriptions),
            ("logs", logs),
            ("outcomes", outcomes),
        ]
        .into_iter()
    }

    /// The bytes of all kinds together.
    pub fn sum(&self) -> usize {
        self.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(bytes))
    }
}

/// The most that one address weighs.
pub fn registration_max(config: &Config) -> usize {
    let capability = CAPABILITY + config.capability_bytes_max;
    let capabilities = config.capabilities_max.saturating_mul(capability);
    (REGISTRATION + ADDRESS_BYTES_MAX)
        .saturating_add(capabilities)
        .saturating_add(config.registration_metadata_bytes_max)
}

/// The most that one session's queue holds: twice its bound, for replies, or one message of any
/// size that found it empty; and its last message, or a hub:resume.
fn queue_max(config: &Config) -> usize {
    let largest = config.message_bytes_max.saturating_mul(4).saturating_add(LAST_WORDS);
    config.queue_bytes_max.saturating_mul(2).max(largest).saturating_add(LAST_WORDS)
}

const LAST_WORDS: usize = 2 * Outgoing::ENVELOPE_WEIGHT;
