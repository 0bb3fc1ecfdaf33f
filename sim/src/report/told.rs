//! What events tell without random values, by which two runs are compared, and which of them led to the one
//! that broke something.

use std::collections::BTreeSet;

use signal_hub::hub::{Input, Output, Record, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{ClientFrame, Malformed, Pattern, Reply, Request, Subscription, Verb};

use super::causes::Causes;
use super::changes::{Changes, Tables};
use super::html::about::request;
use super::links::{Links, Place};
use super::story::output;
use super::words::{noted, said, why_gone};
use crate::backend::Outcome;
use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};
use crate::net::NetEventKind;
use crate::scenario;

/// What each event tells: who did what, what the hub said to that, and what it changed in which row.
pub fn told(events: &[Event]) -> Vec<Vec<String>> {
    let links = Links::of(events);
    let (mut place, mut tables) = (Place::default(), Tables::default());
    let tell = |event: &Event| {
        place.pass(event);
        let changes = tables.pass(event);
        match &event.what {
            What::Hub(hub) => at_hub(hub, &links, &place, &changes),
            What::Client { client, event } => at_client(client, event),
            What::Net(NetEventKind::Injected { .. } | NetEventKind::TookEffect { .. }) => {
                vec![event.what.to_string()]
            }
            What::Step { step, .. } => vec![step.in_short()],
            What::Net(_) => Vec::new(),
            What::HubStarted { .. } | What::HubStopped { .. } | What::Run(_) => {
                vec![event.what.to_string()]
            }
        }
    };
    events.iter().map(tell).collect()
}

fn at_hub(hub: &HubEvent, links: &Links, place: &Place, changes: &Changes) -> Vec<String> {
    let who = |key: &SessionKey| match links.sessions.get(&place.session(*key)) {
        Some(connection) => format!("{key} of {}", connection.client),
        None => key.to_string(),
    };
    let input = match &hub.input {
        Input::Frame(key, frame) => format!("{} says {}", who(key), frame_text(frame)),
        Input::Closed(key, cause) => format!("{} is gone: {}", who(key), why_gone(*cause)),
        Input::Opened(key, _) => format!("{key} opens"),
        Input::Alive(key) => format!("{} is alive", who(key)),
        Input::Drained(key, written) => format!("{} took {} messages", who(key), written.messages),
        Input::Restored(rows) => format!("the hub finds {} rows in its store", rows.len()),
        Input::Tick => "a deadline is due".to_owned(),
        Input::Late(_) => "the hub stood still".to_owned(),
        Input::Shutdown => "the hub is to shut down".to_owned(),
    };
    let mut lines = vec![input];
    let outputs = hub.outputs.iter().filter_map(output);
    let outputs: Vec<String> =
        outputs.map(|(key, what)| format!("{}: {what}", who(&key))).collect();
    let is_ask = request(hub).is_some_and(|request| request.pattern == Pattern::Ask);
    if !outputs.is_empty() {
        lines.push(format!("=> {}", outputs.join(", ")));
    } else if is_ask {
        lines.push("=> nothing".to_owned());
    }
    lines.extend(hub.outputs.iter().filter_map(|output| match output {
        // Its id is random.
        Output::Audit(Record::RetryAnswered { .. }) => Some("knows the answer".to_owned()),
        Output::Audit(record) => noted(record),
        Output::Send(..) | Output::Close(..) | Output::Linger(..) => None,
    }));
    lines.extend(changes.lines());
    lines
}

fn frame_text(frame: &Result<ClientFrame, Malformed>) -> String {
    match frame {
        Ok(ClientFrame::Ping) => "ping".to_owned(),
        Ok(ClientFrame::Request(request)) => asked(request),
        Err(Malformed::Frame { refusal, .. }) => format!("nonsense: {}", refusal.message),
        Err(Malformed::TooLarge { .. }) => "too much".to_owned(),
    }
}

/// The id of a subscription is random.
fn asked(request: &Request) -> String {
    match &request.verb {
        Ok(Verb::Unsubscribe(unsubscribe))
            if matches!(unsubscribe.subscription, Subscription::Id(_)) =>
        {
            format!("{} {} by its id", request.pattern.as_str(), request.type_name)
        }
        _ => said(request),
    }
}

fn at_client(client: &ClientName, event: &ClientEvent) -> Vec<String> {
    let what = match event {
        ClientEvent::Sent(ClientFrame::Ping) => "sends ping".to_owned(),
        ClientEvent::Sent(ClientFrame::Request(request)) => format!("sends {}", asked(request)),
        ClientEvent::Received(HubFrame::Pong) => "gets pong".to_owned(),
        ClientEvent::Received(HubFrame::Message(message)) => match &message.body {
            HubBody::Reply { reply: Reply::Error(refusal), .. } => {
                format!("gets {}", refusal.code.as_str())
            }
            HubBody::Delivery { payload, .. } => {
                format!("gets {payload} from {} to {}", message.from, message.to)
            }
            HubBody::Reply { .. } | HubBody::Notice(_) | HubBody::Unknown { .. } => {
                format!("gets {}", message.type_name())
            }
        },
        ClientEvent::Started { .. }
        | ClientEvent::Opened { .. }
        | ClientEvent::Lost { .. }
        | ClientEvent::Ended
        | ClientEvent::Told { .. }
        | ClientEvent::Said(_) => event.to_string(),
    };
    vec![format!("{client} {what}")]
}

/// The events that the one which broke something goes back to, over messages, steps, deadlines and rows, and
/// that one; a frame only where it was handled.
pub fn past(outcome: &Outcome) -> Vec<usize> {
    let events = &outcome.events;
    let Some(broken) = outcome.broken_at() else { return Vec::new() };
    let links = Links::of(events);
    let (mut place, mut tables) = (Place::default(), Tables::default());
    let mut causes = Causes::new(&links);
    let mut of: Vec<Vec<usize>> = Vec::new();
    let mut named = Vec::new();
    for (number, event) in events.iter().enumerate() {
        if let Some(violation) = outcome.violation.as_ref().filter(|_| number + 1 == events.len()) {
            // What the evidence names was written before the last event.
            named = causes.writers_named(&violation.evidence);
        }
        place.pass(event);
        let changes = tables.pass(event);
        of.push(causes.of(number, event, &place, &changes));
    }
    of[broken].extend(named);
    of[broken].extend(last_seen(events, broken));
    let mut past = BTreeSet::from([broken]);
    let mut open = vec![broken];
    while let Some(number) = open.pop() {
        open.extend(of[number].iter().filter(|cause| past.insert(**cause)));
    }
    let weighs = |number: &usize| *number == broken || weighs(&events[*number]);
    past.into_iter().filter(weighs).collect()
}

/// The last that was seen by whoever waits in vain in that step.
fn last_seen(events: &[Event], step: usize) -> Option<usize> {
    let What::Step { step, .. } = &events[step].what else { return None };
    let scenario::What::Act { who, .. } = &step.what else { return None };
    let is_own =
        |event: &Event| matches!(&event.what, What::Client { client, .. } if client.who() == *who);
    events.iter().rposition(is_own)
}

/// Returns whether it tells more than that a connection came about, or than the other end of an arrow.
fn weighs(event: &Event) -> bool {
    match &event.what {
        What::Client { event, .. } => {
            matches!(
                event,
                ClientEvent::Lost { .. }
                    | ClientEvent::Ended
                    | ClientEvent::Told { .. }
                    | ClientEvent::Said(_)
            )
        }
        What::Hub(hub) => match &hub.input {
            Input::Frame(_, Ok(ClientFrame::Request(request))) => {
                !matches!(request.verb, Ok(Verb::Connect(_)))
            }
            Input::Opened(..) | Input::Alive(_) => false,
            Input::Restored(_)
            | Input::Frame(..)
            | Input::Drained(..)
            | Input::Closed(..)
            | Input::Tick
            | Input::Late(_)
            | Input::Shutdown => true,
        },
        What::Net(_)
        | What::Step { .. }
        | What::HubStarted { .. }
        | What::HubStopped { .. }
        | What::Run(_) => true,
    }
}
