//! The few events that a failure is about: those of the addresses and sessions that its last event
//! touched, each told in one line.

use std::collections::BTreeSet;
use std::fmt::Write;

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::{ActorAddress, Body, ClientFrame, Notice, Reply, Verb};

use crate::history::{ClientEvent, Event, HubEvent, What};
use crate::net::NetEventKind;
use crate::scenario::{self, Step};

/// As many lines as a person reads at once.
const LINES: usize = 16;

/// The story of the last event.
pub fn story(events: &[Event]) -> String {
    let about = Subjects::of(events);
    let mut lines: Vec<String> = Vec::new();
    for (number, event) in events.iter().enumerate().rev() {
        let last = number + 1 == events.len();
        if lines.len() < LINES && (last || about.tells(event)) {
            lines.push(line(event));
        }
    }
    lines.reverse();
    lines.concat()
}

/// What a failure is about.
#[derive(Default)]
struct Subjects {
    addresses: BTreeSet<ActorAddress>,
    sessions: BTreeSet<SessionKey>,
    actors: BTreeSet<String>,
    /// Whether application data is part of the story.
    traffic: bool,
}

impl Subjects {
    fn of(events: &[Event]) -> Self {
        let mut subjects = Self::default();
        match events.last().map(|event| &event.what) {
            Some(What::Hub(hub)) => {
                subjects.addresses.extend(hub.touched.addresses.keys().cloned());
                subjects.sessions.extend(hub.touched.sessions.keys().copied());
                subjects.traffic = carries_data(hub);
            }
            Some(What::Client { client, event }) => {
                subjects.actors.insert(client.actor.to_string());
                subjects.traffic = matches!(event, ClientEvent::Received(_));
            }
            Some(What::HubStarted { .. } | What::HubStopped { .. } | What::Net(_))
            | Some(What::Run(_) | What::Step { .. })
            | None => {}
        }
        for actor in &subjects.actors {
            subjects.addresses.extend(ActorAddress::from_path(actor).ok());
        }
        subjects.add_owners(events);
        subjects.actors.extend(subjects.addresses.iter().map(|a| a.path().to_owned()));
        subjects
    }

    /// Sessions that owned one of the addresses at some time are part of the story.
    fn add_owners(&mut self, events: &[Event]) {
        for event in events {
            let What::Hub(hub) = &event.what else { continue };
            for address in &self.addresses {
                let row = hub.touched.addresses.get(address).and_then(Option::as_ref);
                self.sessions.extend(row.and_then(|row| row.registration?.owner));
            }
        }
    }

    fn tells(&self, event: &Event) -> bool {
        match &event.what {
            What::Hub(hub) => self.tells_of(hub),
            What::Client { client, event } => {
                event.is_own_doing() && self.names(client.actor.as_ref())
            }
            What::Net(NetEventKind::Injected { fault, .. }) => {
                let text = fault.to_string();
                self.actors.iter().any(|actor| text.contains(&format!("\"{actor}\"")))
            }
            What::Net(_) => false,
            What::Step { step, .. } => self.is_about(step),
            What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) => true,
        }
    }

    fn is_about(&self, step: &Step) -> bool {
        match &step.what {
            scenario::What::Act { who, .. } => self.names(who.actor()),
            scenario::What::Hub(_) => true,
            scenario::What::Network(fault) => fault.hosts().iter().any(|host| self.names(host)),
        }
    }

    fn names(&self, actor: &str) -> bool {
        self.actors.is_empty() || self.actors.contains(actor)
    }

    fn tells_of(&self, hub: &HubEvent) -> bool {
        let touches = hub.touched.addresses.keys().any(|a| self.addresses.contains(a))
            || hub.input.session().is_some_and(|key| self.sessions.contains(&key));
        let weighs = match &hub.input {
            Input::Frame(_, Ok(ClientFrame::Request(request))) => match &request.verb {
                Ok(Verb::Heartbeat(_) | Verb::Renew(_)) => false,
                _ => self.traffic || !carries_data(hub),
            },
            Input::Alive(_) | Input::Drained(..) | Input::Frame(_, Ok(ClientFrame::Ping)) => false,
            Input::Tick => !hub.outputs.is_empty(),
            Input::Opened(..) | Input::Frame(_, Err(_)) | Input::Closed(..) | Input::Shutdown => {
                true
            }
        };
        touches && weighs
    }
}

/// Whether the event is about application data.
fn carries_data(hub: &HubEvent) -> bool {
    let Input::Frame(_, Ok(ClientFrame::Request(request))) = &hub.input else { return false };
    matches!(request.verb, Ok(Verb::Send(_) | Verb::Publish(_)))
}

fn line(event: &Event) -> String {
    let What::Hub(hub) = &event.what else { return format!("{event}\n") };
    let mut text = event.to_string();
    // The first line tells the input; what follows are outputs, told shorter here.
    text.truncate(text.find('\n').unwrap_or(text.len()));
    let told: Vec<String> = hub.outputs.iter().filter_map(output).collect();
    if !told.is_empty() {
        let _ = write!(text, "\n                => {}", told.join(", "));
    }
    text.push('\n');
    text
}

fn output(output: &Output) -> Option<String> {
    match output {
        Output::Send(key, message) => Some(match &message.body {
            Body::Reply { reply, .. } => match reply.as_ref() {
                Reply::Error(refusal) => format!("s{}: {}", key.0, refusal.code.as_str()),
                reply => format!("s{}: {}", key.0, reply.type_name()),
            },
            Body::Notice(Notice::Disconnect(notice)) => {
                format!("s{}: hub:disconnect {}", key.0, notice.reason)
            }
            Body::Notice(notice) => format!("s{}: {}", key.0, notice.type_name()),
            Body::Delivery(delivery) => {
                format!("s{}: {} for {}", key.0, delivery.payload, message.to)
            }
            Body::Pong => format!("s{}: pong", key.0),
        }),
        Output::Close(key, reason) => Some(format!("s{}: close {}", key.0, reason.code())),
        Output::Audit(_) => None,
    }
}
