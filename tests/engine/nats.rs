//! NATS against the engine's promises, and against the stand-in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use signal_hub::cluster::engine::{Event, Request, Revision, WriteOutcome};
use signal_hub::nats::{NatsError, connect};
use signal_hub::runtime::{Runtime, Tokio};

use super::history::{Asker, History, What, key, name, nodes};
use super::judge::{Judgement, judge};
use super::nats_run::{Node, settings};
use super::race::race;
use super::servers::{DEBIAN, NEW, Servers, program};
use super::stand_in::Check;
use super::stand_in_run::{Faults, Run};

pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(test));
}

/// One by one, the stand-in and NATS hear the same of the same requests, on each lane in the same order.
#[test]
fn nats_one_by_one_answers_as_the_stand_in() {
    for program in [NEW, DEBIAN].into_iter().filter_map(program) {
        for seed in 0..2 {
            run(one_by_one(&Servers::start(program, 1), seed));
        }
    }
}

const MARK: &str = "w.mark";

async fn one_by_one(servers: &Servers, seed: u64) {
    const NODES: usize = 3;
    let history = Rc::new(RefCell::new(History::default()));
    let mut real = Vec::new();
    for index in 0..NODES {
        real.push(Node::connect(servers, index, NODES, &history).await.unwrap());
    }
    // NATS writes a mark for each watch. Of the stand-in, one node more does that.
    let mut stand_in = Run::new(seed, NODES + 1, Check::Expected, Faults::None);
    let mut marks = Asker::new(NODES, &nodes(NODES + 1));
    let mut marked = None;
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    stand_in.settle();
    let mut heard = stand_in.history.records.len();
    for node in &mut real {
        assert_eq!(node.hear(Duration::from_secs(5)).await, Some(Event::Back));
    }
    for step in 0..300 {
        let index = dice.random_range(0..NODES);
        let request = real[index].asker.next(&mut dice);
        if let Request::Watch { .. } = &request {
            stand_in.ask(NODES, marks.write(key(MARK), marked, Some(())));
            stand_in.settle();
            marked = Some(stand_in.engine.revision());
        }
        stand_in.ask(index, request.clone());
        stand_in.settle();
        real[index].ask(request.clone()).await;
        let said = |node: &Node| {
            let new = stand_in.history.records[heard..].iter();
            let own = new.filter(|record| record.node == node.asker.node);
            let events = own.filter_map(|record| match &record.what {
                What::Heard(Event::Row { key, .. }) if key.as_str() == MARK => None,
                What::Heard(event) => Some(event.clone()),
                What::Asked(_) => None,
            });
            events.collect::<Vec<_>>()
        };
        for node in &mut real {
            let expected = said(node);
            let mut got = Vec::new();
            while got.len() < expected.len() {
                match node.hear(Duration::from_secs(5)).await {
                    Some(event) => got.push(event),
                    None => break,
                }
            }
            let (expected, got) = (by_lane(expected), by_lane(got));
            assert_eq!(got, expected, "seed {seed}, step {step}, {request:?}");
        }
        heard = stand_in.history.records.len();
    }
    for node in &mut real {
        assert_eq!(node.hear(Duration::from_millis(200)).await, None, "nothing more is said");
    }
    assert_eq!(judge(&history.borrow()), Judgement::default());
}

fn by_lane(events: Vec<Event>) -> BTreeMap<u8, Vec<Event>> {
    let mut lanes: BTreeMap<u8, Vec<Event>> = BTreeMap::new();
    for event in events {
        let lane = match &event {
            Event::Read { .. } | Event::Written { .. } => 0,
            Event::Row { .. } | Event::CaughtUp { .. } => 1,
            Event::Arrived { .. } => 2,
            Event::Lost | Event::Back => 3,
        };
        lanes.entry(lane).or_default().push(event);
    }
    lanes
}

#[test]
fn nats_keeps_all_promises_to_nodes_that_ask_at_once() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let servers = Servers::start(program, 1);
        let history = play(&servers, 4, 1, Duration::from_secs(4)).await;
        say("one server", &history);
    });
}

#[test]
fn nats_keeps_all_promises_while_servers_pause_and_are_killed() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let servers = Servers::start(program, 3);
        let history = Rc::new(RefCell::new(History::default()));
        let mut nodes = Vec::new();
        for index in 0..4 {
            nodes.push(Node::connect(&servers, index, 4, &history).await.unwrap());
        }
        let servers = RefCell::new(servers);
        let lasts = Duration::from_secs(30);
        let playing = nodes.iter_mut().zip(1..).map(|(node, seed)| node.play(seed, lasts));
        let breaking = break_servers(&servers, lasts);
        tokio::join!(join_all(playing), breaking);
        Tokio.sleep(Duration::from_secs(5)).await;
        join_all(nodes.iter_mut().map(Node::end)).await;
        let judged = judge(&history.borrow());
        assert_eq!(judged.wrong, [""; 0]);
        // A server that was paused may answer reads before it hears that others decide now.
        println!("stale: {:#?}", judged.stale);
        say("three servers, paused and killed", &history.borrow());
    });
}

#[test]
fn nats_that_is_paused_leaves_requests_unanswered_and_is_lost() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let servers = Servers::start(program, 1);
        let history = Rc::new(RefCell::new(History::default()));
        let mut node = Node::connect(&servers, 0, 1, &history).await.unwrap();
        let within = Duration::from_secs(20);
        assert_eq!(node.hear(within).await, Some(Event::Back));
        servers.pause(0);
        let read = node.asker.read_of(key("a.bob"));
        node.ask(read).await;
        let heard = node.hear(within).await;
        assert!(matches!(heard, Some(Event::Read { row: Err(_), .. })), "{heard:?}");
        assert_eq!(node.hear(within).await, Some(Event::Lost));
        servers.resume(0);
        assert_eq!(node.hear(within).await, Some(Event::Back));
    });
}

#[test]
fn nats_that_forgot_everything_begins_anew() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let mut servers = Servers::start(program, 1);
        let history = Rc::new(RefCell::new(History::default()));
        let mut node = Node::connect(&servers, 0, 1, &history).await.unwrap();
        let within = Duration::from_secs(20);
        assert_eq!(node.hear(within).await, Some(Event::Back));
        for life in 0..2 {
            let write = node.asker.write_of(key("a.bob"));
            node.ask(write).await;
            let heard = node.hear(within).await;
            let outcome = WriteOutcome::Done(Revision(1));
            assert!(
                matches!(heard, Some(Event::Written { outcome: is, .. }) if is == outcome),
                "life {life}: {heard:?}"
            );
            servers.kill(0);
            servers.forget(0);
            servers.start_one(0);
            assert_eq!(node.hear(within).await, Some(Event::Lost));
            assert_eq!(node.hear(within).await, Some(Event::Back));
        }
    });
}

/// Plays some nodes to their end and judges them.
async fn play(servers: &Servers, count: usize, seed: u64, lasts: Duration) -> History {
    let history = Rc::new(RefCell::new(History::default()));
    let mut nodes = Vec::new();
    for index in 0..count {
        nodes.push(Node::connect(servers, index, count, &history).await.unwrap());
    }
    join_all(nodes.iter_mut().zip(seed..).map(|(node, seed)| node.play(seed, lasts))).await;
    join_all(nodes.iter_mut().map(Node::end)).await;
    let history = history.borrow().clone();
    assert_eq!(judge(&history), Judgement::default());
    history
}

/// One server at a time is stopped for a while, or killed and started again.
async fn break_servers(servers: &RefCell<Servers>, lasts: Duration) {
    let (mut dice, began) = (ChaCha8Rng::seed_from_u64(1), Tokio.monotonic());
    while Tokio.monotonic() - began < lasts {
        let index = dice.random_range(0..3);
        let pause = Duration::from_millis(dice.random_range(500..6_000));
        let is_killed = dice.random_bool(0.4);
        if is_killed {
            servers.borrow_mut().kill(index)
        } else {
            servers.borrow().pause(index)
        }
        Tokio.sleep(pause).await;
        if is_killed {
            servers.borrow_mut().start_one(index)
        } else {
            servers.borrow().resume(index)
        }
        Tokio.sleep(Duration::from_millis(dice.random_range(500..3_000))).await;
    }
}

/// What the suite saw, for docs/CLUSTER.md.
fn say(what: &str, history: &History) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &history.records {
        let what = match &record.what {
            What::Asked(_) => "asked",
            What::Heard(Event::Written { outcome: WriteOutcome::Done(_), .. }) => "done",
            What::Heard(Event::Written { outcome: WriteOutcome::Conflict, .. }) => "refused",
            What::Heard(Event::Written { outcome: WriteOutcome::Unknown, .. }) => "unknown",
            What::Heard(Event::Read { row: Ok(_), .. }) => "read",
            What::Heard(Event::Read { row: Err(_), .. }) => "unread",
            What::Heard(Event::Row { .. }) => "rows",
            What::Heard(Event::CaughtUp { .. }) => "caught up",
            What::Heard(Event::Arrived { .. }) => "messages",
            What::Heard(Event::Lost) => "lost",
            What::Heard(Event::Back) => "back",
        };
        *counts.entry(what).or_default() += 1;
    }
    println!("{what}: {counts:?}");
}

#[test]
fn nats_tells_one_winner_of_a_race_that_it_won() {
    let Some(program) = program(NEW) else { return };
    run(async {
        let servers = Servers::start(program, 3);
        let double = race(&servers, 6, 300).await;
        println!("2.15.1: {double} of 300 rounds had two winners");
        assert_eq!(double, 0);
    });
}

#[test]
fn debians_nats_tells_two_of_a_cluster_that_they_won_and_is_refused() {
    let Some(program) = program(DEBIAN) else { return };
    run(async {
        let servers = Servers::start(program, 3);
        let refused = connect(settings(&servers, &name("n0"))).await.err();
        let is_refused = matches!(refused, Some(NatsError::TooOld { needed: "2.12.3", .. }));
        assert!(is_refused, "{refused:?}");
        let double = race(&servers, 6, 300).await;
        println!("Debian's 2.9.10: {double} of 300 rounds had two winners");
        assert!(double > 0, "the race finds no bug where there is one");
    });
}
