//! What a page is told of a run, before it becomes JSON: events, arrows, lanes, faults.

use std::collections::BTreeMap;

use serde::Serialize;
use signal_hub::hub::{AddressRow, Input, LATE_MIN, Output, SessionKey, SessionRow, TopicRow};
use signal_hub::protocol::codec::{encode_client_frame, encode_hub_frame};
use signal_hub::protocol::{ActorAddress, Topic};

use super::super::causes::Causes;
use super::super::changes::{Changes, Tables};
use super::super::links::{Arrow, Carries, Fate, HubSession, Links, Place, Way};
use super::about::{Subject, Subjects};
use super::faults::{self, FaultSpan};
use super::kinds::{CONNECTION, deliveries, kind, output_kind};
use super::lanes::{Lane, Lanes, microseconds};
use super::text::{of_output, text};
use crate::backend::Outcome;
use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};
use crate::net::{ConnectionId, Fault, NetEventKind};
use crate::scenario::{self, Scenario, Step};

/// Everything in a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'a> {
    title: &'a str,
    why: &'a str,
    seed: u64,
    command: &'a str,
    /// The scenario as a file, a line for each step.
    scenario: String,
    violation: Option<Broken<'a>>,
    /// Why it broke, as `explain` says it.
    pub explanation: Option<&'a str>,
    /// How many events came before the first one here.
    skipped: u64,
    pub actors: Vec<String>,
    pub lanes: Vec<Lane>,
    /// The hub's lane.
    hub: usize,
    /// Restarts of the hub, key, lane.
    sessions: Vec<(u32, SessionKey, usize)>,
    /// What events are about.
    subjects: Vec<Subject>,
    pub events: Vec<Row>,
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
pub struct Row {
    /// Microseconds.
    at: u64,
    kind: &'static str,
    pub lane: usize,
    /// Actors that it concerns; everybody, if there are none.
    pub actors: Vec<usize>,
    /// What the filter knows it by.
    pub types: Vec<String>,
    pub text: String,
    /// Places among [`Page::subjects`].
    about: Vec<usize>,
    /// Earlier events that it comes from at once.
    causes: Vec<usize>,
    /// Its number, of a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    /// The frame as text, where no arrow leads to the event that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<Handled>,
}

/// What the hub did with one input.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Handled {
    /// The hub's clock, in milliseconds.
    now: u64,
    outputs: Vec<Said>,
    /// The rows that it changed, as they are then.
    rows: Rows,
    /// Milliseconds by which all times of the hub are later from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    put_off: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Rows {
    sessions: BTreeMap<SessionKey, Option<SessionRow>>,
    addresses: BTreeMap<ActorAddress, Option<AddressRow>>,
    topics: BTreeMap<Topic, Option<TopicRow>>,
}

impl From<Changes> for Rows {
    fn from(changes: Changes) -> Self {
        Self {
            sessions: changes.sessions.into_iter().map(|one| (one.key, one.is)).collect(),
            addresses: changes.addresses.into_iter().map(|one| (one.key, one.is)).collect(),
            topics: changes.topics.into_iter().map(|one| (one.key, one.is)).collect(),
        }
    }
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
        let mut subjects = Subjects::of(&links);
        let rows = writer.rows(events, &mut subjects);
        let arrows = links.arrows.iter().map(|arrow| writer.line(arrow, events)).collect();
        Self {
            title: &scenario.title,
            why: &scenario.why,
            seed: outcome.seed,
            command,
            scenario: scenario::write(scenario),
            subjects: subjects.all,
            violation: broken(outcome),
            explanation: None,
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
    fn rows(&self, events: &[Event], subjects: &mut Subjects) -> Vec<Row> {
        let mut place = Place::default();
        let (mut tables, mut causes) = (Tables::default(), Causes::new(self.links));
        let mut clients = BTreeMap::new();
        let mut rows = Vec::new();
        for (number, event) in events.iter().enumerate() {
            place.pass(event);
            let changes = tables.pass(event);
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
            let mut row = self.row(event, lane, &place);
            row.about = subjects.about(event, &place, &changes);
            row.causes = causes.of(number, event, &place, &changes);
            if let What::Hub(hub) = &event.what {
                row.hub = Some(self.handled(hub, changes));
            }
            rows.push(row);
        }
        for arrow in self.links.arrows.iter().filter(|a| a.carries == Carries::Frame) {
            // The text stands once, where it was sent.
            arrow.arrived().into_iter().for_each(|to| rows[to].envelope = None);
        }
        rows
    }

    fn client_lane(&self, client: &ClientName, event: &ClientEvent, place: &Place) -> usize {
        match event {
            ClientEvent::Started { .. }
            | ClientEvent::Ended
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => self.lanes.host(&client.actor),
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

    fn row(&self, event: &Event, lane: usize, place: &Place) -> Row {
        let mut row = Row {
            at: microseconds(event.at),
            kind: "run",
            lane,
            actors: self.lanes.actor(lane).into_iter().collect(),
            types: vec![kind(event)],
            text: text(event),
            about: Vec::new(),
            causes: Vec::new(),
            step: None,
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
            What::Step { number, .. } => {
                row.kind = "step";
                row.step = Some(*number);
            }
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

    fn handled(&self, hub: &HubEvent, changes: Changes) -> Handled {
        let said = hub.outputs.iter().map(|output| match output {
            Output::Send(_, message) => Said {
                text: of_output(output),
                envelope: Some(encode_hub_frame(message, self.hub_address)),
            },
            Output::Close(..) | Output::Linger(..) => {
                Said { text: of_output(output), envelope: None }
            }
            Output::Audit(record) => {
                let json = serde_json::to_value(record).unwrap_or_default();
                let name = json["event"].as_str().unwrap_or_default();
                Said { text: format!("audit {name}"), envelope: Some(json.to_string()) }
            }
        });
        let put_off = match hub.input {
            Input::Late(by) if by > LATE_MIN => Some(by.as_millis() as u64),
            _ => None,
        };
        let outputs = said.collect();
        Handled { now: hub.now.as_millis(), outputs, rows: changes.into(), put_off }
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
