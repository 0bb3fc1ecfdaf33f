//! What those have seen of whom a scenario expects something: frames in the order of arrival, each
//! looked at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use signal_hub::client::DisconnectReason;
use signal_hub::protocol::ActorAddress;
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage, payload_text};

use crate::history::{ClientEvent, Event, What};
use crate::scenario::{Expectation, Who};

/// The inboxes of a run.
#[derive(Debug, Default)]
pub struct Inboxes {
    inboxes: BTreeMap<Who, Inbox>,
    /// The payloads of the probes that arrived.
    probes: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Inbox {
    unseen: VecDeque<HubFrame>,
    closed: Option<Option<u16>>,
}

/// The application type of what actors say to each other at the end.
pub const PROBE: &str = "probe";

impl Inboxes {
    /// Keeps what these see.
    pub fn of(watched: impl Iterator<Item = Who>) -> Self {
        let inboxes = watched.map(|who| (who, Inbox::default())).collect();
        Self { inboxes, probes: BTreeSet::new() }
    }

    /// Files an event; says whether somebody may be waiting for it.
    pub fn observe(&mut self, event: &Event) -> bool {
        let What::Client { client, event } = &event.what else { return false };
        if let ClientEvent::Received(frame) = event
            && let Some(probe) = probe(frame)
        {
            self.probes.insert(probe.to_owned());
        }
        if self.inboxes.is_empty() {
            return false;
        }
        let Some(inbox) = self.inboxes.get_mut(&client.who()) else { return false };
        match event {
            ClientEvent::Received(frame) => inbox.unseen.push_back((**frame).clone()),
            ClientEvent::Opened { .. } => inbox.closed = None,
            ClientEvent::Lost { why, .. } => {
                inbox.closed = Some(match why {
                    DisconnectReason::Closed { code, .. } => *code,
                    DisconnectReason::ConnectFailed(_)
                    | DisconnectReason::Broken(_)
                    | DisconnectReason::Silent
                    | DisconnectReason::NoAnswer
                    | DisconnectReason::Refused(_)
                    | DisconnectReason::Dropped => None,
                });
            }
            ClientEvent::Started { .. }
            | ClientEvent::Sent(_)
            | ClientEvent::Ended
            | ClientEvent::Said(_) => return false,
        }
        true
    }

    pub fn has_probe(&self, payload: &str) -> bool {
        self.probes.contains(payload)
    }

    /// Whether what is expected has come; it and everything before it is then seen.
    pub fn take(&mut self, who: &Who, expected: &Expectation) -> bool {
        let Some(inbox) = self.inboxes.get_mut(who) else { return false };
        let Some(found) = inbox.unseen.iter().position(|frame| matches(frame, expected)) else {
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
        let frames = self.inboxes.get(who).map(|inbox| &inbox.unseen);
        frames.into_iter().flatten().map(|frame| kind(frame).to_owned()).collect()
    }
}

fn probe(frame: &HubFrame) -> Option<&str> {
    let HubFrame::Message(message) = frame else { return None };
    match &message.body {
        HubBody::Delivery { kind, payload, .. } if kind == PROBE => Some(payload.as_str()),
        HubBody::Delivery { .. }
        | HubBody::Reply { .. }
        | HubBody::Notice(_)
        | HubBody::Unknown { .. } => None,
    }
}

fn kind(frame: &HubFrame) -> &str {
    match frame {
        HubFrame::Pong => "pong",
        HubFrame::Message(message) => message.type_name(),
    }
}

fn matches(frame: &HubFrame, expected: &Expectation) -> bool {
    if kind(frame) != expected.kind {
        return false;
    }
    let HubFrame::Message(message) = frame else { return true };
    let from = expected.from.as_ref().is_none_or(|from| is_named(&message.from, from));
    from && expected.payload.as_ref().is_none_or(|wanted| payload_has(message, wanted))
}

fn is_named(address: &ActorAddress, name: &str) -> bool {
    address.as_str() == name || address.path() == name
}

fn payload_has(message: &HubMessage, wanted: &Value) -> bool {
    serde_json::from_str(&payload_text(&message.body)).is_ok_and(|payload| has(&payload, wanted))
}

/// Whether `value` is `wanted`, or an object with more keys.
fn has(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| value.get(key).is_some_and(|value| has(value, wanted))),
        (value, wanted) => value == wanted,
    }
}
