//! What each actor said and saw, without times and with names for ids: the same on every backend,
//! for a scenario without races.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use signal_hub::protocol::codec::{HubBody, HubFrame, HubMessage, payload_text};
use signal_hub::protocol::{ClientFrame, MessageId, Request, Verb};

use super::{ClientEvent, ClientName, Event, Milestone, What};

/// What each client and each raw connection said and saw before `end`, in lines.
pub fn untimed_lanes(events: &[Event], end: Milestone) -> BTreeMap<ClientName, String> {
    let mut actors: BTreeMap<ClientName, Lane> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Run(milestone) if *milestone == end => break,
            What::Client { client, event } => {
                actors.entry(client.clone()).or_default().take(event);
            }
            What::HubStarted { .. }
            | What::HubStopped { .. }
            | What::Hub(_)
            | What::Net(_)
            | What::Run(_)
            | What::Step { .. } => {}
        }
    }
    actors.into_iter().map(|(name, lane)| (name, lane.text)).collect()
}

/// One client or raw connection.
#[derive(Default)]
struct Lane {
    text: String,
    /// Requests by id, counted from 1; without those that time alone brings about.
    requests: BTreeMap<MessageId, usize>,
}

impl Lane {
    fn take(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Opened { connection } => self.line(&format!("connection {connection}")),
            ClientEvent::Lost { connection, why } => {
                let code = match why {
                    signal_hub::client::DisconnectReason::Closed { code: Some(code), .. } => {
                        format!("closed {code}")
                    }
                    _ => "lost".to_owned(),
                };
                self.line(&format!("connection {connection} {code}"));
            }
            ClientEvent::Sent(frame) => self.sent(frame),
            ClientEvent::Received(frame) => self.received(frame),
            ClientEvent::Ended => self.line("ends"),
            // Attempts that fail are as many as time allows.
            ClientEvent::Started { .. } | ClientEvent::Told { .. } | ClientEvent::Said(_) => {}
        }
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "  {text}");
    }

    fn sent(&mut self, frame: &ClientFrame) {
        match frame {
            ClientFrame::Ping => self.line("> ping"),
            ClientFrame::Request(request) if comes_with_time(request) => {}
            ClientFrame::Request(request) => {
                let next = self.requests.len() + 1;
                let number = *self.requests.entry(request.id.clone()).or_insert(next);
                let verb = match &request.verb {
                    Ok(verb) => named(&serde_json::to_value(verb).unwrap_or_default()),
                    Err(refusal) => refusal.message.to_string(),
                };
                let (pattern, kind) = (request.pattern.as_str(), &request.type_name);
                self.line(&format!("> #{number} {pattern} {kind} as {} {verb}", request.from));
            }
        }
    }

    fn received(&mut self, frame: &HubFrame) {
        let HubFrame::Message(message) = frame else { return self.line("< pong") };
        let payload = payload(message);
        let kind = message.type_name();
        match &message.body {
            HubBody::Reply { correlation: Some(id), .. } => {
                if let Some(number) = self.requests.get(id) {
                    self.line(&format!("< #{number} {kind} {payload}"));
                }
            }
            HubBody::Reply { correlation: None, .. } | HubBody::Notice(_) => {
                self.line(&format!("< {kind} {payload}"));
            }
            HubBody::Delivery { .. } | HubBody::Unknown { .. } => {
                self.line(&format!("< {kind} from {} to {} {payload}", message.from, message.to));
            }
        }
    }
}

fn comes_with_time(request: &Request) -> bool {
    matches!(request.verb, Ok(Verb::Heartbeat(_)))
        || matches!(&request.verb, Ok(Verb::Renew(_)) if !request.id.as_str().contains('.'))
}

fn payload(message: &HubMessage) -> String {
    serde_json::from_str(&payload_text(&message.body))
        .map_or_else(|_| "?".to_owned(), |v| named(&v))
}

/// As text, with words in place of what differs from run to run.
fn named(value: &Value) -> String {
    let mut value = value.clone();
    name_all(&mut value);
    value.to_string()
}

/// Returns whether it is a token whose text depends on when it was signed.
fn is_signed(token: &Value) -> bool {
    token.as_str().is_some_and(|text| text.starts_with("eyJ"))
}

fn name_all(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let word = match key.as_str() {
                    "sessionId" => "a session",
                    "renewalToken" => "a token",
                    "subscriptionId" => "a subscription",
                    "epoch" => "an epoch",
                    "messageId" => "a message",
                    "padding" => "...",
                    "processingRate" => "a rate",
                    "windowStart" | "retryAfter" | "retryAfterMs" => "a time",
                    "authToken" | "token" if is_signed(field) => "a token",
                    key if key.ends_with("At") || key.ends_with("ime") || key == "timestamp" => {
                        "a time"
                    }
                    _ => {
                        name_all(field);
                        continue;
                    }
                };
                if !field.is_null() {
                    *field = word.into();
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(name_all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
