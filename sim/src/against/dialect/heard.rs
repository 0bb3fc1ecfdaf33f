//! What a client heard.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// What that is in any protocol.
    #[serde(flatten)]
    pub report: Report,
    /// What it is called in this one: a step can expect it by that.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// From whom, in the words of the protocol.
    #[serde(rename = "sender", default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// What it bears, in those words.
    #[serde(rename = "body", default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl From<Report> for Heard {
    fn from(report: Report) -> Self {
        Self { report, kind: None, sender: None, body: None }
    }
}

/// What it says, in any protocol. `operation` is the id of what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The session has begun.
    Connected {
        /// The `connect`.
        operation: String,
    },
    /// The address is this connection's from now on, or its time begins anew.
    Owned {
        /// The `register`, or the `renew`.
        operation: String,
        /// Which one.
        address: String,
        /// Which registration of it that is; a later one has a greater number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// Whether the hub knew the address, and what it was subscribed to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumed: Option<bool>,
        /// What it is subscribed to, if that is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topics: Option<BTreeSet<String>>,
    },
    /// It is carried out.
    Done {
        /// What.
        operation: String,
        /// How many copies were handed over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<u64>,
        /// How many were not, though somebody was to have them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<u64>,
        /// Who is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        addresses: Option<BTreeSet<String>>,
        /// Whether there are more.
        #[serde(default)]
        more: bool,
    },
    /// It is not carried out, or the hub complains of something else.
    Refused {
        /// What, if the refusal says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<String>,
        /// Why.
        why: Refusal,
    },
    /// A message for this connection.
    Delivered {
        /// From whom, if the hub says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// For which of its addresses, if the hub says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// By which topic, if by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// What was said.
        payload: Value,
    },
    /// The hub tells something that was not asked for.
    Told {
        /// What.
        what: Notice,
        /// Of which address, if of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// The session is over, said in words of the protocol; frames of the WebSocket are seen without a dialect.
    Ended {
        /// Its code, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
    /// What nobody can read.
    Unreadable {
        /// Why not.
        why: String,
    },
    /// Anything else.
    Other,
}

/// Why something is refused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nobody has the address.
    UnknownRecipient,
    /// Whoever asks may not.
    Unauthorized,
    /// More was asked than is allowed, or the recipient has no room: a matter of time.
    RateLimited,
    /// It was not worth delivering any more.
    Expired,
    /// The session has not begun, or speaks another version.
    NotConnected,
    /// It makes no sense.
    Invalid,
    /// The hub cannot, for the time being.
    Unavailable,
    /// Nobody knows whether it is carried out.
    Timeout,
    /// Another reason.
    Other,
}

/// What a hub tells on its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Another connection has the address now.
    Superseded,
    /// The address was not renewed in time.
    Expired,
    /// The hub goes down.
    Shutdown,
    /// A recipient is slow: less is to be sent.
    Pause,
    /// That is over.
    Resume,
}
