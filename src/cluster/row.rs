//! What the hubs of a cluster keep in their engine: one row for each node and one for each address, as JSON with a
//! version, so that a person can read it and nodes of two releases understand each other.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::{Key, NodeName, Revision};
use crate::auth::Principal;
use crate::protocol::{ActorAddress, Json, SubscriptionId, Topic};
use crate::time::Timestamp;

/// The largest row that is read, in bytes.
pub const ROW_BYTES_MAX: usize = 512 * 1024;

/// A life of a node: the next one has a higher number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeEpoch(pub u64);

/// Tells the processes apart that run under one node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// Names a write: whoever sees it in a row knows that this write was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(pub u64);

/// What a key of the engine is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A node.
    Node(NodeName),
    /// An address.
    Address(ActorAddress),
}

impl RowKey {
    /// The key: `n.NAME`, and `a.PATH` with each byte but letters, digits, `-` and `_` as `=XX`.
    pub fn encode(&self) -> Key {
        let text = match self {
            RowKey::Node(name) => format!("n.{name}"),
            RowKey::Address(address) => {
                let mut text = String::from("a.");
                for byte in address.path().bytes() {
                    let is_plain = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                    if is_plain {
                        text.push(char::from(byte));
                    } else {
                        text.push_str(&format!("={byte:02X}"));
                    }
                }
                text
            }
        };
        Key::parse(&text).expect("what is encoded is a key, and short enough")
    }

    /// Reads what [`RowKey::encode`] wrote; none for the key of anybody else.
    pub fn decode(key: &Key) -> Option<Self> {
        let (kind, name) = key.as_str().split_once('.')?;
        let row = match kind {
            "n" => RowKey::Node(NodeName::parse(name).ok()?),
            "a" => RowKey::Address(ActorAddress::parse(&format!("@({})", unescape(name)?)).ok()?),
            _ => return None,
        };
        (row.encode() == *key).then_some(row)
    }
}

fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = String::from(parts.next()?);
    for part in parts {
        let (digits, plain) = part.split_at_checked(2)?;
        text.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        text.push_str(plain);
    }
    Some(text)
}

/// A node that lives, or lived.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    /// Comes first.
    #[serde(rename = "v")]
    pub format: Format,
    /// Of this life.
    pub epoch: NodeEpoch,
    /// The process.
    pub incarnation: Incarnation,
    /// How often it renewed the row.
    pub beat: u64,
    /// Whether it lives: others declare it dead, and it says so itself when it leaves.
    pub alive: bool,
}

/// Where an address is: a life of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The node.
    pub node: NodeName,
    /// Its life.
    pub epoch: NodeEpoch,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.epoch.0)
    }
}

/// An address that somebody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressRow {
    /// Comes first.
    #[serde(rename = "v")]
    pub format: Format,
    /// The life of the node whose session has it, or had it.
    pub owner: Place,
    /// The write that made the row what it is.
    pub claim: ClaimId,
    /// The revision at which the owner got the address; none: this row's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Revision>,
    /// How often the engine lost what it had, as far as the writer knew.
    #[serde(default)]
    pub generation: u64,
    /// Whether its session is gone, and nobody has come back for it.
    pub detached: bool,
    /// Whether the owner numbers and keeps its messages.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub recovers: bool,
    /// Of the registration.
    pub capabilities: Vec<String>,
    /// Of the registration.
    pub metadata: Json,
    /// When it was registered, by the owner's clock: for people.
    pub registered_at: Timestamp,
    /// How long it lives unless it is renewed.
    pub ttl: Duration,
    /// The only principal that may have the address; none with auth off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub principal: Option<Principal>,
    /// The IP address that registered it.
    pub peer: IpAddr,
    /// Its subscriptions, by topic.
    pub topics: Vec<(Topic, SubscriptionId)>,
}

impl AddressRow {
    /// The version of the registration, if the row has this revision.
    pub fn version(&self, revision: Revision) -> Revision {
        self.since.unwrap_or(revision)
    }
}

/// The format of a row or a message; another one is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Format;

const FORMAT: u32 = 1;

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(FORMAT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let format = u32::deserialize(deserializer)?;
        if format == FORMAT {
            Ok(Self)
        } else {
            let why = format!("it has format {format}, and this release reads {FORMAT}");
            Err(serde::de::Error::custom(why))
        }
    }
}

/// Reads the text of a row or a message, or says what is wrong.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    text: &[u8],
    bytes_max: usize,
) -> Result<T, String> {
    if text.len() > bytes_max {
        return Err(format!("its {} bytes are more than {bytes_max}", text.len()));
    }
    serde_json::from_slice(text).map_err(|why| why.to_string())
}

macro_rules! as_json {
    ($($row:ty),*) => {$(
        impl $row {
            /// The text of the row.
            pub fn encode(&self) -> Bytes {
                serde_json::to_vec(self).expect("rows are JSON").into()
            }

            /// Reads it, or says what is wrong. Fields that only later releases know are passed over.
            pub fn decode(text: &[u8]) -> Result<Self, String> {
                read(text, ROW_BYTES_MAX)
            }
        }
    )*};
}

as_json!(NodeRow, AddressRow);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str) -> ActorAddress {
        ActorAddress::from_path(path).expect("a path")
    }

    #[test]
    fn a_key_says_what_it_is_about() {
        let node = RowKey::Node(NodeName::parse("hub-1").expect("a name"));
        assert_eq!(node.encode().as_str(), "n.hub-1");
        let bob = RowKey::Address(address("work/bob.1~x:y"));
        assert_eq!(bob.encode().as_str(), "a.work=2Fbob=2E1=7Ex=3Ay");
        let long = RowKey::Address(address(&format!("{}a", "a.".repeat(127))));
        for key in [node, bob, long] {
            assert_eq!(RowKey::decode(&key.encode()), Some(key));
        }
    }

    #[test]
    fn a_key_of_anybody_else_is_about_nothing() {
        for text in ["n.A", "x.bob", "a", "a.bob=2", "a.bob=zz", "a.bob=2f", "a.=C3=A9", "a.b=62"] {
            assert_eq!(RowKey::decode(&Key::parse(text).expect("a key")), None, "{text}");
        }
    }

    #[test]
    fn rows_go_through_their_text_unaltered() {
        let node = NodeRow {
            format: Format,
            epoch: NodeEpoch(3),
            incarnation: Incarnation(7),
            beat: 2,
            alive: true,
        };
        assert_eq!(node.encode(), r#"{"v":1,"epoch":3,"incarnation":7,"beat":2,"alive":true}"#);
        assert_eq!(NodeRow::decode(&node.encode()), Ok(node));
        let owner = Place { node: NodeName::parse("a").expect("a name"), epoch: NodeEpoch(1) };
        let topic =
            (Topic::parse("news").expect("a topic"), SubscriptionId::new(uuid::Uuid::nil()));
        let row = AddressRow {
            format: Format,
            owner,
            claim: ClaimId(9),
            since: Some(Revision(4)),
            generation: 0,
            detached: true,
            recovers: true,
            capabilities: vec!["chat".to_owned()],
            metadata: Json::parse(r#"{"a": 1.50}"#).expect("JSON"),
            registered_at: Timestamp::from_millis(5),
            ttl: Duration::from_secs(60),
            principal: None,
            peer: [127, 0, 0, 1].into(),
            topics: vec![topic],
        };
        assert_eq!(AddressRow::decode(&row.encode()), Ok(row));
    }

    #[test]
    fn a_text_that_is_no_row_is_told() {
        let newer = r#"{"v":2,"epoch":3}"#;
        let why = NodeRow::decode(newer.as_bytes()).expect_err("format 2");
        assert!(why.starts_with("it has format 2, and this release reads 1"), "{why}");
        let more = r#"{"v":1,"epoch":3,"incarnation":7,"beat":2,"alive":true,"later":[]}"#;
        assert_eq!(NodeRow::decode(more.as_bytes()).map(|row| row.beat), Ok(2));
        assert!(AddressRow::decode(b"\xff").is_err());
        let large = vec![b' '; ROW_BYTES_MAX + 1];
        assert!(NodeRow::decode(&large).expect_err("too large").contains("more than"));
    }
}
