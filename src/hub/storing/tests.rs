use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::hub::{CloseCause, Config, Ids, Input, Output, Peer, SessionKey};
use crate::protocol::codec::{decode_client_frame, encode_hub_frame};

const START: Timestamp = Timestamp::from_millis(1_000_000);

/// What a store makes of the journal.
#[derive(Default)]
struct Rows {
    addresses: BTreeMap<ActorAddress, Entry>,
    subscriptions: BTreeMap<(ActorAddress, String), Entry>,
    logs: BTreeMap<ActorAddress, StoredLog>,
    kept: BTreeMap<(ActorAddress, NonZeroU64), Entry>,
}

impl Rows {
    fn write(&mut self, entry: Entry) {
        match &entry {
            Entry::Address(address, Some(_)) => drop(self.addresses.insert(address.clone(), entry)),
            Entry::Address(address, None) => drop(self.addresses.remove(address)),
            Entry::Subscription(address, topic, row) => {
                let key = (address.clone(), topic.to_string());
                match row {
                    Some(_) => drop(self.subscriptions.insert(key, entry)),
                    None => drop(self.subscriptions.remove(&key)),
                }
            }
            Entry::Log(address, log) => {
                let before = self.logs.remove(address);
                let goes_on = log.filter(|log| before.is_none_or(|old| old.epoch == log.epoch));
                let floor = goes_on.map_or(u64::MAX, |log| log.floor);
                self.kept.retain(|(of, seq), _| of != address || seq.get() > floor);
                self.logs.extend(log.map(|log| (address.clone(), log)));
            }
            Entry::Kept(address, kept) => {
                self.kept.insert((address.clone(), kept.seq), entry.clone());
            }
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let logs = self.logs.iter().map(|(address, log)| Entry::Log(address.clone(), Some(*log)));
        let addresses = self.addresses.values().chain(self.subscriptions.values()).cloned();
        addresses.chain(logs).chain(self.kept.values().cloned()).collect()
    }
}

struct Life {
    hub: Hub,
    now: Timestamp,
    rows: Rows,
    sessions: u64,
}

impl Life {
    fn begin() -> Self {
        let mut hub = Hub::new(Config::default(), Ids::new([1; 32]));
        hub.change_storage(Storage::Open);
        Self { hub, now: START, rows: Rows::default(), sessions: 0 }
    }

    /// The hub is gone at once; the next one has what was written.
    fn crash(&mut self) {
        self.crash_into(Config::default());
    }

    fn crash_into(&mut self, config: Config) {
        self.hub = Hub::new(config, Ids::new([2; 32]));
        self.hub.change_storage(Storage::Open);
        self.feed(Input::Restored(self.rows.entries()));
    }

    fn feed(&mut self, input: Input) -> Vec<Value> {
        let outputs: Vec<Output> = self.hub.handle(self.now, input).collect();
        self.hub.take_journal().into_iter().for_each(|entry| self.rows.write(entry));
        let hub = self.hub.config().hub_address.clone();
        let sent = outputs.into_iter().filter_map(|output| match output {
            Output::Send(_, outgoing) => Some(encode_hub_frame(&outgoing, &hub)),
            _ => None,
        });
        sent.map(|text| serde_json::from_str(&text).expect("the hub writes JSON")).collect()
    }

    fn says(&mut self, key: SessionKey, from: &str, kind: &str, payload: Value) -> Vec<Value> {
        let frame = json!({
            "id": format!("{kind}-{}", self.hub.counters().messages_sent), "from": from,
            "to": "@(cloudflare/signal-hub)", "type": kind, "pattern": "ask",
            "timestamp": self.now.as_millis(), "payload": payload,
            "metadata": { "protocolVersion": "0.1.0", "capabilities": ["chat"] },
        });
        let bounds = self.hub.config().bounds();
        let frame = decode_client_frame(&Bytes::from(frame.to_string()), &bounds);
        self.feed(Input::Frame(key, frame))
    }

    /// A connected session that registers `name`; and what it gets for that.
    fn comes(&mut self, name: &str, recovery: Value) -> (SessionKey, Vec<Value>) {
        let key = SessionKey(self.sessions);
        self.sessions += 1;
        self.feed(Input::Opened(key, Peer { address: ([127, 0, 0, 1], 1).into() }));
        self.says(key, name, "hub:connect", json!(null));
        let register =
            json!({ "actorAddress": name, "capabilities": ["chat"], "recovery": recovery });
        (key, self.says(key, name, "hub:register", register))
    }
}

/// Bob recovers and is away, and alice has sent him so many; and his epoch.
fn missed(times: usize) -> (Life, Value) {
    let mut life = Life::begin();
    let (bob, registered) = life.comes("@(bob)", json!(true));
    let epoch = payload(&registered)["recovery"]["epoch"].clone();
    let (alice, _) = life.comes("@(alice)", json!(null));
    life.feed(Input::Closed(bob, CloseCause::Lost));
    for _ in 0..times {
        let send = json!({ "to": "@(bob)", "type": "note", "data": 1 });
        life.says(alice, "@(alice)", "hub:send", send);
    }
    (life, epoch)
}

fn payload(heard: &[Value]) -> &Value {
    &heard.first().expect("it is answered")["payload"]
}

#[test]
fn a_restart_loses_no_version_no_subscription_and_no_message() {
    let mut life = Life::begin();
    let (bob, registered) = life.comes("@(bob)", json!(true));
    let epoch = payload(&registered)["recovery"]["epoch"].clone();
    life.says(bob, "@(bob)", "hub:subscribe", json!({ "topic": "news" }));
    let (alice, _) = life.comes("@(alice)", json!(null));
    let send = |text: &str| json!({ "to": "@(bob)", "type": "note", "data": text });
    life.says(alice, "@(alice)", "hub:send", send("one"));
    life.feed(Input::Closed(bob, CloseCause::Lost));
    let queued = life.says(alice, "@(alice)", "hub:send", send("two"));
    assert_eq!(payload(&queued)["status"], "queued");
    life.crash();
    let (_, heard) = life.comes("@(bob)", json!({ "epoch": epoch, "after": 0 }));
    let reply = payload(&heard);
    assert_eq!((&reply["version"], &reply["resumed"]), (&json!(2), &json!(true)));
    assert_eq!(reply["subscriptions"], json!(["news"]));
    assert_eq!((&reply["recovery"]["recovered"], heard.len()), (&json!(true), 3), "{heard:?}");
    let seqs: Vec<&Value> = heard[1..].iter().map(|message| &message["metadata"]["seq"]).collect();
    assert_eq!(seqs, [1, 2]);
    let (alice, _) = life.comes("@(alice)", json!(null));
    life.says(alice, "@(alice)", "hub:send", send("three"));
    assert_eq!(life.rows.logs.values().map(|log| log.last).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_durable_subscription_alone_outlives_the_window() {
    let mut life = Life::begin();
    let (bob, _) = life.comes("@(bob)", json!(true));
    let durable = json!({ "topic": "news", "durable": true });
    let subscribed = life.says(bob, "@(bob)", "hub:subscribe", durable);
    assert_eq!(payload(&subscribed)["durable"], true);
    life.says(bob, "@(bob)", "hub:subscribe", json!({ "topic": "art" }));
    life.feed(Input::Closed(bob, CloseCause::Lost));
    life.feed(Input::Late(Duration::from_secs(2)));
    life.now = life.now + Duration::from_secs(33);
    life.feed(Input::Tick);
    assert_eq!(life.hub.next_deadline(), None, "nothing is to happen to it any more");
    assert_eq!(life.hub.sizes().dormant, 1);
    life.crash();
    life.now = life.now + Duration::from_secs(3600);
    life.feed(Input::Tick);
    let (_, heard) = life.comes("@(bob)", json!(null));
    let reply = payload(&heard);
    assert_eq!((&reply["version"], &reply["subscriptions"]), (&json!(2), &json!(["news"])));
}

#[test]
fn a_number_that_was_lost_refuses_the_positions_before_it() {
    let (mut life, epoch) = missed(3);
    life.rows.kept.retain(|(_, seq), _| seq.get() != 2);
    life.crash();
    let (bob, heard) = life.comes("@(bob)", json!({ "epoch": epoch, "after": 1 }));
    assert_eq!(payload(&heard)["recovery"]["reason"], "overflow");
    let heard = life.says(bob, "@(bob)", "hub:recover", json!({ "after": 2 }));
    assert_eq!((payload(&heard)["recovery"]["recovered"].clone(), heard.len()), (json!(true), 2));
}

#[test]
fn a_full_store_takes_nothing_new_and_keeps_what_it_has() {
    let mut life = Life::begin();
    let (bob, _) = life.comes("@(bob)", json!(true));
    let (alice, _) = life.comes("@(alice)", json!(null));
    life.hub.change_storage(Storage::Full);
    let send = json!({ "to": "@(bob)", "type": "note", "data": 1 });
    for (kind, asked) in [("hub:send", send), ("hub:subscribe", json!({ "topic": "news" }))] {
        let heard = life.says(alice, "@(alice)", kind, asked);
        assert_eq!(payload(&heard)["code"], "rate_limited", "{heard:?}");
    }
    let (_, heard) = life.comes("@(carol)", json!(null));
    assert_eq!(payload(&heard)["code"], "rate_limited", "{heard:?}");
    life.feed(Input::Closed(bob, CloseCause::Lost));
    let (_, heard) = life.comes("@(bob)", json!(true));
    assert_eq!(payload(&heard)["version"], 2);
}

#[test]
fn a_publication_that_a_full_store_cannot_keep_leaves_a_number_out() {
    let mut life = Life::begin();
    let (bob, registered) = life.comes("@(bob)", json!(true));
    let epoch = payload(&registered)["recovery"]["epoch"].clone();
    life.says(bob, "@(bob)", "hub:subscribe", json!({ "topic": "news" }));
    let (alice, _) = life.comes("@(alice)", json!(null));
    let published = |life: &mut Life, storage| {
        life.hub.change_storage(storage);
        let news = json!({ "topic": "news", "type": "note", "data": 1 });
        life.says(alice, "@(alice)", "hub:publish", news)
    };
    let heard = published(&mut life, Storage::Full);
    assert_eq!((payload(&heard)["subscriberCount"].clone(), heard.len()), (json!(0), 1));
    let heard = published(&mut life, Storage::Open);
    assert_eq!(heard[0]["metadata"]["seq"], 2, "bob sees that the first is missing");
    life.feed(Input::Closed(bob, CloseCause::Lost));
    published(&mut life, Storage::Open);
    published(&mut life, Storage::Full);
    assert_eq!(life.hub.counters().messages_dropped, 3, "what was queued before is of no use");
    let send = json!({ "to": "@(bob)", "type": "note", "data": 1 });
    assert_eq!(payload(&life.says(alice, "@(alice)", "hub:send", send))["code"], "rate_limited");
    assert!(life.rows.kept.is_empty(), "a full store is not added to");
    published(&mut life, Storage::Open);
    life.crash();
    let (bob, heard) = life.comes("@(bob)", json!({ "epoch": epoch, "after": 3 }));
    let recovery = &payload(&heard)["recovery"];
    assert_eq!((&recovery["reason"], &recovery["after"]), (&json!("overflow"), &json!(5)));
    let heard = life.says(bob, "@(bob)", "hub:recover", json!({ "after": 4 }));
    assert_eq!(payload(&heard)["recovery"]["recovered"], true);
    assert_eq!(heard[1]["metadata"]["seq"], 5);
}

#[test]
fn what_a_hub_without_recovery_finds_nobody_gets_later() {
    let (mut life, epoch) = missed(1);
    life.crash_into(Config { recovery_messages_max: 0, ..Config::default() });
    assert!(life.rows.logs.is_empty() && life.rows.kept.is_empty());
    life.crash();
    let (_, heard) = life.comes("@(bob)", json!({ "epoch": epoch, "after": 0 }));
    let recovery = &payload(&heard)["recovery"];
    assert_eq!((&recovery["recovered"], heard.len()), (&json!(false), 1), "{heard:?}");
}

#[test]
fn what_was_replayed_is_owed_to_nobody_after_a_restart() {
    let (mut life, epoch) = missed(1);
    let (_, heard) = life.comes("@(bob)", json!({ "epoch": epoch, "after": 0 }));
    assert_eq!(heard.len(), 2, "{heard:?}");
    life.crash();
    life.now = life.now + Duration::from_secs(3600);
    life.feed(Input::Tick);
    assert_eq!(life.hub.counters().messages_dropped, 0);
}
