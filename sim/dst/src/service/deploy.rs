//! Every service is a system, and is deployed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Got, Log, Note, Nothing, Order, Orders, Seen, Service, Sight, client};
use crate::System;
use crate::backend::testbed::{self, Doing};
use crate::backend::{
    self, Backend, Belief, Deploy, FullStack, Outcome, Skipped, Wire, WireProcess,
};
use crate::coverage::{Sightings, Situation};
use crate::history::{AtClient, AtHub, ClientName, Event, What};
use crate::run::Keep;
use crate::runtime::{Listener, Runtime};
use crate::scenario::{self, Actor, ActorKind, HUB_HOST, Scenario, Who};
use crate::verdict::{self, Judge, Time, Violation};

impl<T: Service> System for T {
    type Settings = T::Settings;
    type Clients = Nothing;
    type Action = T::Action;
    type HubEvent = Got<T::Note>;
    type ClientEvent = Seen<T::Note>;
    type Invariant = T::Invariant;
    type Judge = Memory<T>;
    type Situation = Sight<T>;
    type Watch = Watch;
    type Shape = ();
    type Profile = T::Profile;

    const NAME: &str = <T as Service>::NAME;
    const COMMAND: &str = <T as Service>::COMMAND;

    fn check(scenario: &Scenario<T>, _lasts: Duration) -> Result<(), String> {
        if let Some(raw) = scenario.actors.iter().find(|actor| actor.kind == ActorKind::Raw) {
            return Err(format!("`actors`: {}: {} has no raw connections", raw.name, Self::NAME));
        }
        for step in &scenario.steps {
            if let scenario::What::Act { who: who @ Who::Raw(client, _), .. } = &step.what {
                let name = Self::NAME;
                let why = format!("{name} has no raw connections; {client:?} is a client");
                return Err(format!("`who`: {who}: {why}"));
            }
        }
        Ok(())
    }

    fn generate(profile: T::Profile, seed: u64) -> Scenario<T> {
        <T as Service>::generate(profile, seed)
    }

    fn required(_profile: T::Profile, _backend: backend::Backend) -> Vec<Sight<T>> {
        Sight::ALL.to_vec()
    }

    fn play(
        scenario: &Scenario<T>,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome<T>, Duration), Skipped> {
        backend::play_once(scenario, backend, keep)
    }

    fn messages(events: &[Event<T>]) -> Vec<(usize, usize)> {
        let (mut said, mut got) = (BTreeMap::new(), BTreeMap::new());
        let mut arrows = Vec::new();
        for (place, event) in events.iter().enumerate() {
            let from = match &event.what {
                What::Hub(note) => note.0.carries().and_then(|message| {
                    got.insert(message, place);
                    said.remove(message)
                }),
                What::Client { event: Seen::Noted(note), .. } => {
                    note.carries().and_then(|message| match note.message() {
                        Some(_) => got.get(message).copied(),
                        None => {
                            said.insert(message, place);
                            None
                        }
                    })
                }
                _ => None,
            };
            arrows.extend(from.map(|from| (from, place)));
        }
        arrows
    }
}

/// What the service remembers judges.
pub struct Memory<T: Service>(T::Memory);

impl<T: Service> Judge<T> for Memory<T> {
    fn new(_scenario: &Scenario<T>, _time: Time) -> Self {
        Self(T::Memory::default())
    }

    fn observe(&mut self, event: &Event<T>) -> Result<(), Violation<T>> {
        T::judge(&mut self.0, event)
    }
}

/// Counts notes by their kind.
#[derive(Debug, Default)]
pub struct Watch(BTreeMap<String, u64>);

impl<T: Service> verdict::Watch<T> for Watch {
    fn new(_scenario: &Scenario<T>) -> Self {
        Self::default()
    }

    fn observe(&mut self, event: &Event<T>, _judge: &Memory<T>) {
        let kind = match &event.what {
            What::Client { event, .. } => event.kind(),
            What::Hub(event) => event.kind(),
            _ => return,
        };
        *self.0.entry(kind).or_default() += 1;
    }

    fn sightings(&self, seed: u64, _judge: &Memory<T>) -> Sightings<Sight<T>> {
        Sightings::of_run(seed, |sight: Sight<T>| {
            self.0.get(sight.kind()).copied().unwrap_or_default()
        })
    }

    fn shape(&self, _judge: &Memory<T>) {}
}

/// A server, until its process is killed.
pub struct Running;

impl testbed::Hub for Running {
    async fn shut_down(self) -> bool {
        true
    }
}

/// A client, until it leaves.
pub struct Client<A>(RefCell<Option<mpsc::UnboundedSender<Order<A>>>>);

impl<T: Service> testbed::Client<T> for Client<T::Action> {
    fn obey(&self, actions: Vec<T::Action>) -> Doing {
        let mut last = testbed::done();
        if let Some(orders) = &*self.0.borrow() {
            for action in actions {
                let (order, done) = Order::new(action);
                // A client that is gone does nothing, and nobody waits for it.
                let _ = orders.send(order);
                last = testbed::ended(done);
            }
        }
        last
    }

    fn leave(&self) -> Doing {
        drop(self.0.take());
        testbed::done()
    }

    fn belief<U>(&self, look: impl FnOnce(&Presence) -> U) -> U {
        look(&Presence { has_left: self.0.borrow().is_none() })
    }
}

/// Whether a client is still there.
pub struct Presence {
    has_left: bool,
}

impl<T: Service> Belief<T> for Presence {
    fn has_ended(&self) -> bool {
        self.has_left
    }

    fn wants(&self, _wishes: &Wishes) -> bool {
        !self.has_left
    }

    fn agreement(&self, _wishes: &Wishes) -> Option<()> {
        None
    }
}

/// An actor wants nothing of its clients but what its steps say.
pub struct Wishes;

impl<T: Service> backend::Wishes<T> for Wishes {
    fn of(_scenario: &Scenario<T>, _actor: &Actor, _began: Duration) -> Self {
        Self
    }

    fn commands(&mut self, _: usize, _: Option<&str>, action: &T::Action) -> Vec<T::Action> {
        vec![action.clone()]
    }
}

/// Nobody speaks for an actor but its client.
pub struct Nobody;

impl<T: Service> testbed::Raw<T> for Nobody {
    fn order(&self, order: testbed::Order<T>) {
        drop(order);
    }
}

impl<T: Service> Deploy for T {
    type Wishes = Wishes;
    type Command = T::Action;
    type Belief = Presence;
    type Agreement = ();
    type Left = ();
    type Hub = Running;
    type Client<W: Wire> = Client<T::Action>;
    type Raw = Nobody;

    fn start_hub<W: Wire>(stack: &FullStack<T, W>) -> (W::Process, Running) {
        let process = stack.wire.process(HUB_HOST, HUB_HOST);
        let (runtime, stack) = (process.runtime(), stack.clone());
        process.runtime().spawn(async move {
            let listener = runtime.listen(stack.wire.hub_binds()).await.expect("it can listen");
            stack.wire.hub_listens(listener.local_address().expect("it has an address"));
            let settings = stack.scenario.hub.clone();
            let log = Log::new(move |note| stack.record(What::Hub(Box::new(Got(note)))));
            T::serve(runtime, listener, settings, log).await;
        });
        (process, Running)
    }

    fn start_client<W: Wire>(
        stack: &FullStack<T, W>,
        name: ClientName,
        _wishes: &Wishes,
    ) -> (W::Process, Client<T::Action>) {
        let process = stack.wire.process(&name.actor, &name.to_string());
        let (sender, orders) = Orders::new(name);
        process.runtime().spawn(client::run(process.runtime(), stack.clone(), orders));
        (process, Client(RefCell::new(Some(sender))))
    }

    fn start_raw<W: Wire>(stack: &FullStack<T, W>, name: ClientName) -> (W::Process, Nobody) {
        let host = name.who().to_string();
        (stack.wire.process(&host, &host), Nobody)
    }

    fn probe(_to: &str, payload: &str) -> Vec<T::Action> {
        <T as Service>::probe(payload).into_iter().collect()
    }
}
