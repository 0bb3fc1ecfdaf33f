//! What a hub asks of the engine that it shares with the other hubs of its cluster, and what it hears of it, as
//! data: rows that are written by compare-and-set, a watch over all of them, and messages to other nodes.
//!
//! An engine promises this, and a hub relies on nothing else:
//!
//! - Writes of one key are linearizable. Each write that is done gets a revision above those of all before it, of
//!   whatever key.
//! - A read shows a row as it is or was, and what refuses a write may be the row as it was: who decided writes a moment
//!   ago may not yet know that others do. So whoever acts on a read does it by a write that expects what was read.
//! - Every read and every write is answered once. A write whose outcome is unknown may be carried out later, once, or
//!   never; one that expects no row is not, if there was one in between.
//! - A watch shows one row of each key that is there or was, then each later write, all in the order of revisions. If it
//!   shows a write, it has shown the last one before it of each other key, or shows it no more because a later one
//!   replaced it. It says [`Event::CaughtUp`] once it has shown all that was done before it was asked for: until then it
//!   may be behind, whatever anybody else has seen. It may end without a word.
//! - What a hub asks before it has heard [`Event::Back`] is not carried out after it: then the engine may have lost what
//!   it had, and its revisions mean other rows.
//! - A message to a node arrives at most once, and messages from one node to another arrive in their order, unless
//!   one of both loses the engine.
//!
//! It has no clock, no lease and no expiry that a hub knows of.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol::{InvalidName, name};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 800;
/// The longest name of a node, in bytes.
pub const NODE_NAME_BYTES_MAX: usize = 32;

name! {
    /// Names a row.
    Key
}

impl Key {
    /// Reads a key: 1 to 800 bytes of `[A-Za-z0-9_=.-]`, with no dot at an end or beside another.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_=.-".contains(&byte);
        let is_key = text.len() <= KEY_BYTES_MAX
            && text.bytes().all(is_plain)
            && text.split('.').all(|part| !part.is_empty());
        let expected = "a key: 1 to 800 bytes of [A-Za-z0-9_=-] segments joined by dots";
        is_key.then(|| Self(text.into())).ok_or(InvalidName { expected })
    }
}

name! {
    /// Names a hub of a cluster; no two that run have the same name.
    NodeName
}

impl NodeName {
    /// Reads a name: 1 to 32 bytes of `[a-z0-9-]`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=NODE_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain);
        let expected = "a node's name: 1 to 32 bytes of [a-z0-9-]";
        is_name.then(|| Self(text.into())).ok_or(InvalidName { expected })
    }
}

/// The place of a write in the engine's log; a later write of whatever key has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// The number of a request; a hub gives each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What a hub asks of its engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// The row as whoever decides writes, or did a moment ago, has it: [`Event::Read`].
    Read {
        /// Names the answer.
        id: RequestId,
        /// The row.
        key: Key,
    },
    /// A write, if the row is what the hub expects: [`Event::Written`].
    Write {
        /// Names the answer.
        id: RequestId,
        /// The row.
        key: Key,
        /// The revision of the row now; none if there must be no row.
        expected: Option<Revision>,
        /// What it holds from now on; none if there is to be no row.
        value: Option<Bytes>,
    },
    /// A message to a node, which may be this one. There is no answer.
    Send {
        /// The node.
        to: NodeName,
        /// What it gets.
        message: Bytes,
    },
    /// Another watch in place of the one before: [`Event::Row`], [`Event::CaughtUp`].
    Watch {
        /// Names its rows.
        id: RequestId,
    },
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// How often its hub has heard [`Event::Back`]: what it asks before it has heard the last one is not carried out.
    pub backs: u64,
    /// The request.
    pub request: Request,
}

/// What a hub hears of its engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A read is answered.
    Read {
        /// The read.
        id: RequestId,
        /// The row with its value, if there is one.
        row: Result<Option<(Revision, Bytes)>, Unanswered>,
    },
    /// A write is answered.
    Written {
        /// The write.
        id: RequestId,
        /// What became of it.
        outcome: WriteOutcome,
    },
    /// A watch shows a row.
    Row {
        /// The watch.
        watch: RequestId,
        /// The row.
        key: Key,
        /// Its revision.
        revision: Revision,
        /// What it holds; none if there is no row any longer.
        value: Option<Bytes>,
    },
    /// A watch has shown all rows that are there at a revision, which is no lower than any that was done before it was asked
    /// for; a row that it did not show was not there.
    CaughtUp {
        /// The watch.
        watch: RequestId,
        /// The last revision of the log when there was nothing more to show, whatever row has it.
        revision: Revision,
    },
    /// A message from a node.
    Arrived {
        /// What it sent.
        message: Bytes,
    },
    /// The engine cannot be reached. The watch has ended; messages may be missed.
    Lost,
    /// The engine can be reached, at the beginning and after each [`Event::Lost`].
    Back,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteOutcome {
    /// It is carried out, and this is its revision.
    Done(Revision),
    /// The row was not what was expected: it is not carried out, and never will be.
    Conflict,
    /// Nobody knows whether it was carried out, or will be.
    Unknown,
}

/// The engine did not answer in time, or cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the engine did not answer")]
pub struct Unanswered;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_segments_joined_by_dots() {
        for key in ["n.a", "a.bob=2fwork", "x"] {
            assert_eq!(Key::parse(key).map(|key| key.to_string()), Ok(key.to_owned()));
        }
        for no_key in ["", ".a", "a.", "a..b", "a b", "a*", "a>", &"k".repeat(801)] {
            assert!(Key::parse(no_key).is_err(), "{no_key}");
        }
    }

    #[test]
    fn a_nodes_name_is_a_small_word() {
        for name in ["a", "hub-1", &"n".repeat(32)] {
            assert_eq!(NodeName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for no_name in ["", "A", "a.b", "a_b", &"n".repeat(33)] {
            assert!(NodeName::parse(no_name).is_err(), "{no_name}");
        }
    }
}
