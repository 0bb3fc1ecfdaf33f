//! The few events that a failure is about: those of the addresses and sessions that the event which broke
//! something touched, and how it changed them.

use std::collections::BTreeSet;
use std::fmt::Write;

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::{ActorAddress, Body, ClientFrame, Notice, Reply, Verb};

use super::changes::Tables;
use super::picture::picture;
use crate::backend::Outcome;
use crate::history::{ClientEvent, Event, HubEvent, What};
use crate::scenario::{self, Step};

/// As many as a person reads at once.
const EVENTS: usize = 16;
/// So many of them follow one from which on something was waited for in vain.
const EVENTS_AFTER: usize = 5;

/// The story of the event that broke something: as a picture, or line by line where no client is known.
pub fn story(outcome: &Outcome) -> String {
    let events = &outcome.events;
    let broken = outcome.broken_at().unwrap_or(events.len().saturating_sub(1));
    let chosen = chosen(events, broken);
    let changes = changes(outcome, broken);
    picture(events, &chosen, broken, &changes).unwrap_or_else(|| {
        let mut text = "(seconds, who, what; s1, s2, ... are sessions of the hub)\n".to_owned();
        text.extend(chosen.iter().map(|number| line(&events[*number])));
        text.extend(changes.iter().map(|change| format!("                {change}\n")));
        text
    })
}

/// What became of each row that the event changed; of a history without its beginning only what is sure.
fn changes(outcome: &Outcome, broken: usize) -> Vec<String> {
    let mut tables = Tables::default();
    let passed = outcome.events.iter().take(broken + 1).map(|event| tables.pass(event));
    let mut changes = passed.last().unwrap_or_default();
    if outcome.event_count > outcome.events.len() as u64 {
        changes.retain_known();
    }
    changes.lines()
}

/// The events of the story, in their order.
fn chosen(events: &[Event], broken: usize) -> Vec<usize> {
    let about = Subjects::of(events, broken);
    let numbered = events.iter().enumerate();
    let told = numbered.filter(|(number, event)| *number == broken || about.tells(event));
    let told: Vec<usize> = told.map(|(number, _)| number).collect();
    let end = told.partition_point(|number| *number <= broken) + EVENTS_AFTER;
    let end = end.min(told.len());
    told[end.saturating_sub(EVENTS)..end].to_vec()
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
    fn of(events: &[Event], broken: usize) -> Self {
        let mut subjects = Self::default();
        match events.get(broken).map(|event| &event.what) {
            Some(What::Hub(hub)) => {
                subjects.addresses.extend(hub.touched.addresses.keys().cloned());
                subjects.sessions.extend(hub.touched.sessions.keys().copied());
                subjects.traffic = carries_data(hub);
            }
            Some(What::Client { client, event }) => {
                subjects.actors.insert(client.actor.to_string());
                subjects.traffic = matches!(event, ClientEvent::Received(_));
            }
            Some(What::Step { step, .. }) => {
                if let scenario::What::Act { who, .. } = &step.what {
                    subjects.actors.insert(who.actor().to_owned());
                    subjects.traffic = true;
                }
            }
            Some(
                What::HubStarted { .. } | What::HubStopped { .. } | What::Net(_) | What::Run(_),
            )
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
            // Faults are told as the steps that bring them about.
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
            Input::Tick | Input::Late(_) => !hub.outputs.is_empty(),
            Input::Restored(_)
            | Input::Opened(..)
            | Input::Frame(_, Err(_))
            | Input::Closed(..)
            | Input::Shutdown => true,
        };
        touches && weighs
    }
}

/// Returns whether the event is about application data.
fn carries_data(hub: &HubEvent) -> bool {
    let Input::Frame(_, Ok(ClientFrame::Request(request))) = &hub.input else { return false };
    request.verb.as_ref().is_ok_and(Verb::is_delivery)
}

fn line(event: &Event) -> String {
    let What::Hub(hub) = &event.what else { return format!("{event}\n") };
    let mut text = event.to_string();
    // The first line tells the input; what follows are outputs, told shorter here.
    text.truncate(text.find('\n').unwrap_or(text.len()));
    let told = hub.outputs.iter().filter_map(output);
    let told: Vec<String> = told.map(|(key, what)| format!("{key}: {what}")).collect();
    if !told.is_empty() {
        let _ = write!(text, "\n                => {}", told.join(", "));
    }
    text.push('\n');
    text
}

/// What the hub says to whom, in a few words.
pub(super) fn output(output: &Output) -> Option<(SessionKey, String)> {
    match output {
        Output::Send(key, message) => {
            let what = match &message.body {
                Body::Reply { reply, .. } => match reply.as_ref() {
                    Reply::Error(refusal) => refusal.code.as_str().to_owned(),
                    reply => reply.type_name().to_owned(),
                },
                Body::Notice(Notice::Disconnect(notice)) => {
                    format!("hub:disconnect {}", notice.reason)
                }
                Body::Notice(notice) => notice.type_name().to_owned(),
                Body::Delivery(delivery) => format!("{} for {}", delivery.payload, message.to),
                Body::Pong => "pong".to_owned(),
            };
            Some((*key, what))
        }
        Output::Close(key, reason) | Output::Linger(key, reason) => {
            Some((*key, format!("close {}", reason.code())))
        }
        Output::Audit(_) => None,
    }
}
