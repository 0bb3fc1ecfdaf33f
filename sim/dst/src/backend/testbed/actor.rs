//! The actors: each has a host and, one after the other, clients on it.

use std::sync::Arc;
use std::time::Duration;

use super::platform::{Client, Platform, Process, Running};
use crate::backend::deploy::{Belief, Deploy, Wishes};
use crate::history::{ClientKind, ClientName};
use crate::scenario::{self, ActorKind, Scenario};

/// One actor.
pub struct Actor<S: Deploy, P: Platform<S>> {
    pub kind: ActorKind,
    pub wishes: S::Wishes,
    name: Arc<str>,
    clients: Vec<Running<S, P, P::Client>>,
    started: u32,
}

impl<S: Deploy, P: Platform<S>> Actor<S, P> {
    pub fn new(scenario: &Scenario<S>, actor: &scenario::Actor, began: Duration) -> Self {
        Self {
            kind: actor.kind,
            wishes: S::Wishes::of(scenario, actor, began),
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
        let wanting = self.youngest(|belief| belief.wants(&self.wishes));
        wanting.or_else(|| self.youngest(|belief| !belief.has_ended()))
    }

    /// Returns whether nobody tries to be at its own address.
    pub fn is_absent(&self) -> bool {
        self.youngest(|belief| belief.wants(&self.wishes)).is_none()
    }

    fn youngest(&self, fits: impl Fn(&S::Belief) -> bool) -> Option<&P::Client> {
        self.clients.iter().map(|(_, client)| client).rev().find(|client| client.belief(&fits))
    }

    /// Where its clients run.
    pub fn processes(&self) -> Vec<P::Process> {
        self.clients.iter().map(|(process, _)| process.clone()).collect()
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<S::Agreement> {
        let agreement = |belief: &S::Belief| belief.agreement(&self.wishes);
        self.clients.iter().filter_map(|(_, client)| client.belief(agreement)).collect()
    }

    /// Ends all clients in the middle of whatever they do. In a crash, the network is told before.
    pub fn kill(&mut self) {
        self.clients.drain(..).for_each(|(process, _)| process.kill());
    }
}
