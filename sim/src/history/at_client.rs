//! What the engine looks at of what a client saw.

use dst::history::AtClient;
use serde_json::Value;
use signal_hub::client::DisconnectReason;
use signal_hub::protocol::ActorAddress;
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage, payload_text};

use super::ClientEvent;
use crate::scenario::Expectation;

/// The application type of what actors say to each other at the end.
pub const PROBE: &str = "probe";

impl AtClient for ClientEvent {
    fn is_opening(&self) -> bool {
        matches!(self, ClientEvent::Opened { .. })
    }

    fn closing(&self) -> Option<Option<u16>> {
        let ClientEvent::Lost { why, .. } = self else { return None };
        Some(match why {
            DisconnectReason::Closed { code, .. } => *code,
            DisconnectReason::ConnectFailed(_)
            | DisconnectReason::Broken(_)
            | DisconnectReason::Silent
            | DisconnectReason::NoAnswer
            | DisconnectReason::Refused(_)
            | DisconnectReason::Dropped => None,
        })
    }

    fn message_type(&self) -> Option<&str> {
        Some(kind(self.frame()?))
    }

    fn is_expected(&self, expectation: &Expectation) -> bool {
        self.frame().is_some_and(|frame| matches(frame, expectation))
    }

    fn probe(&self) -> Option<&str> {
        let HubFrame::Message(message) = self.frame()? else { return None };
        match &message.body {
            HubBody::Delivery { kind, payload, .. } if kind == PROBE => Some(payload.as_str()),
            HubBody::Delivery { .. }
            | HubBody::Reply { .. }
            | HubBody::Notice(_)
            | HubBody::Unknown { .. } => None,
        }
    }
}

impl ClientEvent {
    fn frame(&self) -> Option<&HubFrame> {
        if let ClientEvent::Received(frame) = self { Some(frame) } else { None }
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
