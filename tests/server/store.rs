//! What outlives `signal-hub serve --store`, however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use signal_hub::runtime::{Runtime, Tokio};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Client, within};

/// A folder of this test, without what an earlier run left.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn serve(store: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--rate-limit-per-second", "0", "--store"]);
    command.arg(store).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A hub in a process of its own.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(store: &Path, sync: &str) -> Self {
        let mut child = serve(store, &["--store-sync", sync]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").expect("it listens").to_owned();
        Self { child, url }
    }

    async fn connect(&self, address: &str) -> Client {
        let mut client = Client(within(connect_async(&self.url)).await.unwrap().0);
        let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["test"] });
        client.ask(address, "hub:connect", json!(null), metadata).await;
        assert_eq!(client.hear().await["type"], "hub:connected");
        client
    }

    fn end(mut self, signal: &str) -> Output {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        self.child.wait().unwrap();
        self.child.wait_with_output().unwrap()
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

async fn subscribe(bob: &mut Client) {
    let topic = json!({ "topic": "news", "durable": true });
    bob.ask("@(bob)", "hub:subscribe", topic, json!({})).await;
    assert_eq!(bob.hear().await["type"], "hub:subscribed");
}

#[tokio::test]
async fn what_was_acknowledged_outlives_the_process_killed_at_any_moment() {
    for sync in ["always", "10ms"] {
        let store = fresh(&format!("store-killed-{sync}"));
        let mut known = Known::default();
        for round in 0..6 {
            let hub = Process::start(&store, sync);
            let (mut bob, answer) = known.bob_comes_back(&hub).await;
            if round == 0 {
                subscribe(&mut bob).await;
            } else {
                assert_eq!(answer["recovery"]["recovered"], true, "{answer}");
                assert_eq!(answer["subscriptions"], json!(["news"]));
            }
            drop(bob);
            known.alice_asks(&hub, 7 + 3 * round).await;
            hub.end("-KILL");
        }
    }
}

#[tokio::test]
async fn an_end_in_order_keeps_everything_even_if_nothing_was_synced() {
    for sync in ["always", "10ms", "never"] {
        let store = fresh(&format!("store-stopped-{sync}"));
        let mut known = Known::default();
        for round in 0..3 {
            let hub = Process::start(&store, sync);
            let (mut bob, answer) = known.bob_comes_back(&hub).await;
            if round == 0 {
                subscribe(&mut bob).await;
            } else {
                assert_eq!(answer["recovery"]["recovered"], true, "{answer}");
                assert_eq!(answer["subscriptions"], json!(["news"]));
            }
            drop(bob);
            known.alice_asks(&hub, 10).await;
            let end = hub.end("-TERM");
            assert_eq!(end.status.code(), Some(0), "{}", String::from_utf8_lossy(&end.stderr));
        }
    }
}

#[tokio::test]
async fn a_kill_without_syncs_ends_all_epochs() {
    let store = fresh("store-never");
    let mut known = Known::default();
    let hub = Process::start(&store, "never");
    drop(known.bob_comes_back(&hub).await);
    hub.end("-TERM");
    let hub = Process::start(&store, "never");
    let (bob, answer) = known.bob_comes_back(&hub).await;
    assert_eq!(answer["recovery"]["recovered"], true);
    drop(bob);
    hub.end("-KILL");
    let hub = Process::start(&store, "always");
    known.version -= 1;
    let (_bob, answer) = known.bob_comes_back(&hub).await;
    assert_eq!(answer["recovery"]["reason"], "epoch", "{answer}");
    let end = hub.end("-TERM");
    let log = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(log.contains("the hub did not end in order while it synced nothing"), "{log}");
}

#[test]
fn a_damaged_store_is_named_and_only_a_repair_goes_on_without_it() {
    let store = fresh("store-damaged");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("hub.redb"), "something else").unwrap();
    let refused = serve(&store, &[]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("hub.redb is damaged") && told.contains("--store-repair"), "{told}");
    let mut repaired = serve(&store, &["--store-repair"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(repaired.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "));
    let other = serve(&store, &[]).output().unwrap();
    assert!(String::from_utf8_lossy(&other.stderr).contains("is in use: end the other hub"));
    repaired.kill().unwrap();
    let log = repaired.wait_with_output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&log).contains("hub.redb.damaged-1 now"));
    assert_eq!(fs::read_to_string(store.join("hub.redb.damaged-1")).unwrap(), "something else");
}
