//! What a hub speaks: a dialect turns what a step does into frames, and frames into what they say,
//! whatever the protocol. Names are those of the run throughout: what an address looks like in the protocol is
//! the dialect's business.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use dst::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::scenario::WhichToken;

/// How long a hub may take for what it does at once, unless somebody knows better.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names a connection of the run, as long as that lasts.
pub type Connection = u32;

/// A dialect that makes and reads frames. One value speaks for all connections of a run.
pub trait Dialect: Send {
    /// What the hub promises that speaks it.
    fn promises(&self) -> &Promises;

    /// A connection of a client is open, as far as the WebSocket; one client may have several, one after the other.
    fn opened(&mut self, connection: Connection, client: &str) -> Turn;

    /// What an operation says on the connection.
    ///
    /// # Errors
    /// If the dialect has no words for it, or cannot go on.
    fn say(&mut self, connection: Connection, operation: &Operation) -> Result<Turn, Mute>;

    /// What a frame says that came on the connection.
    ///
    /// # Errors
    /// If the dialect cannot go on.
    fn hear(&mut self, connection: Connection, frame: &Frame) -> Result<Turn, Mute>;

    /// The connection is gone.
    fn closed(&mut self, connection: Connection);
}

/// Arrivals of a connection that may wait to be read; a library that tells more is broken.
pub const ARRIVALS_MAX: usize = 1024;

/// A client library of its own, which opens connections itself: where it is told to, through the network of the run.
pub trait Library: Send {
    /// What the hub promises that it speaks to.
    fn promises(&self) -> &Promises;

    /// Opens a connection to this port of the loopback, in the name of the address; tells what comes of it, and
    /// what comes on it, until it is lost. Where this ends without that, the library is broken, and says so when
    /// it is asked for anything.
    ///
    /// # Errors
    /// If it cannot go on.
    fn open(
        &mut self,
        connection: Connection,
        port: u16,
        speaker: &str,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Result<(), Mute>;

    /// Asks for something on an open connection.
    ///
    /// # Errors
    /// If the dialect has no words for it, or cannot go on.
    fn say(&mut self, connection: Connection, operation: &Operation) -> Result<(), Mute>;

    /// Ends the connection in order, or else in the middle of whatever it does.
    ///
    /// # Errors
    /// If it cannot go on.
    fn close(&mut self, connection: Connection, in_order: bool) -> Result<(), Mute>;
}

/// What a client library tells of a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrival {
    /// It is open, as far as the transport.
    Opened,
    /// Something came.
    Heard(Heard),
    /// It is gone, or could not be opened: the code of its end, if one came, and why in words.
    Lost {
        /// A close code or a reason code of the protocol.
        code: Option<u16>,
        /// For people.
        why: String,
    },
}

/// Who speaks to the hub.
pub enum Speaker {
    /// Connections are ours, frames are the dialect's.
    Frames(Box<dyn Dialect>),
    /// Connections are the library's.
    Client(Box<dyn Library>),
}

impl Speaker {
    /// What the hub promises.
    pub fn promises(&self) -> &Promises {
        match self {
            Speaker::Frames(dialect) => dialect.promises(),
            Speaker::Client(library) => library.promises(),
        }
    }
}

/// Why a dialect does not say something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mute {
    /// It has no words for the operation; the rest can go on.
    #[error("{0}")]
    NoWords(String),
    /// It is broken, and so is the run: no fault of the hub.
    #[error("the dialect: {0}")]
    Broken(String),
}

/// What is written, and what is known, at once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// In the order in which they are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// In the order in which they became known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Heard>,
}

/// One message of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes; base64 in a line.
    Binary(
        #[serde(with = "base64_text")]
        #[schemars(with = "String")]
        Vec<u8>,
    ),
}

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

    /// Whether it is answered in any protocol.
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

/// What the hub promises, and in what times. What it does not promise is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Promises {
    /// What holds.
    pub keeps: BTreeSet<Promise>,
    /// The operations that the dialect has words for; all, unless given.
    pub verbs: Option<BTreeSet<String>>,
    /// For how long an address that nobody is at keeps its subscriptions.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub resume_window: Option<Duration>,
    /// How often a client is to show that it lives.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub heartbeat: Option<Duration>,
    /// After how much silence a session ends.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub idle_timeout: Option<Duration>,
    /// For how long an ask that is asked again is the same ask.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub dedupe_window: Option<Duration>,
    /// How long the hub may take for anything that it does at once.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub patience: Option<Duration>,
    /// How many messages a connection has room for that does not read just now; all that are said, unless given.
    pub room: Option<u64>,
    /// Whether a connection has one address, that of whoever opened it, and speaks in no other's name.
    pub one_address: bool,
    /// The close code of a connection whose address another one took.
    pub superseded_code: Option<u16>,
    /// The close code of a connection that was silent for too long.
    pub idle_code: Option<u16>,
}

impl Promises {
    /// Whether the hub promises it.
    pub fn keep(&self, promise: Promise) -> bool {
        self.keeps.contains(&promise)
    }

    /// How long the hub may take for what it does at once.
    pub fn patience(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    /// Whether the dialect has words for the operation.
    pub fn knows(&self, word: &str) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.contains(word))
    }
}

/// Something that a hub can promise.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The latest registration of an address has it; the earlier one is over.
    Takeover,
    /// Whoever loses an address to another is told so, once, before the end of its connection.
    TakeoverTold,
    /// Registrations bear versions that grow.
    Versions,
    /// Subscriptions come back with the address, for the resume window.
    Resume,
    /// Subscriptions outlive a takeover.
    SubscriptionsSurviveTakeover,
    /// A delivery names who sent it.
    Sender,
    /// A message reaches an address at most once.
    AtMostOnce,
    /// An ask that is asked again under its id within the dedupe window is the same ask.
    Dedupe,
    /// What one connection sends reaches another in the order of sending.
    Fifo,
    /// Answers count copies.
    Counts,
    /// Each ask gets one answer.
    AskOutcome,
    /// A tell gets none.
    QuietTell,
    /// Nothing is delivered after its time to live.
    MessageTtl,
    /// A registration lives as long as it says, if it is renewed, and no longer if it is not.
    RegistrationTtl,
    /// What is published reaches everybody who is subscribed.
    Publish,
    /// A broadcast reaches everybody who is there.
    Broadcast,
    /// Who is there is told truly.
    Discovery,
    /// Silent sessions end.
    IdleTimeout,
    /// Everybody is told when the hub goes down.
    ShutdownTold,
}

impl Promise {
    /// Every one.
    pub const ALL: [Promise; 19] = [
        Promise::Takeover,
        Promise::TakeoverTold,
        Promise::Versions,
        Promise::Resume,
        Promise::SubscriptionsSurviveTakeover,
        Promise::Sender,
        Promise::AtMostOnce,
        Promise::Dedupe,
        Promise::Fifo,
        Promise::Counts,
        Promise::AskOutcome,
        Promise::QuietTell,
        Promise::MessageTtl,
        Promise::RegistrationTtl,
        Promise::Publish,
        Promise::Broadcast,
        Promise::Discovery,
        Promise::IdleTimeout,
        Promise::ShutdownTold,
    ];
}

/// As files have it.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = serde_json::to_value(self).unwrap_or_default();
        f.write_str(word.as_str().unwrap_or("?"))
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

mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
