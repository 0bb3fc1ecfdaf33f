//! A failed run, and which failures are alike: the same invariant, broken by the same kind of event.

use dst::verdict::Invariant;
use signal_hub::hub::Input;
use signal_hub::protocol::ClientFrame;
use signal_hub::protocol::codec::HubFrame;

use crate::backend::Outcome;
use crate::history::{ClientEvent, Event, What};
use crate::invariants::Violation;

/// A failed run.
#[derive(Debug, Clone)]
pub struct Failure {
    pub violation: Violation,
    /// The kind of event that broke it.
    pub broken_by: String,
    pub outcome: Outcome,
}

/// Failures that are alike.
#[derive(Debug)]
pub struct DistinctFailure<'a> {
    pub first: &'a Failure,
    /// In ascending order.
    pub seeds: Vec<u64>,
}

impl Failure {
    /// The failure that the outcome is, if it is one.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let violation = outcome.violation.clone()?;
        let broken_by = if violation.invariant.is_shown_by_event() {
            outcome.events.last().map(kind).unwrap_or_default()
        } else {
            "the run as a whole".to_owned()
        };
        Some(Self { violation, broken_by, outcome: outcome.clone() })
    }

    /// Whether one of the two is enough to look at.
    pub fn is_like(&self, other: &Failure) -> bool {
        self.violation.invariant == other.violation.invariant && self.broken_by == other.broken_by
    }
}

fn kind(event: &Event) -> String {
    match &event.what {
        What::HubStarted { .. } => "the hub's start".to_owned(),
        What::HubStopped { .. } => "the hub's stop".to_owned(),
        What::Hub(hub) => input_kind(&hub.input),
        What::Client { event, .. } => client_kind(event),
        What::Net(_) => "the network".to_owned(),
        What::Run(milestone) => format!("{milestone:?}").to_lowercase(),
        What::Step { .. } => "a step".to_owned(),
    }
}

fn input_kind(input: &Input) -> String {
    match input {
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

fn client_kind(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Started { .. } => "client started".to_owned(),
        ClientEvent::Opened { .. } => "client opened".to_owned(),
        ClientEvent::Lost { .. } => "client lost".to_owned(),
        ClientEvent::Sent(_) => "client sent".to_owned(),
        ClientEvent::Received(frame) => match frame.as_ref() {
            HubFrame::Pong => "client received pong".to_owned(),
            HubFrame::Message(message) => format!("client received {}", message.type_name()),
        },
        ClientEvent::Ended => "client ended".to_owned(),
        ClientEvent::Said(_) => "client said".to_owned(),
    }
}
