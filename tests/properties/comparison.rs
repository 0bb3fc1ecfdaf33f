//! Plays a scenario and gives the model what the hub was given: what each session got to see must be
//! the same, input by input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::{Output, SessionKey};
use signal_hub::protocol::{
    Body, Delivery, DeliveryAck, DeliveryStatus, Json, Notice, Outgoing, Recovered, Registered,
    Reply, Route,
};
use signal_hub_sim::backend::{self, Backend, Skipped};
use signal_hub_sim::history::{Event, HubEvent, What};
use signal_hub_sim::invariants::{TokenReader, Violation};
use signal_hub_sim::run::Keep;
use signal_hub_sim::scenario::{self, Scenario};
use uuid::Uuid;

use crate::model::requests::wordless;
use crate::model::{Drawn, Model, Said, Told};

/// What came of a scenario.
pub struct Verdict {
    pub failure: Option<Failure>,
    /// What kinds of things sessions saw: types, codes of errors, codes of closes.
    pub kinds: BTreeSet<String>,
    /// Inputs that were compared.
    pub inputs: usize,
}

/// How a scenario fails.
#[derive(Debug)]
pub enum Failure {
    Broken(Violation, Duration),
    Differs(Difference),
}

/// The first thing that a session saw otherwise than the model says.
#[derive(Debug)]
pub struct Difference {
    pub at: Duration,
    /// The event of the history, counted from 1, and its input.
    event: usize,
    input: String,
    session: SessionKey,
    expected: Vec<Said>,
    seen: Vec<Said>,
}

impl Failure {
    /// When it showed, from the start of the run.
    pub fn at(&self) -> Duration {
        match self {
            Failure::Broken(_, at) => *at,
            Failure::Differs(difference) => difference.at,
        }
    }

    /// Returns whether it is another one of the same: there is only one kind of difference.
    pub fn is_like(&self, other: &Failure) -> bool {
        match (self, other) {
            (Failure::Broken(one, _), Failure::Broken(other, _)) => {
                one.invariant == other.invariant
            }
            (Failure::Differs(_), Failure::Differs(_)) => true,
            (Failure::Broken(..), Failure::Differs(_))
            | (Failure::Differs(_), Failure::Broken(..)) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Broken(violation, _) => {
                write!(f, "breaks {}: {}", violation.invariant, violation.evidence)
            }
            Failure::Differs(Difference { at, event, input, session, expected, seen }) => write!(
                f,
                "at {at:?}, event {event}, session {} sees what the model does not say\n\
                 input    {input}\nexpected {expected:#?}\nseen     {seen:#?}",
                session.0
            ),
        }
    }
}

/// Plays the scenario on the message backend.
///
/// # Errors
/// If that cannot play it.
pub fn judge(scenario: &Scenario) -> Result<Verdict, Skipped> {
    let outcome = backend::play(scenario, Backend::Message, Keep::All)?;
    let mut verdict = compare(scenario, &outcome.events);
    let at = outcome.events.last().map_or(Duration::ZERO, |event| event.at);
    verdict.failure = match (verdict.failure, outcome.violation) {
        (Some(difference), _) => Some(difference),
        (None, violation) => violation.map(|violation| Failure::Broken(violation, at)),
    };
    Ok(verdict)
}

/// Compares all hubs of a history with the model, up to the first difference.
pub fn compare(scenario: &Scenario, events: &[Event]) -> Verdict {
    let reader = || scenario::secret(scenario).map(TokenReader::new);
    let begun = || Model::new(scenario.hub.clone(), reader());
    let mut model = begun();
    let mut verdict = Verdict { failure: None, kinds: BTreeSet::new(), inputs: 0 };
    let mut ids = BTreeSet::new();
    for (number, event) in (1..).zip(events) {
        let hub = match &event.what {
            What::Hub(hub) => hub,
            What::HubStarted { .. } => {
                model = begun();
                continue;
            }
            What::HubStopped { .. }
            | What::Client { .. }
            | What::Net(_)
            | What::Run(_)
            | What::Step { .. } => continue,
        };
        verdict.inputs += 1;
        let (seen, drawn) = seen(hub, &mut ids);
        let expected = model.handle(hub.now, &hub.input, drawn);
        verdict.kinds.extend(seen.values().flatten().map(kind));
        if let Some(session) = first_differing(&expected, &seen) {
            let told = |told: &Told| told.get(&session).cloned().unwrap_or_default();
            verdict.failure = Some(Failure::Differs(Difference {
                at: event.at,
                event: number,
                input: format!("{:?}", hub.input),
                session,
                expected: told(&expected),
                seen: told(&seen),
            }));
            break;
        }
    }
    verdict
}

fn first_differing(expected: &Told, seen: &Told) -> Option<SessionKey> {
    let sessions: BTreeSet<&SessionKey> = expected.keys().chain(seen.keys()).collect();
    sessions.into_iter().copied().find(|session| expected.get(session) != seen.get(session))
}

/// What each session got to see, and what had been drawn for that. A message keeps its id if that
/// is among `ids`: it is to be a fresh one.
fn seen(hub: &HubEvent, ids: &mut BTreeSet<Uuid>) -> (Told, Drawn) {
    let (mut told, mut drawn) = (Told::new(), Drawn::default());
    for output in &hub.outputs {
        let (session, said) = match output {
            Output::Send(session, outgoing) => {
                note_drawn(&mut drawn, &outgoing.body);
                let id = if ids.insert(outgoing.id) { Uuid::nil() } else { outgoing.id };
                (*session, Said::Message(Outgoing { id, ..plain(outgoing) }))
            }
            Output::Close(session, reason) => (*session, Said::Closed(*reason)),
            Output::Linger(session, reason) => (*session, Said::LetGo(*reason)),
            Output::Audit(_) => continue,
        };
        told.entry(session).or_default().push(said);
    }
    (told, drawn)
}

fn note_drawn(drawn: &mut Drawn, body: &Body) {
    let Body::Reply { reply, .. } = body else { return };
    if let Reply::Connected(connected) = &**reply {
        drawn.session = Some(connected.session_id);
    } else if let Reply::Registered(registered) = &**reply {
        drawn.token = Some(registered.renewal_token);
        drawn.epoch = registered.recovery.as_ref().and_then(|recovery| recovery.epoch);
    } else if let Reply::Recovered(recovered) = &**reply {
        drawn.epoch = recovered.recovery.epoch;
    } else if let Reply::Renewed(renewed) = &**reply {
        drawn.token = Some(renewed.renewal_token);
    } else if let Reply::Subscribed(subscribed) = &**reply {
        drawn.subscription = Some(subscribed.subscription_id);
    }
}

/// Without what is drawn for every message and what is for people alone.
fn plain(outgoing: &Outgoing) -> Outgoing {
    let body = match &outgoing.body {
        Body::Pong => Body::Pong,
        Body::Reply { correlation, trace_id, reply } => {
            let (correlation, trace_id) = (correlation.clone(), trace_id.clone());
            Body::Reply { correlation, trace_id, reply: Box::new(plain_reply(reply)) }
        }
        Body::Notice(Notice::Disconnect(notice)) => {
            let mut notice = notice.clone();
            notice.message.clear();
            Body::Notice(Notice::Disconnect(notice))
        }
        Body::Notice(notice) => Body::Notice(notice.clone()),
        Body::Delivery(delivery) => Body::Delivery(Arc::new(in_order(delivery))),
    };
    Outgoing { id: Uuid::nil(), body, ..outgoing.clone() }
}

fn plain_reply(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    if let Reply::Error(refusal) = &mut reply {
        **refusal = wordless(refusal);
    } else if let Reply::Connected(connected) = &mut reply {
        connected.server_version.clear();
    }
    reply
}

/// With the keys of its metadata in the order of the alphabet, which the protocol leaves open.
fn in_order(delivery: &Delivery) -> Delivery {
    let Delivery { from, kind, payload, metadata, route, origin, ttl, .. } = delivery.clone();
    let metadata: BTreeMap<String, Json> = metadata.to().expect("metadata is an object");
    let metadata = Json::from_value(&metadata).expect("an object is JSON");
    Delivery::new(from, kind, payload, metadata, route, origin, ttl)
}

/// The kind of what was said, in a word.
fn kind(said: &Said) -> String {
    match said {
        Said::Closed(reason) | Said::LetGo(reason) => format!("close {}", reason.code()),
        Said::Message(message) => match &message.body {
            Body::Reply { reply, .. } => match reply.as_ref() {
                Reply::Error(refusal) => format!("error {}", refusal.code.as_str()),
                Reply::DeliveryAck(DeliveryAck { status: DeliveryStatus::Queued, .. }) => {
                    "queued".to_owned()
                }
                Reply::Registered(Registered { recovery: Some(recovery), .. })
                | Reply::Recovered(Recovered { recovery, .. }) => match recovery.reason {
                    Some(reason) => format!("unrecovered {reason:?}"),
                    None if recovery.recovered => "recovered".to_owned(),
                    None => "recovers".to_owned(),
                },
                other => other.type_name().to_owned(),
            },
            Body::Notice(notice) => format!("notice {}", notice.type_name()),
            Body::Delivery(delivery) => match delivery.route {
                Route::Send => "sent".to_owned(),
                Route::Publication { .. } => "published".to_owned(),
                Route::Broadcast => "broadcast".to_owned(),
            },
            Body::Pong => "pong".to_owned(),
        },
    }
}
