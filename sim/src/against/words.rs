//! From the words of a scenario to those of a dialect.

use serde_json::{Value, json};

use super::dialect::{Operation, Verb};
use super::subject::Run;
use crate::history::{ClientName, PROBE};
use crate::lower;
use crate::scenario::{Action, Speech};

/// What one client asks for in a run: each operation has an id of its own, unless a step names one.
pub struct Words {
    name: String,
    own: String,
    capability: Option<String>,
    ttl: std::time::Duration,
    asked: u32,
}

impl Words {
    /// Those of a client or raw connection; `ttl` is that of registrations that name none.
    pub fn new(name: &ClientName, run: &Run, ttl: std::time::Duration) -> Self {
        let own = name.actor.to_string();
        let name = name.to_string().replace(['/', '#', ' '], ".");
        Self { name, own, capability: run.capability(), ttl, asked: 0 }
    }

    /// The operation of this verb, in the name of the speaker or else of the actor.
    pub fn operation(&mut self, speaker: Option<&str>, verb: Verb) -> Operation {
        self.asked += 1;
        self.named(format!("{}-{}", self.name, self.asked), speaker, verb)
    }

    /// What the action of step `number` asks for, if it asks for something.
    pub fn of(
        &mut self,
        number: usize,
        speaker: Option<&str>,
        action: &Action,
    ) -> Option<Operation> {
        let verb = self.verb(number, speaker, action)?;
        Some(match action {
            Action::Ask { id: Some(id), .. } => self.named(id.clone(), speaker, verb),
            Action::AskTwice { .. } => self.named(format!("twice-{number}"), speaker, verb),
            _ => self.operation(speaker, verb),
        })
    }

    /// Takes the address.
    pub fn register(&self, address: &str) -> Verb {
        Verb::Register {
            address: address.to_owned(),
            ttl: self.ttl,
            renew_on_heartbeat: false,
            capability: self.capability.clone(),
        }
    }

    fn named(&self, id: String, speaker: Option<&str>, verb: Verb) -> Operation {
        Operation { id, speaker: speaker.unwrap_or(&self.own).to_owned(), verb }
    }

    fn verb(&self, number: usize, speaker: Option<&str>, action: &Action) -> Option<Verb> {
        let said = |speech: &Speech| payload(Some(number), speech);
        let named = |address: &Option<String>| {
            address.as_deref().or(speaker).unwrap_or(&self.own).to_owned()
        };
        let query = |what: &str| Verb::Query { what: what.to_owned() };
        Some(match action {
            Action::Tell { to, speech } => {
                Verb::Tell { to: to.clone(), payload: said(speech), ttl: speech.ttl }
            }
            Action::Ask { to, id, speech } => {
                // The same id again is to be the same ask.
                let payload = payload(Some(number).filter(|_| id.is_none()), speech);
                Verb::Ask { to: to.clone(), payload, ttl: speech.ttl }
            }
            Action::AskTwice { to } => {
                Verb::Ask { to: to.clone(), payload: said(&Speech::default()), ttl: None }
            }
            Action::Broadcast { exclude_self, speech } => Verb::Broadcast {
                payload: said(speech),
                exclude_self: *exclude_self,
                capability: self.capability.clone(),
                ttl: speech.ttl,
            },
            Action::Publish { topic, speech } => {
                Verb::Publish { topic: topic.to_string(), payload: said(speech), ttl: speech.ttl }
            }
            Action::Subscribe { topic, .. } => Verb::Subscribe { topic: topic.to_string() },
            Action::Unsubscribe { topic, by_id } => {
                Verb::Unsubscribe { topic: topic.to_string(), by_id: *by_id }
            }
            // What a hub keeps is not seen from outside yet.
            Action::Register { address, ttl, renew_on_heartbeat, recovery: _ } => Verb::Register {
                address: named(address),
                ttl: ttl.unwrap_or(self.ttl),
                renew_on_heartbeat: *renew_on_heartbeat,
                capability: self.capability.clone(),
            },
            Action::Unregister { address } => Verb::Unregister { address: named(address) },
            Action::Renew { address, token } => {
                Verb::Renew { address: named(address), token: *token }
            }
            Action::Discover { pattern } => {
                Verb::Discover { pattern: pattern.clone().unwrap_or_else(|| "*".to_owned()) }
            }
            Action::ListActors => query("list_actors"),
            Action::QueueStats => query("queue_stats"),
            Action::Metrics => query("metrics"),
            Action::Heartbeat => Verb::Heartbeat,
            Action::Ping => Verb::Ping,
            Action::Disconnect => Verb::Disconnect,
            Action::Connect { protocol_version, token: None } => {
                Verb::Connect { version: protocol_version.clone() }
            }
            Action::Connect { token: Some(_), .. }
            | Action::RefreshToken { .. }
            | Action::Open
            | Action::Write { .. }
            | Action::Close
            | Action::Recover { .. }
            | Action::Refused { .. } => return None,
        })
    }
}

/// Asks an actor for nothing but its answer.
pub fn probe(to: &str, payload: &str) -> Verb {
    Verb::Ask { to: to.to_owned(), payload: json!({ PROBE: payload }), ttl: None }
}

fn payload(number: Option<usize>, speech: &Speech) -> Value {
    lower::payload(number, speech).to().expect("it is JSON")
}

/// The word of what an action asks for, if it asks for something.
pub const fn word_of(action: &Action) -> Option<&'static str> {
    Some(match action {
        Action::Tell { .. } => "tell",
        Action::Ask { .. } | Action::AskTwice { .. } => "ask",
        Action::Broadcast { .. } => "broadcast",
        Action::Publish { .. } => "publish",
        Action::Subscribe { .. } => "subscribe",
        Action::Unsubscribe { .. } => "unsubscribe",
        Action::Register { .. } => "register",
        Action::Unregister { .. } => "unregister",
        Action::Renew { .. } => "renew",
        Action::Discover { .. } => "discover",
        Action::ListActors | Action::QueueStats | Action::Metrics => "query",
        Action::Heartbeat => "heartbeat",
        Action::Ping => "ping",
        Action::Disconnect => "disconnect",
        Action::Connect { .. } => "connect",
        Action::Write { .. } => "write",
        Action::RefreshToken { .. }
        | Action::Recover { .. }
        | Action::Open
        | Action::Close
        | Action::Refused { .. } => return None,
    })
}
