//! What happened, for who wants to read it.

use std::collections::VecDeque;
use std::time::Duration;

use dst::history::{ClientKind, ClientName, Event, What};
use dst::run::Keep;
use signal_hub::cluster::engine::Revision;
use signal_hub::hub::SessionKey;

use super::{Connection, World};
use crate::nodes::events::{Said, Talk, Wrote};
use crate::nodes::{Nodes, scenario};

/// What happened, for who wants to read it.
#[derive(Debug, Clone)]
pub(in crate::nodes) struct Notes {
    keep: Keep,
    pub events: VecDeque<Event<Nodes>>,
    /// How many there were, kept or not.
    pub count: u64,
    /// Of hubs.
    pub hub_inputs: u64,
}

impl Notes {
    pub(super) const fn of(keep: Keep) -> Self {
        Self { keep, events: VecDeque::new(), count: 0, hub_inputs: 0 }
    }

    fn take(&mut self, at: Duration, what: impl FnOnce() -> What<Nodes>) {
        self.count += 1;
        match self.keep {
            Keep::Nothing => return,
            Keep::Last(most) if self.events.len() >= most => drop(self.events.pop_front()),
            Keep::Last(_) | Keep::All => {}
        }
        self.events.push_back(Event { at, what: what() });
    }
}

impl World {
    /// The same, with notes of what happens.
    pub(in crate::nodes) fn noting(self, keep: Keep) -> Self {
        Self { notes: Notes::of(keep), ..self }
    }

    pub(in crate::nodes) fn take_notes(&mut self) -> Notes {
        let none = Notes::of(self.notes.keep);
        std::mem::replace(&mut self.notes, none)
    }

    pub(in crate::nodes) fn note(&mut self, what: impl FnOnce() -> What<Nodes>) {
        self.notes.take(self.now, what);
    }

    pub(super) fn note_talk(&mut self, key: SessionKey, what: impl FnOnce() -> Said) {
        let Some(Connection { actor, slot, .. }) = self.connections.get(&key) else { return };
        let (actor, connection) = (*actor, slot + 1);
        self.note(|| {
            let name = scenario::name_of(actor).into();
            let client = ClientName { actor: name, kind: ClientKind::Client, number: 1 };
            What::Client { client, event: Talk { connection, what: what() } }
        });
    }

    pub(super) fn note_writes(&mut self, before: Revision) {
        if self.notes.keep == Keep::Nothing {
            return;
        }
        let writes: Vec<Wrote> = self.engine.writes_after(before).filter_map(Wrote::of).collect();
        writes.into_iter().for_each(|wrote| self.note(|| What::Hub(Box::new(wrote))));
    }
}
