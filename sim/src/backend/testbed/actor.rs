//! The actors: each has a host and, one after the other, clients on it.

use std::sync::Arc;

use super::platform::{Client, Platform, Process, Running};
use crate::backend::belief::Belief;
use crate::history::{ClientKind, ClientName};
use crate::invariants::Agreement;
use crate::lower::Wishes;
use crate::scenario::{self, ActorKind, Scenario};

/// One actor.
pub struct Actor<P: Platform> {
    pub kind: ActorKind,
    pub wishes: Wishes,
    name: Arc<str>,
    clients: Vec<Running<P, P::Client>>,
    started: u32,
}

impl<P: Platform> Actor<P> {
    pub fn new(scenario: &Scenario, actor: &scenario::Actor) -> Self {
        Self {
            kind: actor.kind,
            wishes: Wishes::of(scenario, actor),
            name: actor.name.as_str().into(),
            clients: Vec::new(),
            started: 0,
        }
    }

    /// Starts one more client; it wants what the actor wants now.
    pub fn start(&mut self, platform: &P) {
        self.started += 1;
        let (actor, number) = (Arc::clone(&self.name), self.started);
        let name = ClientName { actor, kind: ClientKind::Client, number };
        self.clients.push(platform.start_client(name, &self.wishes));
    }

    /// The youngest client that wants the actor's own address or, without one, that has not ended.
    pub fn client(&self) -> Option<&P::Client> {
        let wanting = self.youngest(|belief| belief.wants(self.wishes.own()));
        wanting.or_else(|| self.youngest(|belief| !belief.has_ended()))
    }

    /// Returns whether nobody tries to be at its own address.
    pub fn is_absent(&self) -> bool {
        self.youngest(|belief| belief.wants(self.wishes.own())).is_none()
    }

    fn youngest(&self, fits: impl Fn(&Belief) -> bool) -> Option<&P::Client> {
        self.clients.iter().map(|(_, client)| client).rev().find(|client| client.belief(&fits))
    }

    /// Where its clients run.
    pub fn processes(&self) -> Vec<P::Process> {
        self.clients.iter().map(|(process, _)| process.clone()).collect()
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<Agreement> {
        let agreement = |belief: &Belief| belief.agreement(self.wishes.own());
        self.clients.iter().filter_map(|(_, client)| client.belief(agreement)).collect()
    }

    /// Ends all clients in the middle of whatever they do. In a crash, the network is told before.
    pub fn kill(&mut self) {
        self.clients.drain(..).for_each(|(process, _)| process.kill());
    }
}
