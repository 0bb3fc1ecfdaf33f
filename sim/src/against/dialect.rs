//! What a hub speaks: a dialect turns what a step does into frames, and frames into what they say,
//! whatever the protocol. Names are those of the run throughout: what an address looks like in the protocol is
//! the dialect's business.

mod heard;
mod operation;
mod promise;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use heard::{Heard, Notice, Refusal, Report};
pub use operation::{Operation, Verb};
pub use promise::{Promise, Promises};

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
