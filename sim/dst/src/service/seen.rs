//! What the engine asks of the notes of server and clients.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{Note, Service};
use crate::coverage::Situation;
use crate::history::{AtClient, AtHub};
use crate::scenario::Expectation;

/// What the server noted.
#[derive(Debug, Clone)]
pub struct Got<N>(pub N);

impl<N: Note> Display for Got<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl<N: Note> AtHub for Got<N> {
    fn kind(&self) -> String {
        self.0.kind()
    }
}

/// What a client did or saw.
#[derive(Debug, Clone)]
pub enum Seen<N> {
    /// It has a new connection.
    Connected,
    /// Its connection is gone; not noted if its process is.
    Lost,
    /// What it noted itself.
    Noted(N),
}

impl<N: Note> Display for Seen<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Connected => f.write_str("connects"),
            Seen::Lost => f.write_str("loses its connection"),
            Seen::Noted(note) => Display::fmt(note, f),
        }
    }
}

impl<N: Note> AtClient for Seen<N> {
    fn kind(&self) -> String {
        match self {
            Seen::Connected => "connected".to_owned(),
            Seen::Lost => "lost".to_owned(),
            Seen::Noted(note) => note.kind(),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self, Seen::Connected)
    }

    fn closing(&self) -> Option<Option<u16>> {
        matches!(self, Seen::Lost).then_some(None)
    }

    fn message_type(&self) -> Option<&str> {
        if let Seen::Noted(note) = self { note.message() } else { None }
    }

    fn is_expected(&self, expectation: &Expectation) -> bool {
        self.message_type() == Some(&expectation.kind)
    }

    fn probe(&self) -> Option<&str> {
        self.message_type()
    }
}

/// No settings.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// One of what [must come up](Service::MUST_COME_UP).
pub struct Sight<T> {
    index: usize,
    service: PhantomData<fn() -> T>,
}

impl<T: Service> Sight<T> {
    /// More than anybody names.
    const EVERY: [Self; 64] = {
        let mut every = [Self { index: 0, service: PhantomData }; 64];
        let mut index = 0;
        while index < every.len() {
            every[index].index = index;
            index += 1;
        }
        every
    };

    /// The kind of event that it is.
    pub fn kind(self) -> &'static str {
        T::MUST_COME_UP[self.index]
    }
}

impl<T: Service> Situation for Sight<T> {
    const ALL: &'static [Self] = {
        let every: &'static [Self; 64] = &Self::EVERY;
        every.split_at(T::MUST_COME_UP.len()).0
    };

    fn index(self) -> usize {
        self.index
    }

    fn sentence(self) -> &'static str {
        "The server or a client notes it."
    }
}

impl<T> Clone for Sight<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Sight<T> {}

impl<T> PartialEq for Sight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<T> Eq for Sight<T> {}

impl<T> Ord for Sight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

impl<T> PartialOrd for Sight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Service> Display for Sight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl<T: Service> Debug for Sight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl<T: Service> Serialize for Sight<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.kind())
    }
}
