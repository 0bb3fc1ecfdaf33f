//! What clients did and saw: all that is known of a hub that nobody looks into.

use std::fmt;
use std::sync::Arc;

use dst::history::{AtClient, AtHub};
use dst::scenario::Expectation;
use serde_json::Value;

use super::AnyHub;
use super::dialect::{Heard, Operation, Report};
use crate::history::{PROBE, has};
use crate::scenario::NOTE;

/// One event of a run.
pub type Event = dst::history::Event<AnyHub>;
/// What an event is.
pub type What = dst::history::What<AnyHub>;

/// What happens in the hub: nobody sees it.
#[derive(Debug, Clone)]
pub enum Unseen {}

impl AtHub for Unseen {
    fn kind(&self) -> String {
        match *self {}
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// What a client did or saw. Connections are counted for each client, from 1.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// The scenario has it begin.
    Started,
    /// The connection is open, as far as the transport.
    Opened {
        /// Which one.
        connection: u32,
    },
    /// It asked for something.
    Asked {
        /// On which connection.
        connection: u32,
        /// For what.
        operation: Arc<Operation>,
    },
    /// It heard something.
    Heard {
        /// On which connection.
        connection: u32,
        /// What.
        heard: Arc<Heard>,
    },
    /// The connection is gone.
    Lost {
        /// Which one.
        connection: u32,
        /// The code of the close frame, if one came.
        code: Option<u16>,
        /// Whether the client itself ended it.
        own: bool,
    },
    /// It was told to go.
    Ended,
    /// What is worth knowing beside that.
    Said(String),
}

impl AtClient for ClientEvent {
    fn kind(&self) -> String {
        match self {
            ClientEvent::Started => "client started".to_owned(),
            ClientEvent::Opened { .. } => "client opened".to_owned(),
            ClientEvent::Asked { operation, .. } => {
                format!("client asked {}", operation.verb.word())
            }
            ClientEvent::Heard { heard, .. } => format!("client heard {}", heard.report.word()),
            ClientEvent::Lost { .. } => "client lost".to_owned(),
            ClientEvent::Ended => "client ended".to_owned(),
            ClientEvent::Said(_) => "client said".to_owned(),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self, ClientEvent::Opened { .. })
    }

    fn closing(&self) -> Option<Option<u16>> {
        if let ClientEvent::Lost { code, .. } = self { Some(*code) } else { None }
    }

    fn message_type(&self) -> Option<&str> {
        let ClientEvent::Heard { heard, .. } = self else { return None };
        // Files wait for what was said by this word.
        let any =
            if let Report::Delivered { .. } = heard.report { NOTE } else { heard.report.word() };
        Some(heard.kind.as_deref().unwrap_or(any))
    }

    fn is_expected(&self, expectation: &Expectation) -> bool {
        let ClientEvent::Heard { heard, .. } = self else { return false };
        let kind = self.message_type() == Some(&expectation.kind);
        let from = expectation.from.as_ref().is_none_or(|from| heard.is_from(from));
        let payload = expectation.payload.as_ref();
        kind && from
            && payload.is_none_or(|wanted| heard.body().is_some_and(|body| has(body, wanted)))
    }

    fn probe(&self) -> Option<&str> {
        let ClientEvent::Heard { heard, .. } = self else { return None };
        let Report::Delivered { payload, .. } = &heard.report else { return None };
        payload.get(PROBE)?.as_str()
    }
}

impl Heard {
    fn is_from(&self, name: &str) -> bool {
        let from = if let Report::Delivered { from, .. } = &self.report { from } else { &None };
        [from, &self.sender].into_iter().flatten().any(|known| known == name)
    }

    fn body(&self) -> Option<&Value> {
        match (&self.body, &self.report) {
            (Some(body), _) => Some(body),
            (None, Report::Delivered { payload, .. }) => Some(payload),
            (None, _) => None,
        }
    }
}

impl Report {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Report::Connected { .. } => "connected",
            Report::Owned { .. } => "owned",
            Report::Done { .. } => "done",
            Report::Refused { .. } => "refused",
            Report::Delivered { .. } => "delivered",
            Report::Told { .. } => "told",
            Report::Ended { .. } => "ended",
            Report::Unreadable { .. } => "unreadable",
            Report::Other => "other",
        }
    }
}

impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientEvent::Started => f.write_str("starts"),
            ClientEvent::Opened { connection } => write!(f, "opened connection {connection}"),
            ClientEvent::Asked { operation, .. } => write!(f, "asks {operation}"),
            ClientEvent::Heard { heard, .. } => write!(f, "hears {heard}"),
            ClientEvent::Lost { connection, code: Some(code), .. } => {
                write!(f, "lost connection {connection}: closed with {code}")
            }
            ClientEvent::Lost { connection, own: true, .. } => {
                write!(f, "left connection {connection}")
            }
            ClientEvent::Lost { connection, .. } => write!(f, "lost connection {connection}"),
            ClientEvent::Ended => f.write_str("ended"),
            ClientEvent::Said(text) => f.write_str(&escaped(text)),
        }
    }
}

impl Report {
    /// The id of the operation that it answers, if it answers one.
    pub fn answers(&self) -> Option<&String> {
        match self {
            Report::Connected { operation }
            | Report::Owned { operation, .. }
            | Report::Done { operation, .. } => Some(operation),
            Report::Refused { operation, .. } => operation.as_ref(),
            Report::Delivered { .. }
            | Report::Told { .. }
            | Report::Ended { .. }
            | Report::Unreadable { .. }
            | Report::Other => None,
        }
    }
}

/// As a line of JSON, without what is of no interest to people, and never longer than a line or two.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self)
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.report)
    }
}

/// Characters of a line that are shown.
const LINE_MAX: usize = 300;

fn line(f: &mut fmt::Formatter<'_>, value: &impl serde::Serialize) -> fmt::Result {
    let text = serde_json::to_string(value).map_err(|_| fmt::Error)?;
    f.write_str(&escaped(&text))
}

/// What a stranger says, as it may be shown: no control characters, and not too much of it.
pub fn escaped(text: &str) -> String {
    let shown = text.chars().take(LINE_MAX);
    let mut line: String = shown
        .flat_map(|character| {
            let plain = !character.is_control();
            let escaped = (!plain).then(|| character.escape_default());
            plain.then_some(character).into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(LINE_MAX).is_some() {
        line.push('…');
    }
    line
}

/// The same of several lines, each by itself.
pub fn escaped_lines(text: &str) -> String {
    text.lines().map(|line| escaped(line) + "\n").collect()
}
