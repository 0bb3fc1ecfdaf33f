//! `signal-hub serve --cluster`: hubs in processes of their own on a real NATS, with real clients.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's leave to unwrap in tests does not reach their fixtures"
)]

#[path = "../engine/servers.rs"]
#[allow(dead_code, reason = "the conformance suite needs more of it")]
mod servers;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use signal_hub::client::{ActorConfig, Client, ClientConfig, Event, Events, SendOutcome};
use signal_hub::protocol::{ActorAddress, Details, ErrorCode, Json, ListActors, Topic};
use signal_hub::runtime::{Runtime, Tokio};

use servers::{DEBIAN, NEW, Servers, program};

/// Short times, so that nobody waits long for a lease.
const TIMES: [&str; 10] = [
    "--cluster-renew-interval",
    "200ms",
    "--cluster-lease",
    "2s",
    "--cluster-lease-margin",
    "500ms",
    "--cluster-staleness-max",
    "1s",
    "--cluster-answer-timeout",
    "1s",
];
const PAYLOAD: &str = "max_payload: 2MB\n";

fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signal-hub"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
    command.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A hub in a process of its own. One whose test fails ends as well.
struct Hub {
    child: Child,
    address: String,
}

impl Hub {
    fn start(engine: &Servers, node: &str) -> Self {
        let engines = engine.addresses().join(",");
        let flags = ["--cluster", &engines, "--node", node, "--cluster-replicas", "1"];
        let mut child = serve(&[&flags[..], &TIMES].concat()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit status and its log, once it has ended.
    async fn end(mut self) -> (Option<i32>, String) {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            Tokio.sleep(Duration::from_millis(20)).await;
        };
        let mut log = String::new();
        let mut stderr: ChildStderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (status.code(), log)
    }

    fn client(&self, name: &str, topics: &[&str]) -> (Client, Events) {
        let topics = topics.iter().map(|topic| Topic::try_from(*topic).unwrap());
        let actor = ActorConfig::from(address(name)).with_topics(topics);
        Client::connect(Tokio, ClientConfig::for_actor(self.address.parse().unwrap(), actor))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(name: &str) -> ActorAddress {
    format!("@({name})").parse().unwrap()
}

/// The first event that `wanted` takes; the others before it do not matter.
async fn until<T>(events: &mut Events, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    };
    within(found).await
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        done = future => done,
        () = Tokio.sleep(Duration::from_secs(20)) => panic!("nothing came in 20 s"),
    }
}

async fn registered(events: &mut Events) -> u64 {
    until(events, |event| match event {
        Event::Registered { version, .. } => Some(*version),
        _ => None,
    })
    .await
}

async fn delivered(events: &mut Events) -> Value {
    let data = until(events, |event| match event {
        Event::Delivered(message) => Some(message.payload.as_str().to_owned()),
        _ => None,
    });
    serde_json::from_str(&data.await).unwrap()
}

fn data(number: u64) -> Json {
    Json::parse(number.to_string()).unwrap()
}

/// Sends until it is delivered: what it needs may not be there yet.
async fn send(client: &Client, to: &str, number: u64) {
    let sending = async {
        while !matches!(
            client.ask_send(address(to), "test", data(number)).await,
            Ok(SendOutcome::Delivered(_))
        ) {
            Tokio.sleep(Duration::from_millis(50)).await;
        }
    };
    within(sending).await;
}

fn engine() -> Option<Servers> {
    Some(Servers::start_with(program(NEW)?, 1, PAYLOAD))
}

fn two_hubs(engine: &Servers) -> (Hub, Hub) {
    (Hub::start(engine, "one"), Hub::start(engine, "two"))
}

#[tokio::test]
async fn clients_of_two_hubs_reach_each_other() {
    let Some(engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (alice, mut to_alice) = one.client("alice", &["news"]);
    let (bob, mut to_bob) = two.client("bob", &[]);
    registered(&mut to_alice).await;
    registered(&mut to_bob).await;
    send(&alice, "bob", 1).await;
    assert_eq!(delivered(&mut to_bob).await, json!(1));
    let news = Topic::try_from("news").unwrap();
    let published = bob.ask_publish(news, "test", data(2)).await.unwrap();
    assert_eq!((published.subscriber_count, delivered(&mut to_alice).await), (1, json!(2)));
    let listed = bob.list_actors(ListActors::default()).await.unwrap();
    let listed: Vec<&ActorAddress> = listed.actors.iter().map(|actor| &actor.address).collect();
    assert_eq!(listed, [&address("alice"), &address("bob")]);
}

#[tokio::test]
async fn an_address_moves_to_another_hub_and_takes_its_topics_along() {
    let Some(engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (_phone, mut to_phone) = one.client("alice", &["news"]);
    let first = registered(&mut to_phone).await;
    let (_laptop, mut to_laptop) = two.client("alice", &[]);
    let (version, topics) = until(&mut to_laptop, |event| match event {
        Event::Registered { version, subscriptions, .. } => Some((*version, subscriptions.clone())),
        _ => None,
    })
    .await;
    assert!(version > first, "{version} is not above {first}");
    assert_eq!(topics, [Topic::try_from("news").unwrap()]);
    let reason = until(&mut to_phone, |event| match event {
        Event::CloseAnnounced { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "duplicate_connection");
}

#[tokio::test]
async fn a_hub_that_ends_in_order_leaves_its_addresses_to_others_at_once() {
    let Some(engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (_alice, mut to_alice) = one.client("alice", &["news"]);
    registered(&mut to_alice).await;
    one.signal(Signal::TERM);
    assert_eq!(one.end().await.0, Some(0));
    let (_again, mut again) = two.client("alice", &["news"]);
    let resumed = until(&mut again, |event| match event {
        Event::Registered { resumed, .. } => Some(*resumed),
        _ => None,
    });
    assert!(resumed.await, "its subscriptions were kept");
}

#[tokio::test]
async fn what_a_killed_hub_had_is_free_after_its_lease() {
    let Some(engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (_alice, mut to_alice) = one.client("alice", &[]);
    let (bob, mut to_bob) = two.client("bob", &[]);
    registered(&mut to_alice).await;
    registered(&mut to_bob).await;
    send(&bob, "alice", 1).await;
    drop(one);
    let refused = async {
        while !matches!(
            bob.ask_send(address("alice"), "test", data(2)).await,
            Ok(SendOutcome::UnknownActor(_))
        ) {}
    };
    within(refused).await;
    let (_again, mut again) = two.client("alice", &[]);
    registered(&mut again).await;
    send(&bob, "alice", 3).await;
    assert_eq!(delivered(&mut again).await, json!(3));
}

#[tokio::test]
async fn a_hub_that_stood_still_beyond_its_lease_hands_out_nothing_old() {
    let Some(engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (_alice, mut to_alice) = one.client("alice", &[]);
    let (bob, mut to_bob) = two.client("bob", &[]);
    registered(&mut to_alice).await;
    registered(&mut to_bob).await;
    send(&bob, "alice", 1).await;
    one.signal(Signal::STOP);
    // It waits in the hub that stands still.
    bob.send(address("alice"), "test", data(2)).await.unwrap();
    Tokio.sleep(Duration::from_secs(4)).await;
    let (_laptop, mut to_laptop) = two.client("alice", &[]);
    registered(&mut to_laptop).await;
    one.signal(Signal::CONT);
    send(&bob, "alice", 3).await;
    assert_eq!(delivered(&mut to_laptop).await, json!(3));
    let (mut seen, reason) = (Vec::new(), "duplicate_connection");
    while let Some(event) = within(to_alice.next()).await {
        match event {
            Event::Delivered(message) => seen.push(message.payload.as_str().to_owned()),
            Event::CloseAnnounced { reason: told, .. } if told == reason => break,
            _ => {}
        }
    }
    assert_eq!(seen, ["1"], "the older session was told, and got nothing late");
}

#[tokio::test]
async fn a_restart_of_the_engine_drops_nobody() {
    let Some(mut engine) = engine() else { return };
    let (one, two) = two_hubs(&engine);
    let (alice, mut to_alice) = one.client("alice", &[]);
    let (_bob, mut to_bob) = two.client("bob", &[]);
    registered(&mut to_alice).await;
    registered(&mut to_bob).await;
    send(&alice, "bob", 1).await;
    engine.kill(0);
    let unavailable = async {
        loop {
            let outcome = alice.ask_send(address("bob"), "test", data(2)).await;
            match outcome {
                Err(signal_hub::client::ClientError::Refused(refusal))
                    if refusal.code == ErrorCode::Unavailable =>
                {
                    return refusal.details;
                }
                _ => Tokio.sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let details = within(unavailable).await;
    assert!(matches!(details, Details::RetryAfter { .. }), "{details:?}");
    engine.start_one(0);
    send(&alice, "bob", 3).await;
    for events in [&mut to_alice, &mut to_bob] {
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event.expect("the client goes on"),
                () = Tokio.sleep(Duration::from_millis(100)) => break,
            };
            assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
        }
    }
}

#[tokio::test]
async fn of_two_hubs_with_one_name_the_older_ends_with_a_word() {
    let Some(engine) = engine() else { return };
    let one = Hub::start(&engine, "same");
    let (_alice, mut to_alice) = one.client("alice", &[]);
    registered(&mut to_alice).await;
    let _two = Hub::start(&engine, "same");
    let (status, log) = within(one.end()).await;
    assert_eq!(status, Some(2));
    assert!(log.contains("give each hub a name of its own"), "{log}");
}

/// How a hub ends that does not start.
fn refused(servers: &[String], more: &[&str]) -> (Option<i32>, String) {
    let engines = servers.join(",");
    let flags = ["--cluster", &engines, "--node", "one"];
    let output: Output = serve(&[&flags[..], more].concat()).output().unwrap();
    assert_eq!(output.stdout, b"", "it does not listen");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_engine_that_is_not_fit_is_told_with_what_to_do() {
    let Some(new) = program(NEW) else { return };
    let (small, one) = (Servers::start(new, 1), Servers::start_with(new, 1, PAYLOAD));
    let nobody = ["nats://127.0.0.1:1".to_owned()];
    for (servers, more, told) in [
        (
            &nobody[..],
            &["--cluster-start-timeout", "0s"][..],
            "are the addresses, the certificates and the credentials right?",
        ),
        (&one.addresses(), &[], "cluster_replicas = 1"),
        (&small.addresses(), &["--cluster-replicas", "1"], "max_payload"),
    ] {
        let (status, said) = refused(servers, more);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn a_cluster_that_loses_compare_and_set_is_refused() {
    let Some(debian) = program(DEBIAN) else { return };
    let servers = Servers::start_with(debian, 3, PAYLOAD);
    let (status, said) = refused(&servers.addresses(), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("two hubs that write a row at once may both be told"), "{said}");
}
