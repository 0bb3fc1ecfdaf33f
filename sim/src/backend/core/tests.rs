//! Each fault does to messages what it says, and says whether it did.

use std::time::Duration;

use super::message::Message;
use super::network::{Dial, HostId, Network, Plan, Read, Sending};
use crate::net::{
    Choice, ConnectMode, ConnectionId, End, Fault, LinkConfig, Notice, Peers, Seen, Ways,
};
use crate::scenario::HUB_HOST;

const ALICE: &str = "alice";
const BYTES: usize = 100;

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A hub that listens, a client's host, and the time.
struct Pair {
    network: Network,
    alice: HostId,
    now: Duration,
    plans: Vec<(Duration, Plan)>,
}

impl Pair {
    fn new() -> Self {
        Self::with(LinkConfig { latency: millis(10), ..LinkConfig::default() })
    }

    fn with(link: LinkConfig) -> Self {
        let mut network = Network::new(1, link);
        let alice = network.host(ALICE);
        network.listening = true;
        Self { network, alice, now: Duration::ZERO, plans: Vec::new() }
    }

    /// A connection that both ends know of, 20 ms later.
    fn connected(&mut self) -> ConnectionId {
        let id = self.network.open(self.now, self.alice);
        self.pass(millis(20));
        assert_eq!(self.network.dial(id), Dial::Established);
        id
    }

    /// Lets so much time pass, and all that is due in it happen.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.plans.append(&mut self.network.effects.plans);
            // Stable: ties keep the order of planning.
            self.plans.sort_by_key(|(at, _)| *at);
            if self.plans.first().is_none_or(|(at, _)| *at > end) {
                break;
            }
            let (at, plan) = self.plans.remove(0);
            self.now = self.now.max(at);
            self.network.carry_out(self.now, plan);
        }
        self.now = end;
    }

    fn send(&mut self, id: ConnectionId, from: End) -> Sending {
        self.network.send(self.now, id, from, Message::Ping, BYTES)
    }

    fn inject(&mut self, fault: Fault) {
        self.network.inject(self.now, fault);
    }

    /// How many messages the end can read now, and whether the stream has ended, and how.
    fn read(&mut self, id: ConnectionId, end: End) -> (usize, &'static str) {
        let mut messages = 0;
        loop {
            match self.network.read(self.now, id, end) {
                Read::Message(_) => messages += 1,
                Read::Nothing => return (messages, "open"),
                Read::Ended => return (messages, "ended"),
                Read::Failed(_) => return (messages, "failed"),
            }
        }
    }

    fn took_effect(&self) -> Option<Duration> {
        self.network.faults.last().and_then(|record| record.took_effect)
    }
}

fn latest() -> Choice {
    Choice::Latest { client: ALICE.to_owned(), server: HUB_HOST.to_owned() }
}

fn names() -> (String, String) {
    (ALICE.to_owned(), HUB_HOST.to_owned())
}

#[test]
fn a_message_arrives_after_the_latency_and_behind_those_before_it() {
    let jitter = millis(30);
    let mut pair = Pair::with(LinkConfig { latency: millis(10), jitter, ..LinkConfig::default() });
    let id = pair.network.open(pair.now, pair.alice);
    pair.pass(millis(80));
    for _ in 0..20 {
        assert!(matches!(pair.send(id, End::Client), Sending::Sent));
    }
    pair.pass(millis(9));
    assert_eq!(pair.read(id, End::Server), (0, "open"));
    pair.pass(millis(31));
    assert_eq!(pair.read(id, End::Server), (20, "open"));
}

#[test]
fn a_full_window_holds_the_sender_until_the_peer_reads() {
    let mut pair = Pair::with(LinkConfig { window_bytes: 2 * BYTES, ..LinkConfig::default() });
    let id = pair.connected();
    assert!(matches!(pair.send(id, End::Server), Sending::Sent));
    assert!(matches!(pair.send(id, End::Server), Sending::Sent));
    assert!(matches!(pair.send(id, End::Server), Sending::Full(_)));
    pair.pass(millis(5));
    assert!(matches!(pair.send(id, End::Server), Sending::Full(_)), "unread counts, too");
    pair.network.effects.awake.clear();
    assert_eq!(pair.read(id, End::Client), (2, "open"));
    assert_eq!(pair.network.effects.awake, [(id, End::Server)]);
    assert!(matches!(pair.send(id, End::Server), Sending::Sent));
}

#[test]
fn a_message_longer_than_the_window_goes_when_nothing_is_before_it() {
    let mut pair = Pair::with(LinkConfig { window_bytes: BYTES / 2, ..LinkConfig::default() });
    let id = pair.connected();
    assert!(matches!(pair.send(id, End::Client), Sending::Sent));
    assert!(matches!(pair.send(id, End::Client), Sending::Full(_)));
}

#[test]
fn a_lost_message_is_late_by_its_retransmissions() {
    let mut pair = Pair::new();
    let id = pair.connected();
    let (from, to) = names();
    let config = LinkConfig { loss_per_mille: 1000, ..LinkConfig::default() };
    pair.inject(Fault::Link { from, to, config });
    assert_eq!(pair.took_effect(), None);
    pair.send(id, End::Client);
    assert_eq!(pair.took_effect(), Some(pair.now));
    pair.pass(millis(12_000));
    assert_eq!(pair.read(id, End::Server), (0, "open"));
    pair.pass(millis(1_000));
    assert_eq!(pair.read(id, End::Server), (1, "open"));
}

#[test]
fn a_stall_holds_what_would_arrive_and_then_lets_it_flow() {
    let mut pair = Pair::new();
    let id = pair.connected();
    let (from, to) = names();
    pair.inject(Fault::Stall { from, to, lasts: millis(500) });
    let injected = pair.now;
    pair.send(id, End::Client);
    pair.send(id, End::Server);
    pair.pass(millis(499));
    assert_eq!(pair.read(id, End::Server), (0, "open"));
    assert_eq!(pair.read(id, End::Client), (1, "open"), "the other way nothing is held");
    assert_eq!(pair.took_effect(), Some(injected + millis(10)));
    pair.pass(millis(1));
    assert_eq!(pair.read(id, End::Server), (1, "open"));
}

#[test]
fn a_partition_holds_until_it_is_over_one_way_or_both() {
    for (ways, through) in [(Ways::OneWay, 1), (Ways::BothWays, 0)] {
        let mut pair = Pair::new();
        let id = pair.connected();
        let (from, to) = names();
        pair.inject(Fault::Partition { from: from.clone(), to: to.clone(), ways });
        pair.send(id, End::Client);
        pair.send(id, End::Server);
        pair.pass(millis(60_000));
        assert_eq!(pair.read(id, End::Server), (0, "open"));
        assert_eq!(pair.read(id, End::Client), (through, "open"));
        pair.inject(Fault::Rejoin { from, to, ways });
        assert_eq!(pair.took_effect(), Some(pair.now));
        pair.pass(millis(200));
        assert_eq!(pair.read(id, End::Server), (1, "open"));
        assert_eq!(pair.read(id, End::Client), (1 - through, "open"));
    }
}

#[test]
fn a_connect_is_refused_or_hangs_as_it_is_told_to() {
    for (mode, during, after) in [
        (ConnectMode::Accept, Dial::Established, Dial::Established),
        (
            ConnectMode::Refuse,
            Dial::Failed(std::io::ErrorKind::ConnectionRefused),
            Dial::Failed(std::io::ErrorKind::ConnectionRefused),
        ),
        (ConnectMode::Hang, Dial::Pending, Dial::Established),
    ] {
        let mut pair = Pair::new();
        let (from, to) = names();
        pair.inject(Fault::Connects { from: from.clone(), to: to.clone(), mode });
        let id = pair.network.open(pair.now, pair.alice);
        pair.pass(millis(1_000));
        assert_eq!(pair.network.dial(id), during, "{mode:?}");
        assert_eq!(pair.took_effect().is_some(), mode != ConnectMode::Accept);
        pair.inject(Fault::Connects { from, to, mode: ConnectMode::Accept });
        pair.pass(millis(1_000));
        assert_eq!(pair.network.dial(id), after, "{mode:?}");
    }
}

#[test]
fn a_black_hole_accepts_and_lets_no_message_pass() {
    let mut pair = Pair::new();
    let (from, to) = names();
    pair.inject(Fault::Connects { from, to, mode: ConnectMode::BlackHole });
    let id = pair.connected();
    pair.send(id, End::Client);
    pair.pass(millis(10_000));
    assert_eq!(pair.read(id, End::Server), (0, "open"));
    pair.inject(Fault::Heal);
    pair.pass(millis(300));
    assert_eq!(pair.read(id, End::Server), (1, "open"));
}

#[test]
fn nobody_answers_at_a_hub_that_does_not_listen() {
    let mut pair = Pair::new();
    pair.network.listening = false;
    let id = pair.network.open(pair.now, pair.alice);
    pair.pass(millis(20));
    assert_eq!(pair.network.dial(id), Dial::Failed(std::io::ErrorKind::ConnectionRefused));
}

#[test]
fn the_ends_of_a_severed_connection_learn_of_it_in_their_own_time() {
    let mut pair = Pair::new();
    let id = pair.connected();
    pair.send(id, End::Client);
    pair.inject(Fault::Sever {
        connections: latest(),
        client_sees: Notice::reset(Seen::Now),
        server_sees: Notice::end_of_stream(Seen::After(millis(3_000))),
    });
    assert_eq!(pair.read(id, End::Client), (0, "failed"));
    pair.pass(millis(2_999));
    assert_eq!(pair.read(id, End::Server), (0, "open"), "what was in flight is lost");
    assert!(matches!(pair.send(id, End::Server), Sending::Sent), "into the void");
    pair.pass(millis(1));
    assert_eq!(pair.read(id, End::Server), (0, "ended"));
    assert!(matches!(pair.send(id, End::Server), Sending::Broken));
}

#[test]
fn a_connection_that_nobody_is_told_of_stays_half_open() {
    let mut pair = Pair::new();
    let id = pair.connected();
    let (client_sees, server_sees) = (Notice::NEVER, Notice::NEVER);
    pair.inject(Fault::Sever { connections: latest(), client_sees, server_sees });
    assert_eq!(pair.took_effect(), Some(pair.now));
    pair.pass(millis(100_000));
    for end in End::BOTH {
        assert_eq!(pair.read(id, end), (0, "open"));
    }
}

#[test]
fn a_reset_loses_what_is_unread_at_both_ends() {
    let mut pair = Pair::new();
    let id = pair.connected();
    pair.send(id, End::Client);
    pair.pass(millis(10));
    pair.inject(Fault::Reset { connections: latest() });
    for end in End::BOTH {
        assert_eq!(pair.read(id, end), (0, "failed"));
    }
    assert_eq!(pair.took_effect(), Some(pair.now));
    pair.inject(Fault::Reset { connections: latest() });
    assert_eq!(pair.took_effect(), None, "there is none left");
}

#[test]
fn who_pauses_reading_has_it_all_to_read_later() {
    let host = Fault::PauseHostReading { host: ALICE.to_owned(), lasts: millis(100) };
    let one = Fault::PauseReading { connections: latest(), end: End::Client, lasts: millis(100) };
    for pause in [host, one] {
        let mut pair = Pair::new();
        let id = pair.connected();
        pair.inject(pause);
        assert_eq!(pair.read(id, End::Client), (0, "open"));
        assert_eq!(pair.took_effect(), None, "there was nothing to read");
        pair.send(id, End::Server);
        pair.pass(millis(99));
        assert_eq!(pair.read(id, End::Client), (0, "open"));
        assert_eq!(pair.took_effect(), Some(pair.now));
        pair.network.effects.awake.clear();
        pair.pass(millis(1));
        assert!(pair.network.effects.awake.contains(&(id, End::Client)));
        assert_eq!(pair.read(id, End::Client), (1, "open"));
    }
}

#[test]
fn a_machine_that_stands_still_matters_from_when_something_arrives() {
    let mut pair = Pair::new();
    let id = pair.connected();
    let pause = || Fault::Pause { host: ALICE.to_owned(), lasts: millis(100) };
    pair.inject(pause());
    pair.pass(millis(100));
    pair.send(id, End::Server);
    pair.pass(millis(10));
    assert_eq!(pair.took_effect(), None, "it was over");
    pair.inject(pause());
    pair.send(id, End::Server);
    pair.pass(millis(10));
    assert_eq!(pair.took_effect(), Some(pair.now));
}

#[test]
fn the_peers_of_a_crashed_host_see_a_reset_or_nothing() {
    for (peers, seen) in [(Peers::SeeReset, "failed"), (Peers::SeeNothing, "open")] {
        let mut pair = Pair::new();
        let id = pair.connected();
        pair.inject(Fault::Crash { host: ALICE.to_owned(), peers });
        assert_eq!(pair.took_effect(), Some(pair.now));
        assert_eq!(pair.read(id, End::Client), (0, "failed"));
        pair.pass(millis(60_000));
        assert_eq!(pair.read(id, End::Server), (0, seen), "{peers:?}");
    }
}

#[test]
fn a_host_that_comes_back_resets_its_old_connections() {
    let mut pair = Pair::new();
    let old = pair.connected();
    pair.inject(Fault::Crash { host: ALICE.to_owned(), peers: Peers::SeeNothing });
    pair.send(old, End::Server);
    pair.pass(millis(5_000));
    assert_eq!(pair.read(old, End::Server), (0, "open"));
    pair.network.open(pair.now, pair.alice);
    pair.pass(millis(220));
    assert_eq!(pair.read(old, End::Server), (0, "failed"));
}

#[test]
fn a_crashed_hub_listens_no_more() {
    let mut pair = Pair::new();
    pair.inject(Fault::Crash { host: HUB_HOST.to_owned(), peers: Peers::SeeReset });
    assert!(pair.took_effect().is_some() && !pair.network.listening);
}

#[test]
fn an_orderly_end_comes_now_later_or_never() {
    for (fin, by_then) in [
        (Seen::Now, "ended"),
        (Seen::After(millis(100)), "ended"),
        (Seen::After(millis(101)), "open"),
        (Seen::Never, "open"),
    ] {
        let mut pair = Pair::with(LinkConfig { latency: millis(10), fin, ..LinkConfig::default() });
        let id = pair.connected();
        pair.send(id, End::Client);
        pair.network.release(pair.now, id, End::Client);
        pair.pass(millis(110));
        assert_eq!(pair.read(id, End::Server), (1, by_then), "{fin:?}");
    }
}

#[test]
fn a_clock_is_skewed_once() {
    let mut pair = Pair::new();
    let skew = Fault::ClockSkew { host: ALICE.to_owned(), milliseconds: -7 };
    pair.inject(skew.clone());
    assert_eq!((pair.network.clock_skew(pair.alice), pair.took_effect()), (-7, Some(pair.now)));
    pair.inject(skew);
    assert_eq!(pair.took_effect(), None);
}
