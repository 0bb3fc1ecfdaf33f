//! What the engine looks at of what the hub did and a client saw.

use dst::history::{AtClient, AtHub};
use serde_json::Value;
use signal_hub::client::DisconnectReason;
use signal_hub::hub::Input;
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage, payload_text};
use signal_hub::protocol::{ActorAddress, ClientFrame};

use super::{ClientEvent, HubEvent};
use crate::scenario::Expectation;

/// The application type of what actors say to each other at the end.
pub const PROBE: &str = "probe";

impl AtClient for ClientEvent {
    fn kind(&self) -> String {
        match self {
            ClientEvent::Started { .. } => "client started".to_owned(),
            ClientEvent::Opened { .. } => "client opened".to_owned(),
            ClientEvent::Lost { .. } => "client lost".to_owned(),
            ClientEvent::Sent(_) => "client sent".to_owned(),
            ClientEvent::Received(frame) => match frame {
                HubFrame::Pong => "client received pong".to_owned(),
                HubFrame::Message(message) => format!("client received {}", message.type_name()),
            },
            ClientEvent::Ended => "client ended".to_owned(),
            ClientEvent::Told { .. } => "client told".to_owned(),
            ClientEvent::Said(_) => "client said".to_owned(),
        }
    }

    fn is_opening(&self) -> bool {
        matches!(self, ClientEvent::Opened { .. })
    }

    fn closing(&self) -> Option<Option<u16>> {
        let ClientEvent::Lost { why, .. } = self else { return None };
        Some(match why {
            DisconnectReason::Closed { code, .. } => *code,
            _ => None,
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

impl AtHub for HubEvent {
    fn kind(&self) -> String {
        match &self.input {
            Input::Restored(_) => "restored".to_owned(),
            Input::Opened(..) => "opened".to_owned(),
            Input::Frame(_, Ok(ClientFrame::Ping)) => "frame ping".to_owned(),
            Input::Frame(_, Ok(ClientFrame::Request(request))) => {
                format!("frame {}", request.type_name)
            }
            Input::Frame(_, Err(_)) => "malformed frame".to_owned(),
            Input::Alive(_) => "alive".to_owned(),
            Input::Drained(..) => "drained".to_owned(),
            Input::Closed(_, cause) => format!("closed {cause:?}").to_lowercase(),
            Input::Tick => "tick".to_owned(),
            Input::Late(_) => "late".to_owned(),
            Input::Shutdown => "shutdown".to_owned(),
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

/// Returns whether `value` is `wanted`, or an object with more keys.
pub(crate) fn has(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| value.get(key).is_some_and(|value| has(value, wanted))),
        (value, wanted) => value == wanted,
    }
}
