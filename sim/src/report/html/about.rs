//! What an event is about: sessions, addresses and topics, by which a page filters.

use std::collections::BTreeMap;

use serde::Serialize;
use signal_hub::hub::Output;
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, Request, Route, Subscription, Topic, Verb,
};

use super::super::changes::Changes;
use super::super::links::{Connection, HubSession, Links, Place};
use crate::history::{ClientEvent, Event, HubEvent, What};
use crate::scenario;

/// Something that events are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Subject {
    Address(String),
    Topic(String),
    /// Restarts of the hub, and its key.
    Session(u32, u64),
}

/// All subjects of a run, in the order in which they come up, and the place of each.
#[derive(Debug, Default)]
pub struct Subjects {
    pub all: Vec<Subject>,
    places: BTreeMap<Subject, usize>,
    sessions: BTreeMap<Connection, HubSession>,
}

impl Subjects {
    pub fn of(links: &Links) -> Self {
        let sessions = links.sessions.iter().map(|(session, c)| (c.clone(), *session)).collect();
        Self { sessions, ..Self::default() }
    }

    /// The subjects of an event that changed these rows, in ascending order.
    pub fn about(&mut self, event: &Event, place: &Place, changes: &Changes) -> Vec<usize> {
        let mut about = Vec::new();
        match &event.what {
            What::Hub(hub) => about_hub(&mut about, hub, place, changes),
            What::Client { client, event } => {
                let session = self.sessions.get(&place.connection(client));
                about.extend(
                    session.map(|session| Subject::Session(session.restarts, session.key.0)),
                );
                about_client(&mut about, event);
            }
            What::Step { step, .. } => {
                if let scenario::What::Act { who, .. } = &step.what {
                    let own = ActorAddress::from_path(who.actor()).ok();
                    about.extend(own.as_ref().map(address));
                }
            }
            What::Net(_) | What::Run(_) | What::HubStarted { .. } | What::HubStopped { .. } => {}
        }
        let mut places: Vec<usize> = about.into_iter().map(|subject| self.place(subject)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn place(&mut self, subject: Subject) -> usize {
        if let Some(place) = self.places.get(&subject) {
            return *place;
        }
        self.all.push(subject.clone());
        self.places.insert(subject, self.all.len() - 1);
        self.all.len() - 1
    }
}

fn about_hub(about: &mut Vec<Subject>, hub: &HubEvent, place: &Place, changes: &Changes) {
    let session = |key: u64| Subject::Session(place.restarts, key);
    about.extend(hub.input.session().map(|key| session(key.0)));
    if let Some(request) = request(hub) {
        about_request(about, request);
    }
    about.extend(changes.sessions.iter().map(|change| session(change.key.0)));
    about.extend(changes.addresses.iter().map(|change| address(&change.key)));
    about.extend(changes.topics.iter().map(|change| topic(&change.key)));
    for output in &hub.outputs {
        match output {
            Output::Send(key, message) => {
                about.push(session(key.0));
                if let Body::Delivery(_) = &message.body {
                    about.push(address(&message.to));
                }
            }
            Output::Close(key, _) | Output::Linger(key, _) => about.push(session(key.0)),
            Output::Audit(_) => {}
        }
    }
}

fn about_client(about: &mut Vec<Subject>, event: &ClientEvent) {
    match event {
        ClientEvent::Started { address: own } => about.push(address(own)),
        ClientEvent::Sent(frame) => {
            if let ClientFrame::Request(request) = frame {
                about_request(about, request);
            }
        }
        ClientEvent::Received(frame) => {
            if let HubFrame::Message(message) = frame {
                about.push(address(&message.to));
                if let HubBody::Delivery { route, .. } = &message.body {
                    about.push(address(&message.from));
                    if let Route::Publication { topic: of } = route {
                        about.push(topic(of));
                    }
                }
            }
        }
        ClientEvent::Opened { .. }
        | ClientEvent::Lost { .. }
        | ClientEvent::Ended
        | ClientEvent::Told { .. }
        | ClientEvent::Said(_) => {}
    }
}

/// The request of an input, if it is one.
pub fn request(hub: &HubEvent) -> Option<&Request> {
    match &hub.input {
        signal_hub::hub::Input::Frame(_, Ok(ClientFrame::Request(request))) => Some(request),
        _ => None,
    }
}

fn about_request(about: &mut Vec<Subject>, request: &Request) {
    about.push(address(&request.from));
    about.extend(named_address(request).as_ref().map(address));
    about.extend(named_topic(request).map(topic));
}

/// The address that a request names, beside its sender.
pub fn named_address(request: &Request) -> Option<ActorAddress> {
    match request.verb.as_ref().ok()? {
        Verb::Register(register) => Some(register.actor_address.clone()),
        Verb::Unregister(unregister) => unregister.actor_address.clone(),
        Verb::Send(send) => ActorAddress::parse(&send.to.to_string()).ok(),
        _ => None,
    }
}

/// The topic that a request names.
pub fn named_topic(request: &Request) -> Option<&Topic> {
    match request.verb.as_ref().ok()? {
        Verb::Publish(publish) => Some(&publish.topic),
        Verb::Subscribe(subscribe) => Some(&subscribe.topic),
        Verb::Unsubscribe(unsubscribe) => match &unsubscribe.subscription {
            Subscription::Topic(topic) => Some(topic),
            Subscription::Id(_) => None,
        },
        _ => None,
    }
}

fn address(address: &ActorAddress) -> Subject {
    Subject::Address(address.to_string())
}

fn topic(topic: &Topic) -> Subject {
    Subject::Topic(topic.to_string())
}
