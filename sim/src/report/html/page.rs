//! What a page is told of a run, before it becomes JSON: events, arrows, lanes, faults.

use std::collections::BTreeMap;

use serde::Serialize;
use signal_hub::hub::{Input, Output, SessionKey, View};
use signal_hub::protocol::codec::{HubBody, HubFrame, encode_client_frame, encode_hub_frame};
use signal_hub::protocol::{ActorAddress, Body, ClientFrame};

use super::super::links::{Arrow, Carries, Fate, HubSession, Links, Place, Way};
use super::faults::{self, FaultSpan};
use super::lanes::{Lane, Lanes, microseconds};
use crate::backend::Outcome;
use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};
use crate::net::{ConnectionId, Fault, NetEventKind};
use crate::scenario::{self, Scenario, Step};

/// Characters of the line that an event gets in the picture.
const TEXT_LENGTH: usize = 160;

/// Everything in a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'a> {
    title: &'a str,
    why: &'a str,
    seed: u64,
    command: &'a str,
    violation: Option<Broken<'a>>,
    /// How many events came before the first one here.
    skipped: u64,
    pub actors: Vec<String>,
    pub lanes: Vec<Lane>,
    /// The hub's lane.
    hub: usize,
    /// Restarts of the hub, key, lane.
    sessions: Vec<(u32, SessionKey, usize)>,
    pub events: Vec<Row<'a>>,
    pub arrows: Vec<Line>,
    pub faults: Vec<FaultSpan>,
}

#[derive(Debug, Serialize)]
struct Broken<'a> {
    invariant: String,
    sentence: &'static str,
    evidence: &'a str,
    /// Its place among the events here.
    event: usize,
    wait: Option<Wait>,
}

/// What never came, from where it was waited for.
#[derive(Debug, Serialize)]
struct Wait {
    /// Microseconds.
    from: u64,
    until: u64,
}

/// One event.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    /// Microseconds.
    at: u64,
    kind: &'static str,
    pub lane: usize,
    /// Actors that it concerns; everybody, if there are none.
    pub actors: Vec<usize>,
    /// What the filter knows it by.
    pub types: Vec<String>,
    pub text: String,
    /// The frame as text, where no arrow leads to the event that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<Handled<'a>>,
}

/// What the hub did with one input.
#[derive(Debug, Serialize)]
struct Handled<'a> {
    /// The hub's clock, in milliseconds.
    now: u64,
    outputs: Vec<Said>,
    touched: &'a View,
}

#[derive(Debug, Serialize)]
struct Said {
    text: String,
    /// The frame, or the audit record.
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<String>,
}

/// An arrow between a connection's lane and the hub's.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub lane: usize,
    pub to_hub: bool,
    #[serde(rename = "type")]
    pub kind: String,
    /// Which of the hub's outputs it carries.
    pub output: Option<usize>,
    /// Events.
    pub from: usize,
    pub to: Option<usize>,
    /// Whether it never arrives, not only later than the last event.
    pub lost: bool,
}

impl<'a> Page<'a> {
    pub fn of(scenario: &'a Scenario, command: &'a str, outcome: &'a Outcome) -> Self {
        let events = &outcome.events;
        let (links, lanes) = (Links::of(events), Lanes::of(events));
        let writer =
            Writer { hub_address: &scenario.hub.hub_address, links: &links, lanes: &lanes };
        let rows = writer.rows(events);
        let arrows = links.arrows.iter().map(|arrow| writer.line(arrow, events)).collect();
        Self {
            title: &scenario.title,
            why: &scenario.why,
            seed: outcome.seed,
            command,
            violation: broken(outcome),
            skipped: outcome.event_count.saturating_sub(events.len() as u64),
            faults: faults::spans(events, &lanes),
            hub: lanes.hub,
            sessions: links
                .sessions
                .iter()
                .map(|(session, c)| (session.restarts, session.key, lanes.connection(c)))
                .collect(),
            actors: lanes.actors,
            lanes: lanes.all,
            events: rows,
            arrows,
        }
    }
}

fn broken(outcome: &Outcome) -> Option<Broken<'_>> {
    let (violation, event) = (outcome.violation.as_ref()?, outcome.broken_at()?);
    let until = microseconds(outcome.simulated);
    let wait = |since| Wait { from: microseconds(since), until };
    Some(Broken {
        invariant: violation.invariant.to_string(),
        sentence: violation.invariant.sentence(),
        evidence: &violation.evidence,
        event,
        wait: violation.waited_since.map(wait),
    })
}

struct Writer<'a> {
    hub_address: &'a ActorAddress,
    links: &'a Links,
    lanes: &'a Lanes,
}

impl Writer<'_> {
    fn rows<'e>(&self, events: &'e [Event]) -> Vec<Row<'e>> {
        let mut place = Place::default();
        let mut clients = BTreeMap::new();
        let mut rows = Vec::new();
        for event in events {
            place.pass(event);
            if let What::Net(NetEventKind::Opened { connection, client, .. }) = &event.what {
                clients.insert(*connection, self.lanes.host(client));
            }
            let lane = match &event.what {
                What::Client { client, event } => self.client_lane(client, event, &place),
                What::Net(NetEventKind::Injected { fault, .. }) => self.fault_lane(fault),
                What::Net(kind) => {
                    let lane = connection(kind).and_then(|id| clients.get(&id));
                    lane.copied().unwrap_or(self.lanes.hub)
                }
                What::Step { step, .. } => self.step_lane(step),
                What::Hub(_) | What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) => {
                    self.lanes.hub
                }
            };
            rows.push(self.row(event, lane, &place));
        }
        for arrow in self.links.arrows.iter().filter(|a| a.carries == Carries::Frame) {
            // The text stands once, where it was sent.
            arrow.arrived().into_iter().for_each(|to| rows[to].envelope = None);
        }
        rows
    }

    fn client_lane(&self, client: &ClientName, event: &ClientEvent, place: &Place) -> usize {
        match event {
            ClientEvent::Started { .. } | ClientEvent::Ended | ClientEvent::Said(_) => {
                self.lanes.host(&client.actor)
            }
            ClientEvent::Opened { .. }
            | ClientEvent::Lost { .. }
            | ClientEvent::Sent(_)
            | ClientEvent::Received(_) => self.lanes.connection(&place.connection(client)),
        }
    }

    fn step_lane(&self, step: &Step) -> usize {
        match &step.what {
            scenario::What::Act { who, .. } => self.lanes.host(who.actor()),
            scenario::What::Network(fault) => self.fault_lane(fault),
            scenario::What::Hub(_) => self.lanes.hub,
        }
    }

    /// An actor's rather than the hub's.
    fn fault_lane(&self, fault: &Fault) -> usize {
        let hosts = fault.hosts();
        let lanes = hosts.iter().map(|host| self.lanes.host(host));
        lanes.min_by_key(|lane| *lane == self.lanes.hub).unwrap_or(self.lanes.hub)
    }

    fn row<'e>(&self, event: &'e Event, lane: usize, place: &Place) -> Row<'e> {
        let mut row = Row {
            at: microseconds(event.at),
            kind: "run",
            lane,
            actors: self.lanes.actor(lane).into_iter().collect(),
            types: vec![kind(event)],
            text: text(event),
            envelope: None,
            hub: None,
        };
        match &event.what {
            What::Hub(hub) => {
                row.kind = "hub";
                row.actors = self.actors(hub, place);
                row.types.extend(deliveries(hub));
                row.types.dedup();
                if let Input::Frame(_, Ok(frame)) = &hub.input {
                    row.envelope = Some(encode_client_frame(frame));
                }
                row.hub = Some(self.handled(hub));
            }
            What::Client { event, .. } => {
                row.kind = "client";
                if let ClientEvent::Sent(frame) = event {
                    row.envelope = Some(encode_client_frame(frame));
                }
            }
            What::Net(NetEventKind::Injected { .. } | NetEventKind::TookEffect { .. }) => {
                row.kind = "fault";
            }
            What::Net(_) => row.kind = "net",
            What::HubStarted { .. } => row.kind = "start",
            What::HubStopped { .. } => row.kind = "stop",
            What::Run(_) => {}
            What::Step { .. } => row.kind = "step",
        }
        row
    }

    fn actors(&self, hub: &HubEvent, place: &Place) -> Vec<usize> {
        let from = hub.input.session();
        let to = hub.outputs.iter().filter_map(|output| match output {
            Output::Send(key, _) | Output::Close(key, _) | Output::Linger(key, _) => Some(*key),
            Output::Audit(_) => None,
        });
        let connection = |key| self.links.sessions.get::<HubSession>(&place.session(key));
        let lanes = from.into_iter().chain(to).filter_map(connection);
        let mut actors: Vec<usize> =
            lanes.filter_map(|c| self.lanes.actor(self.lanes.connection(c))).collect();
        actors.sort_unstable();
        actors.dedup();
        actors
    }

    fn handled<'e>(&self, hub: &'e HubEvent) -> Handled<'e> {
        let text = hub.to_string();
        // The first line is the input; then follows one for each output.
        let lines = text.split("\n                ").skip(1);
        let said = hub.outputs.iter().zip(lines).map(|(output, line)| match output {
            Output::Send(_, message) => Said {
                text: shortened(line),
                envelope: Some(encode_hub_frame(message, self.hub_address)),
            },
            Output::Close(..) | Output::Linger(..) => {
                Said { text: shortened(line), envelope: None }
            }
            Output::Audit(record) => {
                let json = serde_json::to_value(record).unwrap_or_default();
                let name = json["event"].as_str().unwrap_or_default();
                Said { text: format!("audit {name}"), envelope: Some(json.to_string()) }
            }
        });
        Handled { now: hub.now.as_millis(), outputs: said.collect(), touched: &hub.touched }
    }

    fn line(&self, arrow: &Arrow, events: &[Event]) -> Line {
        let (kind, output) = match (arrow.carries, &events[arrow.from].what) {
            (Carries::Output(index), What::Hub(hub)) => {
                (output_kind(&hub.outputs[index]), Some(index))
            }
            (Carries::End, _) => (CONNECTION.to_owned(), None),
            (Carries::Frame | Carries::Output(_), _) => (kind(&events[arrow.from]), None),
        };
        let lane = self.lanes.connection(&arrow.connection);
        let to_hub = arrow.way == Way::ToHub;
        let (to, lost) = (arrow.arrived(), arrow.fate == Fate::Lost);
        Line { lane, to_hub, kind, output, from: arrow.from, to, lost }
    }
}

/// The connection that it is about.
fn connection(kind: &NetEventKind) -> Option<ConnectionId> {
    match kind {
        NetEventKind::Injected { .. } | NetEventKind::TookEffect { .. } => None,
        NetEventKind::Opened { connection, .. }
        | NetEventKind::Established { connection }
        | NetEventKind::Refused { connection }
        | NetEventKind::Sent { connection, .. }
        | NetEventKind::FinSent { connection, .. }
        | NetEventKind::FinSeen { connection, .. }
        | NetEventKind::ResetSeen { connection, .. }
        | NetEventKind::Closed { connection } => Some(*connection),
    }
}

const CONNECTION: &str = "(connection)";

/// What the filter knows an event by: the type of its message, or what it is in parentheses.
fn kind(event: &Event) -> String {
    match &event.what {
        What::Hub(hub) => match &hub.input {
            Input::Frame(_, Ok(frame)) => client_kind(frame),
            Input::Frame(_, Err(_)) => "(nonsense)".to_owned(),
            Input::Opened(..) | Input::Closed(..) => CONNECTION.to_owned(),
            Input::Alive(_) => "(sign of life)".to_owned(),
            Input::Drained(..) => "(queue written)".to_owned(),
            Input::Tick | Input::Late(_) | Input::Shutdown => "(deadline)".to_owned(),
        },
        What::Client { event, .. } => match event {
            ClientEvent::Sent(frame) => client_kind(frame),
            ClientEvent::Received(frame) => hub_kind(frame),
            ClientEvent::Opened { .. } | ClientEvent::Lost { .. } => CONNECTION.to_owned(),
            ClientEvent::Started { .. } | ClientEvent::Ended | ClientEvent::Said(_) => {
                "(client)".to_owned()
            }
        },
        What::Net(NetEventKind::Sent { .. }) => "(bytes)".to_owned(),
        What::Net(NetEventKind::Injected { .. } | NetEventKind::TookEffect { .. }) => {
            "(fault)".to_owned()
        }
        What::Net(_) => "(network)".to_owned(),
        What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) | What::Step { .. } => {
            "(run)".to_owned()
        }
    }
}

fn client_kind(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Ping => "ping".to_owned(),
        ClientFrame::Request(request) => request.type_name.to_string(),
    }
}

fn hub_kind(frame: &HubFrame) -> String {
    let HubFrame::Message(message) = frame else { return "pong".to_owned() };
    match &message.body {
        HubBody::Reply { reply, .. } => reply.type_name().to_owned(),
        HubBody::Notice(notice) => notice.type_name().to_owned(),
        HubBody::Delivery { kind, .. } | HubBody::Unknown { kind, .. } => kind.clone(),
    }
}

fn output_kind(output: &Output) -> String {
    match output {
        Output::Send(_, message) => message.type_name().into_owned(),
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => CONNECTION.to_owned(),
    }
}

/// An event is also known by what it makes the hub say to others.
fn deliveries(hub: &HubEvent) -> impl Iterator<Item = String> {
    hub.outputs.iter().filter_map(|output| match output {
        Output::Send(_, message) => match &message.body {
            Body::Notice(_) | Body::Delivery(_) => Some(message.type_name().into_owned()),
            Body::Pong | Body::Reply { .. } => None,
        },
        Output::Close(..) | Output::Linger(..) | Output::Audit(_) => None,
    })
}

fn text(event: &Event) -> String {
    let told = match &event.what {
        What::HubStarted { .. } => "a hub starts, with empty tables".to_owned(),
        What::HubStopped { abruptly: true } => "the hub's process dies".to_owned(),
        What::HubStopped { abruptly: false } => "the hub has shut down".to_owned(),
        What::Hub(hub) => hub.to_string(),
        What::Client { client, event: ClientEvent::Sent(frame) } => match frame {
            ClientFrame::Ping => format!("{client} sends ping"),
            ClientFrame::Request(request) => {
                let id: String = request.id.as_str().chars().take(8).collect();
                format!("{client} sends {} {} ({id})", request.pattern.as_str(), request.type_name)
            }
        },
        What::Client { client, event } => format!("{client} {event}"),
        What::Net(event) => event.to_string(),
        What::Run(milestone) => milestone.to_string(),
        What::Step { number, step } => format!("step {number}: {step}"),
    };
    shortened(told.lines().next().unwrap_or_default())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
