//! Plays askers on NATS, through the shell that hubs use.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use signal_hub::cluster::engine::{Ask, Event, NodeName, Request};
use signal_hub::nats::{NatsError, Settings, connect};
use signal_hub::runtime::{Runtime, Tokio};
use tokio::sync::mpsc;

use super::history::{Asker, History, KEYS, key, name, nodes};
use super::servers::Servers;

/// What may be on its way between a node and its engine.
const CHANNEL: usize = 64;

/// A node with its own connection to the engine.
pub struct Node {
    pub asker: Asker,
    requests: mpsc::Sender<Ask>,
    backs: u64,
    events: mpsc::Receiver<Event>,
    history: Rc<RefCell<History>>,
}

pub fn settings(servers: &Servers, node: &NodeName) -> Settings {
    let replicas = if servers.count() > 1 { 3 } else { 1 };
    Settings { replicas, ..Settings::new(servers.addresses(), name("hubs"), node.clone()) }
}

impl Node {
    pub async fn connect(
        servers: &Servers,
        index: usize,
        count: usize,
        history: &Rc<RefCell<History>>,
    ) -> Result<Self, NatsError> {
        let asker = Asker::new(index, &nodes(count));
        let engine = connect(settings(servers, &asker.node)).await?;
        let (requests, to_engine) = mpsc::channel(CHANNEL);
        let (from_engine, events) = mpsc::channel(CHANNEL);
        Tokio.spawn(engine.run(to_engine, from_engine));
        Ok(Self { asker, requests, backs: 0, events, history: history.clone() })
    }

    pub async fn ask(&mut self, request: Request) {
        self.history.borrow_mut().asked(&self.asker.node, &request);
        let backs = self.backs;
        self.requests.send(Ask { backs, request }).await.unwrap();
    }

    /// What the node hears within a time.
    pub async fn hear(&mut self, within: Duration) -> Option<Event> {
        let event = tokio::select! {
            biased;
            event = self.events.recv() => event?,
            () = Tokio.sleep(within) => return None,
        };
        self.history.borrow_mut().heard(&self.asker.node, &event);
        self.asker.hear(&event);
        self.backs += u64::from(event == Event::Back);
        Some(event)
    }

    /// Asks and hears by chance, a few requests at a time, until the time is up and all are answered.
    pub async fn play(&mut self, seed: u64, lasts: Duration) {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let (began, mut is_watching) = (Tokio.monotonic(), false);
        while Tokio.monotonic() - began < lasts || self.asker.unanswered() > 0 {
            let is_over = Tokio.monotonic() - began >= lasts;
            if !is_over && self.asker.unanswered() < 3 && dice.random_bool(0.6) {
                let begins = !std::mem::replace(&mut is_watching, true);
                let request = if begins { self.asker.watch() } else { self.asker.next(&mut dice) };
                self.ask(request).await;
            }
            let within = Duration::from_millis(dice.random_range(1..20));
            if self.hear(within).await == Some(Event::Back) {
                is_watching = false;
            }
        }
    }

    /// Watches and reads everything once more.
    pub async fn end(&mut self) {
        let watch = self.asker.watch();
        self.ask(watch).await;
        for at in KEYS {
            let read = self.asker.read_of(key(at));
            self.ask(read).await;
        }
        let (mut is_caught_up, began) = (false, Tokio.monotonic());
        while !is_caught_up || self.asker.unanswered() > 0 {
            assert!(Tokio.monotonic() - began < Duration::from_secs(30), "the last watch ends");
            match self.hear(Duration::from_millis(100)).await {
                Some(Event::CaughtUp { .. }) => is_caught_up = true,
                Some(Event::Back) => {
                    let watch = self.asker.watch();
                    self.ask(watch).await;
                }
                Some(_) | None => {}
            }
        }
    }
}
