//! What outlives `signal-hub serve --store`, however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::runtime::{Runtime, Tokio};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Client, within};
use crate::settings::{addresses, admin_says, running, serve, signal};

/// A folder of this test, without what an earlier run left.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// What a hub says that does not start.
fn refused(store: &Path) -> (Option<i32>, String) {
    let output = serve(&["--listen", "127.0.0.1:0", "--store", store.to_str().unwrap()]).output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A hub in a process of its own.
struct Process {
    child: Child,
    address: String,
}

/// A test that fails leaves no hub behind.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(store: &Path, more: &[&str]) -> Self {
        let store = ["--rate-limit-per-second", "0", "--store", store.to_str().unwrap()];
        let (child, address) = running(&[&store, more].concat());
        Self { child, address }
    }

    fn syncing(store: &Path, sync: &str) -> Self {
        Self::start(store, &["--store-sync", sync])
    }

    async fn connect(&self, address: &str) -> Client {
        let mut client =
            Client(within(connect_async(format!("ws://{}/ws", self.address))).await.unwrap().0);
        let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
        client.ask(address, "hub:connect", json!(null), metadata).await;
        assert_eq!(client.hear().await["type"], "hub:connected");
        client
    }

    /// Its exit status, if no signal ended it, and its log.
    fn end(mut self, by: &str) -> (Option<i32>, String) {
        signal(&self.child, by);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

/// What bob and alice know.
#[derive(Default)]
struct Known {
    version: u64,
    epoch: Value,
    after: u64,
    said: u64,
    /// Acknowledged to alice, not seen by bob.
    owed: BTreeSet<u64>,
}

impl Known {
    /// Bob registers, shows his position, and gets what he is owed. Returns the answer.
    async fn bob_comes_back(&mut self, hub: &Process) -> (Client, Value) {
        let mut bob = hub.connect("@(bob)").await;
        let shown = json!({ "epoch": self.epoch, "after": self.after });
        let recovery = if self.epoch.is_null() { json!(true) } else { shown };
        let register =
            json!({ "actorAddress": "@(bob)", "capabilities": ["test"], "recovery": recovery });
        bob.ask("@(bob)", "hub:register", register, json!({})).await;
        let mut heard = bob.hear().await;
        assert_eq!(heard["type"], "hub:registered", "{heard}");
        let answer = heard["payload"].take();
        let version = answer["version"].as_u64().unwrap();
        assert!(version > self.version, "{version} after {}", self.version);
        self.version = version;
        let recovery = &answer["recovery"];
        if recovery["recovered"] == true {
            assert_eq!(recovery["epoch"], self.epoch);
            let mut last = None;
            for _ in 0..recovery["replayed"].as_u64().unwrap() {
                let message = bob.hear().await;
                self.after += 1;
                assert_eq!(message["metadata"]["seq"], self.after);
                let number = message["payload"]["number"].as_u64().unwrap();
                assert!(last < Some(number), "{number} comes again or too late");
                last = Some(number);
                self.owed.remove(&number);
            }
            assert!(self.owed.is_empty(), "{:?} were acknowledged and are lost", self.owed);
        } else {
            self.epoch = recovery["epoch"].clone();
            self.after = recovery["after"].as_u64().unwrap();
        }
        (bob, answer)
    }

    /// Alice asks many times and stops listening after some answers.
    async fn alice_asks(&mut self, hub: &Process, heard: u64) {
        let mut alice = hub.connect("@(alice)").await;
        let register = json!({ "actorAddress": "@(alice)", "capabilities": ["test"] });
        alice.ask("@(alice)", "hub:register", register, json!({})).await;
        assert_eq!(alice.hear().await["type"], "hub:registered");
        for number in self.said..self.said + 3 * heard {
            let envelope = json!({
                "id": format!("a-{number}"), "from": "@(alice)", "to": "@(bob)",
                "type": "hub:send", "pattern": "ask", "timestamp": Tokio.now().as_millis(),
                "payload": { "type": "note", "data": { "number": number } }, "metadata": {},
            });
            alice.send(Message::text(envelope.to_string())).await;
        }
        for number in self.said..self.said + heard {
            let answer = alice.hear().await;
            assert_eq!(answer["type"], "hub:delivery_ack", "{answer}");
            self.owed.insert(number);
        }
        self.said += 3 * heard;
    }
}

/// Lives of a hub, in the first of which bob subscribes; `by` ends each after some asks were answered.
async fn lives(name: &str, sync: &str, asks: &[u64], by: &str) {
    let (store, mut known) = (fresh(&format!("store-{name}-{sync}")), Known::default());
    for (round, asks) in asks.iter().enumerate() {
        let hub = Process::syncing(&store, sync);
        let (mut bob, answer) = known.bob_comes_back(&hub).await;
        if round == 0 {
            let topic = json!({ "topic": "news", "durable": true });
            bob.ask("@(bob)", "hub:subscribe", topic, json!({})).await;
            assert_eq!(bob.hear().await["type"], "hub:subscribed");
        } else {
            assert_eq!(answer["recovery"]["recovered"], true, "{answer}");
            assert_eq!(answer["subscriptions"], json!(["news"]));
        }
        drop(bob);
        known.alice_asks(&hub, *asks).await;
        let (code, log) = hub.end(by);
        assert_eq!(code, (by == "-TERM").then_some(0), "{log}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_the_process_killed_at_any_moment() {
    for sync in ["always", "10ms"] {
        lives("killed", sync, &[7, 10, 13, 16, 19, 22], "-KILL").await;
    }
}

#[tokio::test]
async fn an_end_in_order_keeps_everything_even_if_nothing_was_synced() {
    for sync in ["always", "10ms", "never"] {
        lives("stopped", sync, &[10; 3], "-TERM").await;
    }
}

#[tokio::test]
async fn a_kill_without_syncs_ends_all_epochs() {
    let store = fresh("store-never");
    let mut known = Known::default();
    let hub = Process::syncing(&store, "never");
    drop(known.bob_comes_back(&hub).await);
    hub.end("-TERM");
    let hub = Process::syncing(&store, "never");
    let (bob, answer) = known.bob_comes_back(&hub).await;
    assert_eq!(answer["recovery"]["recovered"], true);
    drop(bob);
    hub.end("-KILL");
    let hub = Process::syncing(&store, "always");
    known.version -= 1;
    let (bob, answer) = known.bob_comes_back(&hub).await;
    drop(bob);
    assert_eq!(answer["recovery"]["reason"], "epoch", "{answer}");
    let (_, log) = hub.end("-TERM");
    assert!(log.contains("the hub did not end in order while it synced nothing"), "{log}");
}

#[tokio::test]
async fn a_durable_subscription_alone_outlives_its_window_and_the_killed_process() {
    let (store, window) = (fresh("store-durable"), ["--resume-window", "1s"]);
    let mut known = Known::default();
    let hub = Process::start(&store, &window);
    let (mut bob, _) = known.bob_comes_back(&hub).await;
    for (topic, durable) in [("news", true), ("art", false)] {
        let topic = json!({ "topic": topic, "durable": durable });
        bob.ask("@(bob)", "hub:subscribe", topic, json!({})).await;
        let heard = bob.hear().await;
        assert_eq!(heard["payload"].get("durable").is_some_and(|told| *told == true), durable);
    }
    drop(bob);
    hub.end("-KILL");
    let hub = Process::start(&store, &window);
    Tokio.sleep(Duration::from_millis(1_500)).await;
    hub.end("-KILL");
    let hub = Process::start(&store, &window);
    let (_bob, answer) = known.bob_comes_back(&hub).await;
    assert_eq!(answer["subscriptions"], json!(["news"]));
    assert_eq!(answer["recovery"]["recovered"], false, "{answer}");
}

#[tokio::test]
async fn a_full_store_says_so_and_the_hub_goes_on() {
    let store = fresh("store-full");
    let mut child = serve(&["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--store-bytes-max", "65536", "--store", store.to_str().unwrap()])
        .spawn()
        .unwrap();
    let (address, admin) = addresses(&mut child);
    let hub = Process { child, address };
    assert!(admin_says(&admin, "/metrics").contains("signal_hub_store_full 0"));
    let mut bob = hub.connect("@(bob)").await;
    let mut registered = 0;
    let refused = loop {
        let large = json!({ "about": "x".repeat(4_000), "number": registered });
        let register = json!({
            "actorAddress": format!("@(bob/{registered})"), "capabilities": ["test"], "metadata": large,
        });
        bob.ask("@(bob)", "hub:register", register, json!({})).await;
        let heard = bob.hear().await;
        if heard["type"] != "hub:registered" {
            break heard;
        }
        registered += 1;
    };
    assert!((10..20).contains(&registered), "{registered}");
    assert_eq!(refused["payload"]["code"], "rate_limited", "{refused}");
    bob.ask(
        "@(bob)",
        "hub:send",
        json!({ "to": "@(bob/1)", "type": "note", "data": 1 }),
        json!({}),
    )
    .await;
    assert_eq!(bob.hear().await["type"], "note");
    let metrics = admin_says(&admin, "/metrics");
    assert!(metrics.contains("signal_hub_store_full 1"), "{metrics}");
    let bytes = metrics.lines().find_map(|line| line.strip_prefix("signal_hub_store_bytes "));
    assert!(bytes.unwrap().parse::<u64>().unwrap() > 65_536);
    let health = admin_says(&admin, "/health");
    let (_, health) = health.split_once("\r\n\r\n").unwrap();
    let health: Value = serde_json::from_str(health).unwrap();
    assert_eq!(health["store"]["full"], true, "{health}");
}

#[test]
fn a_damaged_store_is_named_and_only_a_repair_goes_on_without_it() {
    let store = fresh("store-damaged");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("hub.redb"), "something else").unwrap();
    let (code, told) = refused(&store);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("hub.redb is damaged") && told.contains("--store-repair"), "{told}");
    let repaired = Process::start(&store, &["--store-repair"]);
    let (_, told) = refused(&store);
    assert!(told.contains("is in use: end the other hub"), "{told}");
    let (_, log) = repaired.end("-KILL");
    assert!(log.contains("hub.redb.damaged-1 now"), "{log}");
    assert_eq!(fs::read_to_string(store.join("hub.redb.damaged-1")).unwrap(), "something else");
}
