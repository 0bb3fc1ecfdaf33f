//! Servers of one cluster, with an engine of a few lines between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use signal_hub::cluster::engine::{Ask, Event, Key, NodeName, Request, RequestId};
use signal_hub::cluster::engine::{Revision, WriteOutcome};
use signal_hub::cluster::{ClusterConfig, Format, Incarnation, NodeEpoch, NodeRow, RowKey};
use signal_hub::hub::Config;
use signal_hub::runtime::{Runtime, Tokio};
use signal_hub::server::EngineLink;
use tokio::sync::mpsc;

use crate::fixture::{Client, Running, within};

const ALICE: &str = "@(alice)";
/// What waits for a hub.
const WAITING_MAX: usize = 10_000;

#[tokio::test]
async fn a_server_that_is_told_to_stop_waits_until_its_hub_has_handed_on_what_it_keeps() {
    let engine = Engine::default();
    let other = engine.hub("b", Config::default()).await;
    register(&other, "@(bob)", &json!(true)).await;
    let hub = engine.hub("a", Config::default()).await;
    let position = keep_a_message(&hub).await;
    // So the other node is asked a second time.
    engine.with(|rows| rows.messages_to_lose = 1);
    assert_eq!(hub.stop().await.1, Ok(()));
    let (_alice, back) = register(&other, ALICE, &position).await;
    assert_eq!((&back["recovered"], &back["replayed"]), (&json!(true), &json!(1)), "{back}");
}

#[tokio::test]
async fn a_server_does_not_wait_for_ever_for_nodes_that_adopt_nothing() {
    let engine = Engine::default();
    engine.with(Rows::write_a_node_that_is_silent);
    let config = Config { shutdown_timeout: Duration::from_millis(300), ..Config::default() };
    let hub = engine.hub("a", config.clone()).await;
    keep_a_message(&hub).await;
    let began = Tokio.monotonic();
    assert_eq!(hub.stop().await.1, Ok(()));
    let took = Tokio.monotonic() - began;
    assert!(took >= config.shutdown_timeout, "it ended after {took:?}");
}

/// One that she sends to herself; her position before that.
async fn keep_a_message(hub: &Running) -> Value {
    let (mut alice, recovery) = register(hub, ALICE, &json!(true)).await;
    let payload = json!({ "to": ALICE, "type": "note", "data": 1 });
    alice.ask(ALICE, "hub:send", payload, json!({})).await;
    while alice.hear().await["type"] != "note" {}
    json!({ "epoch": recovery["epoch"], "after": recovery["after"] })
}

/// As soon as the hub lives; what it says of the position.
async fn register(hub: &Running, address: &str, recovery: &Value) -> (Client, Value) {
    let mut client = hub.connect().await;
    let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
    client.ask(address, "hub:connect", json!(null), metadata).await;
    assert_eq!(client.hear().await["type"], "hub:connected");
    let registered = async {
        loop {
            let payload = json!({
                "actorAddress": address, "capabilities": ["test"], "recovery": recovery,
            });
            client.ask(address, "hub:register", payload, json!({})).await;
            let answer = client.hear().await;
            if answer["type"] == "hub:registered" {
                return answer["payload"]["recovery"].clone();
            }
            assert_eq!(answer["payload"]["code"], "unavailable", "{answer}");
        }
    };
    let recovery = within(registered).await;
    (client, recovery)
}

/// It keeps the promises of `src/cluster/engine.rs` as plainly as can be.
#[derive(Clone, Default)]
struct Engine(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Key, (Revision, Option<Bytes>)>,
    revision: u64,
    messages_to_lose: usize,
    hubs: BTreeMap<NodeName, (mpsc::Sender<Event>, Option<RequestId>)>,
}

impl Engine {
    fn with<T>(&self, act: impl FnOnce(&mut Rows) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn hub(&self, name: &str, config: Config) -> Running {
        let node = NodeName::parse(name).unwrap();
        let (asks, mut asked) = mpsc::channel::<Ask>(WAITING_MAX);
        let (told, events) = mpsc::channel(WAITING_MAX);
        told.try_send(Event::Back).unwrap();
        let (engine, asker) = (self.clone(), node.clone());
        engine.with(|rows| rows.hubs.insert(node.clone(), (told, None)));
        Tokio.spawn(async move {
            while let Some(ask) = asked.recv().await {
                engine.with(|rows| rows.asked(&asker, ask.request));
            }
            engine.with(|rows| rows.hubs.remove(&asker));
        });
        let cluster = ClusterConfig::new(node);
        let cluster = ClusterConfig { answer_timeout: Duration::from_millis(100), ..cluster };
        Running::in_cluster(config, cluster, EngineLink { asks, events }).await
    }
}

impl Rows {
    fn asked(&mut self, node: &NodeName, request: Request) {
        match request {
            Request::Read { id, key } => {
                let row = self.rows.get(&key).and_then(|(at, value)| Some((*at, value.clone()?)));
                self.tell(node, Event::Read { id, row: Ok(row) });
            }
            Request::Write { id, key, expected, value } => {
                let present = self.rows.get(&key).filter(|(_, value)| value.is_some());
                let is_expected = present.map(|(at, _)| *at) == expected;
                let outcome =
                    if is_expected { self.write(key, value) } else { WriteOutcome::Conflict };
                self.tell(node, Event::Written { id, outcome });
            }
            Request::Send { .. } if self.messages_to_lose > 0 => self.messages_to_lose -= 1,
            Request::Send { to, message } => self.tell(&to, Event::Arrived { message }),
            Request::Watch { id } => {
                self.hubs.get_mut(node).unwrap().1 = Some(id);
                let mut rows: Vec<_> = self.rows.clone().into_iter().collect();
                rows.sort_by_key(|(_, (revision, _))| *revision);
                for (key, (revision, value)) in rows {
                    self.tell(node, Event::Row { watch: id, key, revision, value });
                }
                self.tell(node, Event::CaughtUp { watch: id, revision: Revision(self.revision) });
            }
        }
    }

    fn write(&mut self, key: Key, value: Option<Bytes>) -> WriteOutcome {
        self.revision += 1;
        let revision = Revision(self.revision);
        self.rows.insert(key.clone(), (revision, value.clone()));
        for (told, watch) in self.hubs.values() {
            if let Some(watch) = *watch {
                let (key, value) = (key.clone(), value.clone());
                told.try_send(Event::Row { watch, key, revision, value }).unwrap();
            }
        }
        WriteOutcome::Done(revision)
    }

    /// What is told to nobody is lost.
    fn tell(&self, node: &NodeName, event: Event) {
        if let Some((told, _)) = self.hubs.get(node) {
            told.try_send(event).unwrap();
        }
    }

    fn write_a_node_that_is_silent(&mut self) {
        let key = RowKey::Node(NodeName::parse("b").unwrap()).encode();
        let (epoch, incarnation) = (NodeEpoch(1), Incarnation(0));
        let row = NodeRow { format: Format, epoch, incarnation, beat: 1, alive: true };
        self.write(key, Some(row.encode()));
    }
}
