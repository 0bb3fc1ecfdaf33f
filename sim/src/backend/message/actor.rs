//! The actors: each has a host and, one after the other, clients on it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use signal_hub::protocol::{ActorAddress, Topic};

use super::client::ClientId;
use super::world::World;
use crate::backend::belief::Belief;
use crate::history::{ClientKind, ClientName};
use crate::invariants::Agreement;
use crate::lower;
use crate::scenario::{self, Action, ActorKind, Scenario};

/// One actor.
pub struct Actor {
    pub kind: ActorKind,
    name: Arc<str>,
    /// The first is its own.
    addresses: Vec<ActorAddress>,
    world: Rc<RefCell<World>>,
    scenario: Arc<Scenario>,
    clients: Vec<ClientId>,
    started: u32,
    topics: BTreeSet<Topic>,
}

impl Actor {
    pub fn new(
        actor: &scenario::Actor,
        world: &Rc<RefCell<World>>,
        scenario: &Arc<Scenario>,
    ) -> Self {
        Self {
            kind: actor.kind,
            name: actor.name.as_str().into(),
            addresses: lower::addresses(actor),
            world: Rc::clone(world),
            scenario: Arc::clone(scenario),
            clients: Vec::new(),
            started: 0,
            topics: BTreeSet::new(),
        }
    }

    /// Its own address.
    pub fn address(&self) -> &ActorAddress {
        &self.addresses[0]
    }

    /// Starts one more client; it wants the topics that the actor wants now.
    pub fn start(&mut self) {
        self.started += 1;
        let (actor, number) = (Arc::clone(&self.name), self.started);
        let name = ClientName { actor, kind: ClientKind::Client, number };
        let hub = lower::hub_url();
        let config = lower::client_config(&self.scenario, hub, &self.addresses, &self.topics);
        let address = self.address().clone();
        let mut world = self.world.borrow_mut();
        let host = world.network.host(&self.name);
        self.clients.push(world.start_client(name, host, config, address));
        world.settle();
    }

    /// The youngest client that wants the actor's own address or, without one, that has not ended.
    pub fn client(&self) -> Option<ClientId> {
        let wanting = self.youngest(|belief| belief.wants(self.address()));
        wanting.or_else(|| self.youngest(|belief| !belief.has_ended()))
    }

    /// Whether nobody tries to be at its own address.
    pub fn is_absent(&self) -> bool {
        self.youngest(|belief| belief.wants(self.address())).is_none()
    }

    fn youngest(&self, fits: impl Fn(&Belief) -> bool) -> Option<ClientId> {
        let mut world = self.world.borrow_mut();
        let mut fits = |id: &&ClientId| world.client(**id).is_some_and(|c| fits(&c.belief));
        self.clients.iter().rev().find(|id| fits(id)).copied()
    }

    pub fn clients(&self) -> Vec<ClientId> {
        self.clients.clone()
    }

    /// Remembers what the actor wants, for its clients to come.
    pub fn note_wish(&mut self, action: &Action) {
        lower::note_wish(&mut self.topics, action);
    }

    /// What each client that has not ended believes.
    pub fn beliefs(&self) -> Vec<Agreement> {
        let mut world = self.world.borrow_mut();
        let own = self.address();
        let beliefs = self.clients.iter();
        beliefs.filter_map(|id| world.client(*id)?.belief.agreement(own)).collect()
    }

    /// Ends all clients in the middle of whatever they do. In a crash, the network is told before.
    pub fn kill(&mut self) {
        for id in self.clients.drain(..) {
            self.world.borrow_mut().kill_client(id);
        }
    }
}
