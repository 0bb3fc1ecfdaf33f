//! The lines between this program and a dialect that is a process of its own: docs/DIALECTS.md has them for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dialect::{Connection, Frame, Heard, Operation, Promises};

/// Of the lines. It changes when what is written today would mean something else.
pub const PROTOCOL: u32 = 1;

/// A line of ours. Each gets one answer, which bears its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Counts up from 0.
    pub n: u64,
    /// What it says.
    #[serde(flatten)]
    pub what: Ours,
}

/// What our lines say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ours {
    /// Both: the first line.
    Init {
        /// The version of these lines.
        protocol: u32,
    },
    /// Frames: a connection is open, as far as the WebSocket.
    Opened {
        /// Which one.
        connection: Connection,
        /// Whose it is: one client may have several, one after the other.
        client: String,
    },
    /// Both: a client asks for something.
    Say {
        /// On which connection.
        connection: Connection,
        /// For what.
        operation: Operation,
    },
    /// Frames: the hub says something.
    Hear {
        /// On which connection.
        connection: Connection,
        /// What.
        frame: Frame,
    },
    /// Frames: the connection is gone.
    Closed {
        /// Which one.
        connection: Connection,
    },
    /// Client: a connection is to be opened.
    Open {
        /// Its number from now on.
        connection: Connection,
        /// To which port of 127.0.0.1.
        port: u16,
        /// Whose connection it is.
        #[serde(rename = "as")]
        speaker: String,
    },
    /// Client: it is to be ended.
    Close {
        /// Which one.
        connection: Connection,
        /// As the protocol has it; or else in the middle of whatever it does.
        in_order: bool,
    },
}

/// The answer to `init`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Who owns connections.
    pub mode: Mode,
    /// What the hub promises.
    pub promises: Promises,
}

/// Who owns connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This program: the dialect makes and reads frames.
    Frames,
    /// The dialect: it brings a client library.
    Client,
}

/// The answer to what needs no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Any other answer than what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sorry {
    /// What is the matter.
    pub error: Fault,
    /// The same for people.
    #[serde(default)]
    pub why: String,
}

/// What is the matter with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The protocol has no words for this; the rest can go on.
    NoWords,
    /// The dialect cannot go on.
    Broken,
}

/// What a client library tells, whenever it happens: lines without a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
pub enum Theirs {
    /// The connection is open, as far as the transport.
    Opened {
        /// Which one.
        connection: Connection,
    },
    /// Something came.
    Heard {
        /// On which connection.
        connection: Connection,
        /// What.
        heard: Heard,
    },
    /// It is gone, or could not be opened. Nothing follows.
    Lost {
        /// Which one.
        connection: Connection,
        /// The protocol's code of its end, if one came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The same for people.
        #[serde(default)]
        why: String,
    },
}
