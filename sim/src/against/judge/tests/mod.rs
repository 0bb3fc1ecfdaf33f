//! Short histories of clients: each satisfies what must hold, and with one event that is other than it should be,
//! breaks it.

mod arrival;
mod outcomes;
mod ownership;
mod whole;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dst::history::{ClientKind, ClientName, Milestone, Stop};
use dst::verdict::Judge as _;
use serde_json::{Value, json};

use super::super::dialect::{Heard, Notice, Operation, Promise, Promises, Refusal, Report, Verb};
use super::super::history::{ClientEvent, Event, What};
use super::{Finding, Judge, is_request};
use crate::invariants::Invariant;

const TTL: Duration = Duration::from_secs(300);

/// What happened, a second between any two events.
#[derive(Clone)]
struct Story {
    promises: Promises,
    at: Duration,
    asked: u32,
    events: Vec<Event>,
}

impl Story {
    fn new() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let promises = Promises {
            keeps: Promise::ALL.into(),
            resume_window: seconds(300),
            idle_timeout: seconds(60),
            dedupe_window: seconds(60),
            patience: seconds(2),
            superseded_code: Some(4003),
            idle_code: Some(4004),
            ..Promises::default()
        };
        Self { promises, at: Duration::ZERO, asked: 0, events: Vec::new() }
    }

    /// Connections of these are open and have the addresses of these names.
    fn of<const N: usize>(names: [&str; N]) -> Self {
        let mut story = Self::new();
        for name in names {
            story.connects(name);
            story.registers(name, name, 1);
        }
        story
    }

    /// The same of a hub that does not promise this.
    fn without(mut self, promise: Promise) -> Self {
        self.promises.keeps.remove(&promise);
        self
    }

    fn with_a_lease_of(mut self, seconds: u64) -> Self {
        self.promises.lease = Some(Duration::from_secs(seconds));
        self
    }

    fn happens(&mut self, what: What) -> &mut Self {
        self.at += Duration::from_secs(1);
        self.events.push(Event { at: self.at, what });
        self
    }

    fn waits(&mut self, seconds: u64) -> &mut Self {
        self.at += Duration::from_secs(seconds);
        self
    }

    fn client(&mut self, who: &str, event: ClientEvent) -> &mut Self {
        let client = ClientName { actor: who.into(), kind: ClientKind::Client, number: 1 };
        self.happens(What::Client { client, event })
    }

    fn connects(&mut self, who: &str) -> &mut Self {
        self.client(who, ClientEvent::Opened { connection: 1 });
        let operation = self.asks(who, Verb::Connect { version: None });
        self.hears(who, Report::Connected { operation })
    }

    /// Asks in the name of the client's own address.
    fn asks(&mut self, who: &str, verb: Verb) -> String {
        self.asked += 1;
        let id = format!("{who}-{}", self.asked);
        self.asks_again(who, &id, verb);
        id
    }

    fn asks_again(&mut self, who: &str, id: &str, verb: Verb) -> &mut Self {
        self.asks_as(who, who.split('.').next().unwrap_or(who), id, verb)
    }

    fn asks_as(&mut self, who: &str, speaker: &str, id: &str, verb: Verb) -> &mut Self {
        let operation = Operation { id: id.to_owned(), speaker: speaker.to_owned(), verb };
        let operation = Arc::new(operation);
        self.client(who, ClientEvent::Asked { connection: 1, operation })
    }

    fn hears(&mut self, who: &str, report: Report) -> &mut Self {
        let heard = Arc::new(Heard::from(report));
        self.client(who, ClientEvent::Heard { connection: 1, heard })
    }

    fn loses(&mut self, who: &str, code: Option<u16>) -> &mut Self {
        self.client(who, ClientEvent::Lost { connection: 1, code, own: false })
    }

    fn registers(&mut self, who: &str, address: &str, version: u64) -> &mut Self {
        let id = self.asks(who, register(address));
        self.hears(who, owned(&id, address, version, &[]))
    }

    /// A takeover by the other connection of the same actor.
    fn takes_over(&mut self, new: &str, old: &str, version: u64) -> &mut Self {
        let address = old.to_owned();
        let id = self.asks(new, register(&address));
        self.hears(old, told(Notice::Superseded, &address));
        self.hears(new, owned(&id, &address, version, &[]))
    }

    fn subscribes(&mut self, who: &str, topic: &str) -> &mut Self {
        let id = self.asks(who, subscribe(topic));
        self.hears(who, done(&id))
    }

    fn unsubscribes(&mut self, who: &str, topic: &str) -> &mut Self {
        let id = self.asks(who, unsubscribe(topic));
        self.hears(who, done(&id))
    }

    /// A publication that was handed over so often.
    fn publishes(&mut self, who: &str, topic: &str, said: u64, copies: u64) -> &mut Self {
        let verb = Verb::Publish { topic: topic.to_owned(), payload: json!(said), ttl: None };
        let id = self.asks(who, verb);
        self.hears(who, counted(&id, copies))
    }

    /// A round trip, long after what was before.
    fn is_there(&mut self, who: &str) -> &mut Self {
        self.waits(5);
        let id = self.asks(who, Verb::Heartbeat);
        self.hears(who, done(&id))
    }

    fn judged(&self) -> (Option<Invariant>, Judge) {
        let mut judge = Judge::of(self.promises.clone());
        for event in &self.events {
            if let Err(violation) = judge.observe(event) {
                assert!(!violation.evidence.is_empty());
                return (Some(violation.invariant), judge);
            }
        }
        (None, judge)
    }

    fn holds(&self) {
        assert_eq!(self.judged().0, None);
    }

    fn breaks(&self, invariant: Invariant) {
        assert_eq!(self.judged().0, Some(invariant));
    }

    /// Holds; how often the invariant was decided, and how often not.
    fn decides(&self, invariant: Invariant) -> [u64; 2] {
        self.holds();
        let (_, judge) = self.judged();
        [true, false].map(|decided| judge.known.times(Finding { invariant, decided }))
    }
}

fn register(address: &str) -> Verb {
    let (address, renew_on_heartbeat) = (address.to_owned(), false);
    Verb::Register { address, ttl: TTL, renew_on_heartbeat, capability: None }
}

fn subscribe(topic: &str) -> Verb {
    Verb::Subscribe { topic: topic.to_owned() }
}

fn unsubscribe(topic: &str) -> Verb {
    Verb::Unsubscribe { topic: topic.to_owned(), by_id: false }
}

fn tell(to: &str, said: u64) -> Verb {
    Verb::Tell { to: to.to_owned(), payload: json!(said), ttl: None }
}

fn ask(to: &str, said: u64) -> Verb {
    Verb::Ask { to: to.to_owned(), payload: json!(said), ttl: None }
}

fn owned(id: &str, address: &str, version: u64, topics: &[&str]) -> Report {
    let topics: BTreeSet<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Report::Owned {
        operation: id.to_owned(),
        address: address.to_owned(),
        version: Some(version),
        resumed: Some(false),
        topics: Some(topics),
    }
}

fn done(id: &str) -> Report {
    let operation = id.to_owned();
    Report::Done { operation, delivered: None, failed: None, addresses: None, more: false }
}

fn counted(id: &str, copies: u64) -> Report {
    let (operation, delivered) = (id.to_owned(), Some(copies));
    Report::Done { operation, delivered, failed: None, addresses: None, more: false }
}

fn listed(id: &str, names: &[&str]) -> Report {
    let addresses = Some(names.iter().map(|name| (*name).to_owned()).collect());
    let operation = id.to_owned();
    Report::Done { operation, delivered: None, failed: None, addresses, more: false }
}

fn refused(id: &str, why: Refusal) -> Report {
    Report::Refused { operation: Some(id.to_owned()), why }
}

fn told(what: Notice, address: &str) -> Report {
    Report::Told { what, address: Some(address.to_owned()) }
}

fn delivered(from: &str, to: &str, said: u64) -> Report {
    let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
    Report::Delivered { from, to, topic: None, payload: Value::from(said) }
}

fn published(from: &str, to: &str, topic: &str, said: u64) -> Report {
    let (from, to, topic) = (Some(from.to_owned()), Some(to.to_owned()), Some(topic.to_owned()));
    Report::Delivered { from, to, topic, payload: Value::from(said) }
}
