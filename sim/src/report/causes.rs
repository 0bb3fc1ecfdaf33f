//! What led to an event: the messages, the steps, the deadlines and the rows that it goes back to.

use std::collections::BTreeMap;

use signal_hub::hub::{Input, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{ActorAddress, Reply, Topic};

use super::changes::Changes;
use super::html::about::{named_address, named_topic, request};
use super::links::{Connection, Links, Place};
use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};
use crate::net::{FaultId, NetEventKind};
use crate::scenario::{self, Step};

/// Remembers, event by event, who wrote what last.
pub struct Causes<'a> {
    links: &'a Links,
    /// The events where something arrives, with those that it left at.
    arrivals: BTreeMap<usize, Vec<usize>>,
    rows: BTreeMap<Row, Writers>,
    clients: BTreeMap<ClientName, Client>,
    steps: BTreeMap<String, usize>,
    faults: BTreeMap<FaultId, usize>,
    latest_step: Option<usize>,
    /// When the hub stood still last, which moved every deadline.
    stood_still: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Session(SessionKey),
    Address(ActorAddress),
    Topic(Topic),
}

impl Row {
    fn is_named(&self, text: &str) -> bool {
        let name = match self {
            Row::Session(key) => key.to_string(),
            Row::Address(address) => address.to_string(),
            Row::Topic(topic) => topic.to_string(),
        };
        let is_apart = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '/');
        text.match_indices(&name).any(|(at, _)| {
            let after = text[at + name.len()..].chars().next();
            is_apart(text[..at].chars().next_back()) && is_apart(after)
        })
    }
}

/// The latest events that changed a row, and that changed more than its times.
#[derive(Debug, Clone, Copy, Default)]
struct Writers {
    any: usize,
    more: Option<usize>,
}

/// The latest events of a client that others go back to.
#[derive(Debug, Clone, Copy, Default)]
struct Client {
    /// That it did, or met, itself.
    own: Option<usize>,
    /// That it was told and acts upon.
    told: Option<usize>,
}

impl<'a> Causes<'a> {
    pub fn new(links: &'a Links) -> Self {
        let mut arrivals: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for arrow in &links.arrows {
            if let Some(to) = arrow.arrived() {
                arrivals.entry(to).or_default().push(arrow.from);
            }
        }
        Self {
            links,
            arrivals,
            rows: BTreeMap::new(),
            clients: BTreeMap::new(),
            steps: BTreeMap::new(),
            faults: BTreeMap::new(),
            latest_step: None,
            stood_still: None,
        }
    }

    /// The earlier events that this one, which changed these rows, comes from at once.
    pub fn of(
        &mut self,
        number: usize,
        event: &Event,
        place: &Place,
        changes: &Changes,
    ) -> Vec<usize> {
        let mut causes = self.arrivals.get(&number).cloned().unwrap_or_default();
        match &event.what {
            What::HubStarted { .. } => self.rows.clear(),
            What::Hub(hub) => self.hub(&mut causes, number, hub, place, changes),
            What::Client { client, event } => self.client(&mut causes, number, client, event),
            What::Step { step, .. } => self.step(number, step),
            What::Net(NetEventKind::Injected { id, .. }) => {
                causes.extend(self.latest_step);
                self.faults.insert(*id, number);
            }
            What::Net(NetEventKind::TookEffect { id }) => causes.extend(self.faults.get(id)),
            What::Net(_) | What::Run(_) | What::HubStopped { .. } => {}
        }
        causes.sort_unstable();
        causes.dedup();
        causes
    }

    /// The events that wrote the rows last which the text names, and those that changed more than their times.
    pub fn writers_named(&self, text: &str) -> Vec<usize> {
        let named = self.rows.iter().filter(|(row, _)| row.is_named(text));
        named.flat_map(|(_, writers)| [Some(writers.any), writers.more]).flatten().collect()
    }

    fn hub(
        &mut self,
        causes: &mut Vec<usize>,
        number: usize,
        hub: &HubEvent,
        place: &Place,
        changes: &Changes,
    ) {
        let mut read: Vec<Row> = hub.input.session().map(Row::Session).into_iter().collect();
        if let Some(request) = request(hub) {
            read.extend(named_address(request).map(Row::Address));
            read.extend(named_topic(request).cloned().map(Row::Topic));
        }
        causes.extend(read.iter().filter_map(|row| self.rows.get(row)?.more));
        if let Input::Drained(key, _) = hub.input {
            // What is written now was put into the queue before.
            causes.extend(self.rows.get(&Row::Session(key)).map(|writers| writers.any));
        }
        if let Input::Opened(key, _) = &hub.input {
            let connection = self.links.sessions.get(&place.session(*key));
            causes.extend(connection.and_then(|Connection { client, .. }| {
                self.clients.get(client).and_then(|client| client.own)
            }));
        }
        // What a deadline brings about goes back to whoever moved it last.
        let by_time = matches!(hub.input, Input::Tick | Input::Late(_));
        if by_time {
            causes.extend(self.stood_still);
        }
        if let Input::Late(_) = hub.input {
            self.stood_still = Some(number);
        }
        for (row, more) in written(changes) {
            let writers = self.rows.get(&row).copied();
            let earlier = writers.and_then(|w| if by_time { Some(w.any) } else { w.more });
            if more {
                causes.extend(earlier);
            }
            let before = writers.and_then(|writers| writers.more);
            let more = if more { Some(number) } else { before };
            self.rows.insert(row, Writers { any: number, more });
        }
    }

    fn client(
        &mut self,
        causes: &mut Vec<usize>,
        number: usize,
        client: &ClientName,
        event: &ClientEvent,
    ) {
        let known = self.clients.entry(client.clone()).or_default();
        let step = self.steps.get(client.actor.as_ref()).copied();
        match event {
            ClientEvent::Started { .. } => causes.extend(step),
            ClientEvent::Sent(_) => {
                causes.extend(known.own.into_iter().chain(known.told.max(step)))
            }
            ClientEvent::Received(frame) => {
                if is_acted_upon(frame) {
                    known.told = Some(number);
                }
            }
            ClientEvent::Opened { .. }
            | ClientEvent::Lost { .. }
            | ClientEvent::Ended
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => {
                causes.extend(known.own.or(step));
                if let ClientEvent::Ended | ClientEvent::Told { .. } | ClientEvent::Said(_) = event
                {
                    causes.extend(known.told);
                }
            }
        }
        if event.is_own_doing() {
            known.own = Some(number);
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        self.latest_step = Some(number);
        if let scenario::What::Act { who, .. } = &step.what {
            self.steps.insert(who.actor().to_owned(), number);
        }
    }
}

/// Returns whether the client does something because of it: not for a sign of life, nor for application
/// data.
fn is_acted_upon(frame: &HubFrame) -> bool {
    let HubFrame::Message(message) = frame else { return false };
    match &message.body {
        HubBody::Reply { reply, .. } => !matches!(reply, Reply::HeartbeatAck(_)),
        HubBody::Notice(_) => true,
        HubBody::Delivery { .. } | HubBody::Unknown { .. } => false,
    }
}

/// The rows that an event changed, and whether more than their times.
fn written(changes: &Changes) -> impl Iterator<Item = (Row, bool)> {
    let sessions = changes.sessions.iter().map(|c| (Row::Session(c.key), c.is_more_than_time()));
    let addresses =
        changes.addresses.iter().map(|c| (Row::Address(c.key.clone()), c.is_more_than_time()));
    let topics = changes.topics.iter().map(|c| (Row::Topic(c.key.clone()), true));
    sessions.chain(addresses).chain(topics)
}
