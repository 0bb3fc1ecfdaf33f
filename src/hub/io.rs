//! The core's inputs and outputs.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::{Entry, Record};
use crate::protocol::{ActorAddress, ClientFrame, CloseReason, Malformed, MessageId, Outgoing};

/// The number of an accepted connection in this process; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionKey(pub u64);

/// `s7`
impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The remote address.
    pub address: SocketAddr,
}

/// Messages that left a session's outgoing queue for the socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The number of messages, with the expired ones.
    pub messages: usize,
    /// The sum of [`Outgoing::weight`].
    pub bytes: usize,
    /// Those of the messages that were not written because they had expired.
    pub expired: Vec<Expired>,
}

/// A copy that expired in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The recipient.
    pub to: ActorAddress,
    /// The id of the request that carried it.
    pub message: MessageId,
}

/// How a connection ended, as seen by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// The hub closed it: an [`Output::Close`] was carried out.
    Hub,
    /// The client sent a close frame.
    Client,
    /// The stream ended or broke without a close frame.
    Lost,
    /// The client broke the WebSocket protocol.
    Protocol,
}

/// A standstill that is no longer than this does not count as one.
pub const LATE_MIN: Duration = Duration::from_secs(1);

/// What happens to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What a store holds; before all others, if there is a store. Every address is detached, and its
    /// resume window runs from now. What is beyond the hub's bounds is dropped, as a full hub drops it.
    Restored(Vec<Entry>),
    /// A WebSocket was accepted. The key is new.
    Opened(SessionKey, Peer),
    /// A text or binary frame arrived.
    Frame(SessionKey, Result<ClientFrame, Malformed>),
    /// A WebSocket ping or pong arrived: a sign of life.
    Alive(SessionKey),
    /// Messages left the outgoing queue for the socket; told in the order in which they left.
    Drained(SessionKey, Written),
    /// The connection is gone: the last input of each session, given exactly once.
    Closed(SessionKey, CloseCause),
    /// Time passed.
    Tick,
    /// The process stood still for this long, by its own clocks. Beyond [`LATE_MIN`] that time
    /// counts only for tokens' deadlines. Precedes the inputs that came meanwhile.
    Late(Duration),
    /// The hub is to end: it tells every session and closes it. A node hands on what it keeps and leaves its cluster, at
    /// once if this comes again.
    Shutdown,
}

impl Input {
    /// The session that the input is about.
    pub fn session(&self) -> Option<SessionKey> {
        match self {
            Input::Opened(key, _)
            | Input::Frame(key, _)
            | Input::Alive(key)
            | Input::Drained(key, _)
            | Input::Closed(key, _) => Some(*key),
            Input::Restored(_) | Input::Tick | Input::Late(_) | Input::Shutdown => None,
        }
    }
}

/// What the shell must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put a message into the session's outgoing queue.
    Send(SessionKey, Outgoing),
    /// Write what is queued, then close the WebSocket with this reason.
    Close(SessionKey, CloseReason),
    /// Write what is queued, then give the client `refusal_linger` to read why and to close by
    /// itself. For the hub the session is over.
    Linger(SessionKey, CloseReason),
    /// Write an audit record.
    Audit(Record),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_names_its_session() {
        let key = SessionKey(4);
        let peer = Peer { address: ([127, 0, 0, 1], 1).into() };
        for input in [
            Input::Opened(key, peer),
            Input::Frame(key, Ok(ClientFrame::Ping)),
            Input::Alive(key),
            Input::Drained(key, Written::default()),
            Input::Closed(key, CloseCause::Lost),
        ] {
            assert_eq!(input.session(), Some(key), "{input:?}");
        }
        assert_eq!((Input::Tick.session(), Input::Shutdown.session()), (None, None));
    }
}
