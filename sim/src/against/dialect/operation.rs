//! What a client asks of the hub.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::scenario::WhichToken;

/// Something that a client asks of the hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Names it; the same again is a retry of the same.
    pub id: String,
    /// In whose name it is asked.
    #[serde(rename = "as")]
    pub speaker: String,
    /// What is asked.
    #[serde(flatten)]
    pub verb: Verb,
}

/// What can be asked of a hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verb {
    /// Begins a session.
    Connect {
        /// A version of the protocol that is not the dialect's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// Takes the address of the speaker.
    Register {
        /// Which one.
        address: String,
        /// How long it lives without renewal.
        #[serde(rename = "ttl_ms", with = "millis")]
        #[schemars(with = "u64")]
        ttl: Duration,
        /// Whether each heartbeat renews it.
        #[serde(default)]
        renew_on_heartbeat: bool,
        /// What broadcasts of this run are for, on a hub that others use, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capability: Option<String>,
    },
    /// Gives it up.
    Unregister {
        /// Which one.
        address: String,
    },
    /// Has it live longer.
    Renew {
        /// Which one.
        address: String,
        /// Whether the token is the latest that the connection was told, an earlier one, or none.
        token: WhichToken,
    },
    /// Wants what is published on a topic.
    Subscribe {
        /// Which one.
        topic: String,
    },
    /// Wants it no more.
    Unsubscribe {
        /// Which one.
        topic: String,
        /// Whether it is named by the id of the subscription that was told last.
        #[serde(default)]
        by_id: bool,
    },
    /// Sends to an address, and wants no answer.
    Tell {
        /// Whom.
        to: String,
        /// What is said; no two operations say the same, but for retries.
        payload: Value,
        /// How long it is worth delivering.
        #[serde(
            rename = "ttl_ms",
            with = "millis::optional",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "u64")]
        ttl: Option<Duration>,
    },
    /// Sends to an address, and wants to know what became of it.
    Ask {
        /// Whom.
        to: String,
        /// What is said.
        payload: Value,
        /// How long it is worth delivering.
        #[serde(
            rename = "ttl_ms",
            with = "millis::optional",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "u64")]
        ttl: Option<Duration>,
    },
    /// Sends to everybody who is subscribed to a topic.
    Publish {
        /// Which one.
        topic: String,
        /// What is said.
        payload: Value,
        /// How long it is worth delivering.
        #[serde(
            rename = "ttl_ms",
            with = "millis::optional",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "u64")]
        ttl: Option<Duration>,
    },
    /// Sends to everybody who is there.
    Broadcast {
        /// What is said.
        payload: Value,
        /// Whether the speaker is left out.
        #[serde(default)]
        exclude_self: bool,
        /// Whom alone it is for: those who registered with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capability: Option<String>,
        /// How long it is worth delivering.
        #[serde(
            rename = "ttl_ms",
            with = "millis::optional",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "u64")]
        ttl: Option<Duration>,
    },
    /// Asks who is there.
    Discover {
        /// Whom to look for, `*` for any text.
        pattern: String,
    },
    /// Asks for anything else that the protocol has a word for: `list_actors`, `queue_stats`, `metrics`.
    Query {
        /// For what.
        what: String,
    },
    /// Shows that the session lives.
    Heartbeat,
    /// The shortest sign of life that there is.
    Ping,
    /// Takes leave: the hub forgets at once.
    Disconnect,
}

impl Verb {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Verb::Connect { .. } => "connect",
            Verb::Register { .. } => "register",
            Verb::Unregister { .. } => "unregister",
            Verb::Renew { .. } => "renew",
            Verb::Subscribe { .. } => "subscribe",
            Verb::Unsubscribe { .. } => "unsubscribe",
            Verb::Tell { .. } => "tell",
            Verb::Ask { .. } => "ask",
            Verb::Publish { .. } => "publish",
            Verb::Broadcast { .. } => "broadcast",
            Verb::Discover { .. } => "discover",
            Verb::Query { .. } => "query",
            Verb::Heartbeat => "heartbeat",
            Verb::Ping => "ping",
            Verb::Disconnect => "disconnect",
        }
    }

    /// Returns whether it is answered in any protocol.
    pub const fn wants_answer(&self) -> bool {
        !matches!(self, Verb::Tell { .. } | Verb::Ping | Verb::Heartbeat | Verb::Disconnect)
    }

    /// What it says to others, if it does.
    pub const fn payload(&self) -> Option<&Value> {
        match self {
            Verb::Tell { payload, .. }
            | Verb::Ask { payload, .. }
            | Verb::Publish { payload, .. }
            | Verb::Broadcast { payload, .. } => Some(payload),
            _ => None,
        }
    }
}

/// Durations on the line: whole milliseconds, which any language reads.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(value.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }

    pub mod optional {
        use super::*;

        pub fn serialize<S: Serializer>(
            value: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}
