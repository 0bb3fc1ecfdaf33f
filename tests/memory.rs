//! What the hub holds in memory is at most a constant times what it accounts for (I52), whatever
//! clients send and however little they read. The other way round nothing is said: a publication is
//! accounted for in each queue and held once.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use signal_hub::hub::weights::Accounts;
use signal_hub::hub::{Config, Hub, Ids, Input, Output, Peer, SessionKey, Written};
use signal_hub::protocol::Outgoing;
use signal_hub::protocol::codec::{decode_client_frame, encode_hub_frame};
use signal_hub::time::Timestamp;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The tests take turns, for the allocator counts for both.
static TURN: Mutex<()> = Mutex::new(());

/// Bytes held for each byte that is accounted.
const FACTOR: usize = 3;
/// Bytes held by tables that were larger once.
const SLACK: usize = 256 * 1024;
const SESSIONS: u64 = 12;
const LARGE: usize = 200_000;
/// Bytes that the hub holds for a session with one address and one subscription.
const IDLE_MAX: usize = 2_000;

/// The hub, and the queues as its shell keeps them.
struct Play {
    hub: Hub,
    now: Timestamp,
    queues: BTreeMap<SessionKey, VecDeque<Outgoing>>,
    dice: ChaCha8Rng,
    requests: u64,
}

impl Play {
    fn new(seed: u64, registrations_max: usize) -> Self {
        let config = Config {
            rate_limit_per_second: 0,
            queue_bytes_max: 2 * 1024 * 1024,
            registrations_max,
            dedupe_entries_max: 2_000,
            ..Config::default()
        };
        Self {
            hub: Hub::new(config, Ids::new([7; 32])),
            now: Timestamp::from_millis(1_000_000_000),
            queues: BTreeMap::new(),
            dice: ChaCha8Rng::seed_from_u64(seed),
            requests: 0,
        }
    }

    fn handle(&mut self, input: Input) {
        let outputs: Vec<Output> = self.hub.handle(self.now, input).collect();
        for output in outputs {
            match output {
                Output::Send(key, outgoing) => {
                    self.queues.entry(key).or_default().push_back(outgoing);
                }
                Output::Close(key, _) | Output::Linger(key, _) => {
                    self.queues.remove(&key);
                }
                Output::Audit(_) => {}
            }
        }
    }

    fn opens(&mut self, key: SessionKey) {
        let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)) };
        self.handle(Input::Opened(key, peer));
        let metadata = json!({ "protocolVersion": "0.1.0", "capabilities": ["chat"] });
        self.says(key, "hub:connect", Value::Null, metadata);
        self.registers(key);
    }

    fn closes(&mut self, key: SessionKey) {
        self.queues.remove(&key);
        self.handle(Input::Closed(key, signal_hub::hub::CloseCause::Lost));
    }

    fn says(&mut self, key: SessionKey, kind: &str, payload: Value, metadata: Value) {
        self.requests += 1;
        let (number, more) = (self.requests, self.text(100));
        let id = format!("{number}-{more}");
        let from = format!("@(a{}/0)", key.0);
        let mut envelope = json!({
            "id": id, "from": from, "to": "@(a1/0)", "type": kind, "pattern": "ask",
            "timestamp": self.now.as_millis(), "payload": payload, "metadata": metadata,
        });
        if self.dice.random_ratio(1, 3) {
            envelope["junk"] = json!(self.text(LARGE));
        }
        let frame = envelope.to_string();
        let frame = decode_client_frame(frame.as_bytes(), &self.hub.config().bounds());
        self.handle(Input::Frame(key, frame));
    }

    /// Says something that is as short as it can be, and reads all that comes.
    fn says_and_reads(&mut self, key: SessionKey, kind: &str, payload: Value, metadata: Value) {
        let envelope = json!({
            "id": "1", "from": format!("@(a{})", key.0), "to": "@(hub)", "type": kind,
            "pattern": "ask", "timestamp": 0, "payload": payload, "metadata": metadata,
        });
        let frame = envelope.to_string();
        let frame = decode_client_frame(frame.as_bytes(), &self.hub.config().bounds());
        self.handle(Input::Frame(key, frame));
        let read = self.queues.remove(&key).unwrap_or_default();
        let bytes = read.iter().map(Outgoing::weight).sum();
        let written = Written { messages: read.len(), bytes, expired: Vec::new() };
        self.handle(Input::Drained(key, written));
    }

    fn registers(&mut self, key: SessionKey) {
        let address = format!("@(a{}/{})", key.0, self.dice.random_range(0..60));
        let capabilities: Vec<String> =
            (0..self.dice.random_range(1..64)).map(|_| self.text(128) + "c").collect();
        let metadata = json!({ "m": self.text(16_000) });
        let payload =
            json!({ "actorAddress": address, "capabilities": capabilities, "metadata": metadata });
        self.says(key, "hub:register", payload, json!({}));
    }

    /// Text of any length up to this, short ones as often as long ones.
    fn text(&mut self, bytes_max: usize) -> String {
        let bytes = self.dice.random_range(0..=bytes_max);
        let shift = self.dice.random_range(0..18);
        "x".repeat(bytes >> shift)
    }

    fn step(&mut self) {
        let key = SessionKey(self.dice.random_range(1..=SESSIONS));
        let topic = format!("{}-{}", self.dice.random_range(0..300), self.text(250));
        match self.dice.random_range(0..14) {
            0 | 1 => self.registers(key),
            2..=4 => {
                let payload = json!({ "timestamp": self.text(LARGE) });
                self.says(key, "hub:heartbeat", payload, json!({}));
            }
            5..=7 => {
                let to = format!("@(a{}/0)", self.dice.random_range(1..=SESSIONS));
                let payload =
                    json!({ "to": to, "type": self.text(250) + "t", "data": self.text(LARGE) });
                let metadata = json!({ "m": self.text(60_000) });
                self.says(key, "hub:send", payload, metadata);
            }
            8 | 9 => self.says(key, "hub:subscribe", json!({ "topic": topic }), json!({})),
            10 => {
                let payload = json!({ "topic": topic, "type": "t", "data": self.text(LARGE) });
                self.says(key, "hub:publish", payload, json!({}));
            }
            11 => {
                let verb = ["hub:discover", "hub:list_actors", "hub:nonsense", "hub:metrics"];
                let verb = verb[self.dice.random_range(0..verb.len())];
                let payload = json!({ "limit": self.dice.random_range(1..=100) });
                self.says(key, verb, payload, json!({}));
            }
            12 => self.drains(key),
            _ => {
                self.now = self.now + std::time::Duration::from_millis(20);
                self.handle(Input::Tick);
            }
        }
        if !self.queues.contains_key(&key) {
            self.closes(key);
            self.opens(key);
        }
    }

    /// A few messages are read, by the few that read at all.
    fn drains(&mut self, key: SessionKey) {
        let Some(queue) = self.queues.get_mut(&key).filter(|_| key.0.is_multiple_of(3)) else {
            return;
        };
        let read: Vec<Outgoing> = queue.drain(..queue.len().min(9)).collect();
        for message in &read {
            // The text of a copy is kept for those who have yet to get theirs.
            encode_hub_frame(message, &self.hub.config().hub_address);
        }
        let bytes = read.iter().map(Outgoing::weight).sum();
        let written = Written { messages: read.len(), bytes, expired: Vec::new() };
        drop(read);
        self.handle(Input::Drained(key, written));
    }
}

#[test]
fn an_idle_session_takes_little() {
    const IDLE: u64 = 10_000;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ALLOCATOR.current_usage();
    let mut play = Play::new(0, 50_000);
    for key in (1..=IDLE).map(SessionKey) {
        let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)) };
        play.handle(Input::Opened(key, peer));
        let hello = json!({ "protocolVersion": "0.1.0", "capabilities": ["chat"] });
        play.says_and_reads(key, "hub:connect", Value::Null, hello);
        let own = json!({ "actorAddress": format!("@(a{})", key.0), "capabilities": ["chat"] });
        play.says_and_reads(key, "hub:register", own, json!({}));
        let topic = json!({ "topic": format!("topic-{}", key.0) });
        play.says_and_reads(key, "hub:subscribe", topic, json!({}));
    }
    assert_eq!(play.hub.totals().subscriptions, IDLE as usize);
    let held = ALLOCATOR.current_usage().saturating_sub(before) / IDLE as usize;
    assert!((500..IDLE_MAX).contains(&held), "{held} bytes are held for a session");
}

#[test]
fn what_is_held_is_at_most_a_constant_times_what_is_accounted() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut most = (0, 1);
    for seed in 0..6 {
        let before = ALLOCATOR.current_usage();
        let mut play = Play::new(seed, 500);
        (1..=SESSIONS).for_each(|key| play.opens(SessionKey(key)));
        for step in 0..3_000 {
            play.step();
            let held = ALLOCATOR.current_usage().saturating_sub(before);
            let accounts = play.hub.totals().accounted;
            let accounted = accounts.sum();
            if held * most.1 > most.0 * accounted {
                most = (held, accounted);
            }
            assert!(
                held <= FACTOR * accounted + SLACK,
                "seed {seed}, step {step}: {held} bytes are held, {accounts:?} are accounted for"
            );
        }
        let (accounts, bound) = (play.hub.totals().accounted, Accounts::at_most(play.hub.config()));
        assert!(accounts.sum() <= bound.sum(), "{accounts:?} is beyond {bound:?}");
        assert!(accounts.sum() > 4 * 1024 * 1024, "hardly anything is kept: {accounts:?}");
    }
    println!("at most {} bytes were held for {} that were accounted for", most.0, most.1);
}
