//! What goes into a session's state, and what it decides.

#[cfg(doc)]
use super::state::SessionState;
use crate::protocol::{ClientFrame, CloseReason, Malformed, Outgoing};

/// How the hub closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// The reason in the close frame.
    pub reason: CloseReason,
    /// When the close frame is sent.
    pub manner: Manner,
}

/// When a session is closed after its last message is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// After what is queued.
    AtOnce,
    /// When the client closes, `refusal_linger` is over, or its place is needed.
    Linger,
}

impl Farewell {
    /// A close right after what is queued.
    pub fn at_once(reason: CloseReason) -> Self {
        Self { reason, manner: Manner::AtOnce }
    }

    /// A close when the client closes, or later.
    pub fn lingering(reason: CloseReason) -> Self {
        Self { reason, manner: Manner::Linger }
    }
}

/// What came from the client.
#[derive(Debug)]
pub enum Heard {
    /// A message, decoded.
    Frame(Result<ClientFrame, Malformed>),
    /// A ping, which the codec answers.
    Ping,
    /// A pong.
    Pong,
    /// Bytes of an unfinished message.
    Part {
        /// The number of the message, in the order of arrival.
        message: u64,
        /// The bytes that its headers declare so far.
        declared: u64,
    },
    /// The header of a message beyond the bound, in bytes; the codec is not read afterwards.
    TooLarge {
        /// Its size.
        actual: usize,
        /// The bound.
        max: usize,
    },
    /// A close frame.
    Close,
    /// The stream ended or failed.
    Lost,
    /// A violation of the WebSocket protocol.
    Violation,
}

/// How to read the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Messages, by the codec, which answers a close frame.
    Messages,
    /// Bytes past the codec; a message of more than this many is reported.
    Bytes(u64),
    /// Nothing at present.
    Nothing,
}

/// What is to be written.
#[derive(Debug)]
pub enum Write {
    /// A message of the hub.
    Message(Outgoing),
    /// A ping.
    Ping,
    /// The close frame.
    Close(CloseReason),
}

/// What the shell does with the stream.
#[derive(Debug)]
pub enum Next {
    /// Hands this to the codec.
    Write(Write),
    /// Writes what the codec holds, then calls [`SessionState::flushed`].
    Flush,
    /// Ends its half of the stream after that, then calls [`SessionState::ended`].
    End,
    /// Waits, unless the session is over.
    Wait,
}
