//! What those have seen of whom a scenario expects something: frames in the order of arrival, each
//! looked at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::System;
use crate::history::{AtClient, Event, What};
use crate::scenario::{Expectation, Who};

/// The inboxes of a run.
#[derive(Debug)]
pub struct Inboxes<S: System> {
    inboxes: BTreeMap<Who, Inbox<S>>,
    /// The payloads of the probes that arrived.
    probes: BTreeSet<String>,
}

#[derive(Debug)]
struct Inbox<S: System> {
    unseen: VecDeque<S::ClientEvent>,
    closed: Option<Option<u16>>,
}

impl<S: System> Inboxes<S> {
    /// Keeps what these see.
    pub fn of(watched: impl Iterator<Item = Who>) -> Self {
        let inboxes =
            watched.map(|who| (who, Inbox { unseen: VecDeque::new(), closed: None })).collect();
        Self { inboxes, probes: BTreeSet::new() }
    }

    /// Files an event; says whether somebody may be waiting for it.
    pub fn observe(&mut self, event: &Event<S>) -> bool {
        let What::Client { client, event } = &event.what else { return false };
        if let Some(probe) = event.probe() {
            self.probes.insert(probe.to_owned());
        }
        if self.inboxes.is_empty() {
            return false;
        }
        let Some(inbox) = self.inboxes.get_mut(&client.who()) else { return false };
        if event.message_type().is_some() {
            inbox.unseen.push_back(event.clone());
        } else if event.is_opening() {
            inbox.closed = None;
        } else if let Some(code) = event.closing() {
            inbox.closed = Some(code);
        } else {
            return false;
        }
        true
    }

    pub fn has_probe(&self, payload: &str) -> bool {
        self.probes.contains(payload)
    }

    /// Returns whether what is expected has come; it and everything before it is then seen.
    pub fn take(&mut self, who: &Who, expected: &Expectation) -> bool {
        let Some(inbox) = self.inboxes.get_mut(who) else { return false };
        let Some(found) = inbox.unseen.iter().position(|seen| seen.is_expected(expected)) else {
            return false;
        };
        inbox.unseen.drain(..=found);
        true
    }

    /// With which code the latest connection was closed, if it was.
    pub fn closed(&self, who: &Who) -> Option<Option<u16>> {
        self.inboxes.get(who)?.closed
    }

    /// The types of what has come and was not looked at.
    pub fn unseen(&self, who: &Who) -> Vec<String> {
        let seen = self.inboxes.get(who).map(|inbox| &inbox.unseen);
        seen.into_iter().flatten().filter_map(AtClient::message_type).map(str::to_owned).collect()
    }
}
