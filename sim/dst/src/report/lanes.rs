//! Who does what in an event, for pictures: a lane for each client, and the last one for the hub.

use crate::System;
use crate::history::{ClientName, Event, What};
use crate::scenario;

/// The clients that have a lane.
pub(super) struct Lanes(Vec<ClientName>);

impl Lanes {
    /// Those of at most so many clients, who came last in the events at these places; none if no client did.
    pub(super) fn of<S: System>(
        events: &[Event<S>],
        places: &[usize],
        most: usize,
    ) -> Option<Self> {
        let mut clients = Vec::<ClientName>::new();
        for place in places.iter().rev() {
            if let What::Client { client, .. } = &events[*place].what
                && !clients.contains(client)
                && clients.len() < most
            {
                clients.push(client.clone());
            }
        }
        clients.sort();
        (!clients.is_empty()).then_some(Self(clients))
    }

    /// The hub's lane.
    pub(super) fn hub(&self) -> usize {
        self.0.len()
    }

    /// What each is called.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ClientName::to_string).chain(["hub".to_owned()])
    }

    /// In which lane it happens, and what; none if it happens in all.
    pub(super) fn told<S: System>(&self, event: &Event<S>) -> (Option<usize>, String) {
        let (at, text) = match &event.what {
            What::Run(milestone) => return (None, milestone.to_string()),
            What::Net(event) => (None, event.to_string()),
            What::Step { step, .. } => {
                let at = match &step.what {
                    scenario::What::Act { who, .. } => self.actor(who.actor()),
                    scenario::What::Hub(_) | scenario::What::Network(_) => None,
                };
                (at, step.in_short())
            }
            What::Client { client, event } => match self.client(client) {
                Some(at) => (Some(at), event.to_string()),
                None => (None, format!("{client} {event}")),
            },
            What::Hub(event) => (None, event.to_string()),
            What::HubStarted { .. } => (None, "starts".to_owned()),
            What::HubStopped { .. } => (None, "stops".to_owned()),
        };
        (Some(at.unwrap_or(self.hub())), text)
    }

    /// The lane that a message comes from.
    pub(super) fn sender<S: System>(&self, event: &Event<S>) -> Option<usize> {
        match &event.what {
            What::Client { client, .. } => self.client(client),
            What::Hub(_) => Some(self.hub()),
            _ => None,
        }
    }

    fn client(&self, client: &ClientName) -> Option<usize> {
        self.0.iter().position(|known| known == client)
    }

    /// That of the youngest client of the actor.
    fn actor(&self, actor: &str) -> Option<usize> {
        self.0.iter().rposition(|known| *known.actor == *actor)
    }
}
