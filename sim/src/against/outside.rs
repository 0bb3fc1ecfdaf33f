//! This hub seen from outside, without a process: the clients' part of a simulated history in neutral words. So
//! the judge is tried on storms that cost nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dst::coverage::Sightings;
use dst::history::AtClient;
use dst::scenario::Step;
use dst::verdict::Judge as _;
use serde_json::Value;
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{
    self, ActorAddress, ClientFrame, MessageId, Pattern, RenewalToken, Reply, Request,
    Subscription, SubscriptionId, Topic,
};

use super::dialect::{Heard, Operation, Refusal, Report, Verb};
use super::history::{ClientEvent, Event, What};
use super::judge::{Finding, Judge};
use super::own::{heard, name, pong, promises_of};
use super::{AnyHub, Violation, system};
use crate::history::{self, ClientKind, ClientName};
use crate::scenario::{Scenario, WhichToken};

/// What the judge makes of a history.
pub struct Outside {
    /// The first violation, and the place of its event.
    pub violation: Option<(usize, Violation)>,
    /// What was decided, and what was not.
    pub findings: Sightings<Finding>,
    /// The history as it was judged.
    pub events: Vec<Event>,
}

/// Judges what clients did and saw in a run of the scenario; for `patience`, nobody is told to be slow.
pub fn judged(
    scenario: &Scenario,
    events: &[history::Event],
    patience: std::time::Duration,
) -> Outside {
    let mut promises = promises_of(&scenario.hub);
    promises.patience = Some(patience);
    let mut judge = Judge::of(promises);
    let mut translator = Translator { unregistered: unregistered(events), ..Default::default() };
    let (mut violation, mut seen) = (None, Vec::new());
    for (place, event) in events.iter().enumerate() {
        excuse(&mut judge, event);
        let Some(event) = translator.event(event) else { continue };
        let verdict = judge.observe(&event);
        seen.push(event);
        if let Err(broken) = verdict {
            violation = Some((place, broken));
            break;
        }
    }
    Outside { violation, findings: judge.sightings(scenario.seed), events: seen }
}

/// The client of this project stamps what it says when it is told to say it: what expires may have waited for a
/// connection.
fn since_told(kind: ClientKind, mut heard: Heard) -> Heard {
    if let Report::Refused { why, .. } = &mut heard.report
        && (kind, *why) == (ClientKind::Client, Refusal::Expired)
    {
        *why = Refusal::Other;
    }
    heard
}

/// What an unregistration without a name was about, only its answer tells.
fn unregistered(events: &[history::Event]) -> BTreeMap<MessageId, ActorAddress> {
    let answers = events.iter().filter_map(|event| {
        let history::What::Client { event, .. } = &event.what else { return None };
        let history::ClientEvent::Received(HubFrame::Message(message)) = event else { return None };
        let HubBody::Reply { correlation, reply } = &message.body else { return None };
        let Reply::Unregistered(told) = reply else { return None };
        Some((correlation.clone()?, told.actor_address.clone()))
    });
    answers.collect()
}

/// What this project's client tells, other clients ask.
fn excuse(judge: &mut Judge, event: &history::Event) {
    if let history::What::Client { event: history::ClientEvent::Sent(frame), .. } = &event.what
        && let ClientFrame::Request(request) = frame
        && request.pattern == Pattern::Tell
    {
        judge.excuse(request.id.as_str());
    }
}

/// Remembers what frames name by something that only the hub tells.
#[derive(Default)]
struct Translator {
    tokens: BTreeMap<RenewalToken, ActorAddress>,
    subscriptions: BTreeMap<SubscriptionId, Topic>,
    clients: BTreeMap<ClientName, Client>,
    unregistered: BTreeMap<MessageId, ActorAddress>,
}

#[derive(Default)]
struct Client {
    connection: u32,
    pings: VecDeque<String>,
    asked: u32,
}

impl Translator {
    fn event(&mut self, event: &history::Event) -> Option<Event> {
        let what = match &event.what {
            history::What::HubStarted { restarts } => What::HubStarted { restarts: *restarts },
            history::What::HubStopped { how } => What::HubStopped { how: *how },
            history::What::Run(milestone) => What::Run(*milestone),
            history::What::Step { number, step } => {
                let step: Step<AnyHub> = system::step(step);
                What::Step { number: *number, step: Arc::new(step) }
            }
            history::What::Client { client, event } => {
                let event = self.client(client, event)?;
                What::Client { client: client.clone(), event }
            }
            history::What::Hub(_) | history::What::Net(_) => return None,
        };
        Some(Event { at: event.at, what })
    }

    fn client(&mut self, name: &ClientName, event: &history::ClientEvent) -> Option<ClientEvent> {
        let client = self.clients.entry(name.clone()).or_default();
        Some(match event {
            history::ClientEvent::Started { .. } => ClientEvent::Started,
            history::ClientEvent::Opened { connection } => {
                client.connection = *connection;
                client.pings.clear();
                ClientEvent::Opened { connection: *connection }
            }
            history::ClientEvent::Lost { connection, .. } => {
                let code = event.closing().flatten();
                ClientEvent::Lost { connection: *connection, code, own: false }
            }
            history::ClientEvent::Sent(frame) => {
                client.asked += 1;
                let (connection, ping) = (client.connection, format!("ping-{}", client.asked));
                let operation = match frame {
                    ClientFrame::Ping => {
                        client.pings.push_back(ping.clone());
                        let speaker = name.actor.to_string();
                        Operation { id: ping, speaker, verb: Verb::Ping }
                    }
                    ClientFrame::Request(request) => self.operation(request),
                };
                ClientEvent::Asked { connection, operation: Arc::new(operation) }
            }
            history::ClientEvent::Received(frame) => {
                let connection = client.connection;
                let heard = match frame {
                    HubFrame::Pong => pong(client.pings.pop_front()),
                    HubFrame::Message(message) => {
                        self.note(message);
                        since_told(name.kind, heard(message))
                    }
                };
                ClientEvent::Heard { connection, heard: Arc::new(heard) }
            }
            history::ClientEvent::Ended => ClientEvent::Ended,
            history::ClientEvent::Told { .. } => return None,
            history::ClientEvent::Said(text) => ClientEvent::Said(text.clone()),
        })
    }

    fn note(&mut self, message: &protocol::codec::HubMessage) {
        let HubBody::Reply { reply, .. } = &message.body else { return };
        match reply {
            Reply::Registered(told) => {
                self.tokens.insert(told.renewal_token, told.actor_address.clone());
            }
            Reply::Renewed(told) => {
                self.tokens.insert(told.renewal_token, told.actor_address.clone());
            }
            Reply::Subscribed(told) => {
                self.subscriptions.insert(told.subscription_id, told.topic.clone());
            }
            _ => {}
        }
    }

    fn operation(&self, request: &Request) -> Operation {
        let query = || Verb::Query { what: request.type_name.to_string() };
        let verb = request.verb.as_ref().map_or_else(|_| query(), |verb| self.verb(request, verb));
        Operation { id: request.id.to_string(), speaker: name(&request.from), verb }
    }

    fn topic(&self, subscription: &Subscription) -> String {
        match subscription {
            Subscription::Topic(topic) => topic.to_string(),
            Subscription::Id(id) => {
                let topic = self.subscriptions.get(id);
                topic.map_or_else(|| id.to_string(), Topic::to_string)
            }
        }
    }

    fn verb(&self, request: &Request, verb: &protocol::Verb) -> Verb {
        let ttl = request.ttl;
        let value = |data: &protocol::Json| data.to::<Value>().unwrap_or_default();
        match verb {
            protocol::Verb::Connect(connect) => {
                Verb::Connect { version: Some(connect.protocol_version.clone()) }
            }
            protocol::Verb::Heartbeat(_) => Verb::Heartbeat,
            protocol::Verb::Disconnect(_) => Verb::Disconnect,
            protocol::Verb::Register(register) => Verb::Register {
                address: name(&register.actor_address),
                ttl: register.ttl,
                renew_on_heartbeat: register.renew_on_heartbeat
                    || protocol::Register::renews_on_heartbeat(&register.metadata),
                capability: None,
            },
            protocol::Verb::Unregister(unregister) => {
                let told = self.unregistered.get(&request.id);
                match unregister.actor_address.as_ref().or(told) {
                    Some(address) => Verb::Unregister { address: name(address) },
                    // It may have been any.
                    None => Verb::Disconnect,
                }
            }
            protocol::Verb::Renew(renew) => {
                let shown = renew.renewal_token.and_then(|token| self.tokens.get(&token));
                let address = name(shown.unwrap_or(&request.from));
                // Whether it is the latest, only the client knows.
                Verb::Renew { address, token: WhichToken::Used }
            }
            protocol::Verb::Discover(discover) => {
                Verb::Discover { pattern: discover.pattern.as_str().to_owned() }
            }
            protocol::Verb::Send(send) => {
                let to = send.to.address().map_or_else(|| send.to.to_string(), |to| name(&to));
                let payload = value(&send.data);
                match request.pattern {
                    Pattern::Tell => Verb::Tell { to, payload, ttl },
                    Pattern::Ask => Verb::Ask { to, payload, ttl },
                }
            }
            protocol::Verb::Broadcast(broadcast) => Verb::Broadcast {
                payload: value(&broadcast.data),
                exclude_self: broadcast.exclude_self,
                capability: broadcast.target_capability.clone(),
                ttl,
            },
            protocol::Verb::Subscribe(subscribe) => {
                Verb::Subscribe { topic: subscribe.topic.to_string() }
            }
            protocol::Verb::Unsubscribe(unsubscribe) => {
                Verb::Unsubscribe { topic: self.topic(&unsubscribe.subscription), by_id: false }
            }
            protocol::Verb::Publish(publish) => {
                let (topic, payload) = (publish.topic.to_string(), value(&publish.data));
                Verb::Publish { topic, payload, ttl }
            }
            protocol::Verb::ListActors(_)
            | protocol::Verb::Recover(_)
            | protocol::Verb::QueueStats
            | protocol::Verb::Metrics
            | protocol::Verb::RefreshToken(_) => {
                Verb::Query { what: request.type_name.to_string() }
            }
        }
    }
}
