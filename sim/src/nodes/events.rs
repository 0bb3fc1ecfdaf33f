//! What happens among several hubs, as people read it.

use std::fmt;

use bytes::Bytes;
use dst::history::{AtClient, AtHub};
use dst::scenario::Expectation;
use signal_hub::cluster::engine::{Key, NodeName, Revision};
use signal_hub::cluster::{AddressRow, NodeRow, RowKey};
use signal_hub::protocol::{Body, Outgoing, Recovery, Registered, Reply};

use super::moves::Word;
use crate::history;

/// What an actor does or hears on one of its connections.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Which one, 1 or 2.
    pub connection: usize,
    /// What.
    pub what: Said,
}

/// What is said on a connection, and what becomes of it.
#[derive(Debug, Clone)]
pub enum Said {
    /// It connects to a hub.
    Connects(NodeName),
    /// It says this.
    Says(Word),
    /// The hub says this to it, which is of this type.
    Hears(String, Box<Outgoing>),
    /// It is gone.
    IsLost,
}

impl Said {
    pub(super) fn hears(message: &Outgoing) -> Self {
        Self::Hears(message.type_name().into_owned(), Box::new(message.clone()))
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Said::Connects(node) => write!(f, "connects to {node}")?,
            Said::Says(word) => write!(f, "{word}")?,
            Said::Hears(_, message) => {
                f.write_str("hears ")?;
                history::message_text(f, message)?;
                recovery_text(f, message)?;
            }
            Said::IsLost => f.write_str("loses its connection")?,
        }
        write!(f, " ({})", self.connection)
    }
}

/// Whether a position counted.
fn recovery_text(f: &mut fmt::Formatter<'_>, message: &Outgoing) -> fmt::Result {
    let Body::Reply { reply, .. } = &message.body else { return Ok(()) };
    let Reply::Registered(Registered { subscriptions, recovery, .. }) = reply.as_ref() else {
        return Ok(());
    };
    write!(f, " with {} topics", subscriptions.len())?;
    match recovery {
        Some(Recovery { recovered: true, .. }) => f.write_str(", recovered"),
        Some(Recovery { reason: Some(reason), .. }) => write!(f, ", not recovered: {reason:?}"),
        Some(_) | None => Ok(()),
    }
}

impl AtClient for Talk {
    fn kind(&self) -> String {
        match &self.what {
            Said::Connects(_) => "connects".to_owned(),
            Said::Says(word) => format!("{word:?}").to_lowercase(),
            Said::Hears(kind, _) => kind.clone(),
            Said::IsLost => "lost".to_owned(),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self.what, Said::Connects(_))
    }

    fn closing(&self) -> Option<Option<u16>> {
        matches!(self.what, Said::IsLost).then_some(None)
    }

    fn message_type(&self) -> Option<&str> {
        if let Said::Hears(kind, _) = &self.what { Some(kind) } else { None }
    }

    fn is_expected(&self, expectation: &Expectation) -> bool {
        self.message_type() == Some(&expectation.kind)
    }

    fn probe(&self) -> Option<&str> {
        None
    }
}

/// A row that the engine wrote.
#[derive(Debug, Clone)]
pub struct Wrote {
    /// When, in the order of its log.
    pub revision: u64,
    /// Which row.
    pub key: String,
    /// What it says.
    pub text: String,
}

impl Wrote {
    /// None of a renewal.
    pub(super) fn of((revision, key, value): (Revision, &Key, Option<&Bytes>)) -> Option<Self> {
        let text = match (RowKey::decode(key), value) {
            (_, None) => "gone".to_owned(),
            (Some(RowKey::Node(_)), Some(text)) => in_short(&NodeRow::decode(text).ok()?)?,
            (_, Some(text)) => {
                let AddressRow { owner, detached, topics, .. } = AddressRow::decode(text).ok()?;
                let has = if detached { "had" } else { "has" };
                format!("{owner} {has} it, with {} topics", topics.len())
            }
        };
        Some(Self { revision: revision.0, key: key.as_str().to_owned(), text })
    }
}

fn in_short(row: &NodeRow) -> Option<String> {
    let NodeRow { epoch, beat, alive, .. } = row;
    let begins = || format!("it begins its life {}", epoch.0);
    if *alive { (*beat == 1).then(begins) } else { Some("it is dead".to_owned()) }
}

impl fmt::Display for Wrote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.key, self.revision, self.text)
    }
}

impl AtHub for Wrote {
    fn kind(&self) -> String {
        format!("row {}", self.key.split('.').next().unwrap_or_default())
    }
}
