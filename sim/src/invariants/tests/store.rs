//! I59 to I61.

use std::collections::BTreeMap;

use signal_hub::hub::{Entry, Storage, StoredAddress};
use signal_hub::protocol::{Recover, RecoveryWish};

use super::recovery::recovers;
use super::*;
use crate::scenario::{HubAction, Step, Store, What as Doing, When};

impl Story {
    /// A story of a hub whose store takes so much.
    fn stored(bytes_max: u64) -> Self {
        let mut story = Self::new();
        story.scenario.clients.store = Some(Store { bytes_max, ..Store::default() });
        story.begins_with(Vec::new());
        story
    }

    /// The same, in which alice was told so many times that she has her address.
    fn told(times: usize) -> Self {
        let mut story = Self::stored(u64::MAX);
        story.connected(1, "alice");
        for _ in 0..times {
            story.asks(1, "alice", register("alice"));
            let reply = story.last().sent_to(1)[0].clone();
            story.receives(&reply);
        }
        story
    }

    fn begins_with(&mut self, found: Vec<Entry>) {
        self.hub.change_storage(Storage::Open);
        self.happens(Input::Restored(found));
    }

    /// The machine goes down, and this is what the next hub finds.
    fn crashes(&mut self, found: Vec<Entry>) {
        self.records(What::HubStopped { how: Stop::Crashed });
        self.records(What::HubStarted { restarts: 1 });
        self.hub = Hub::new(self.scenario.hub.clone(), Ids::new([8; 32]));
        self.begins_with(found);
    }

    /// The addresses and subscriptions that a store holds that has synced all.
    fn synced(&mut self) -> Vec<Entry> {
        let mut rows = BTreeMap::new();
        for entry in self.hub.take_journal() {
            let key = match &entry {
                Entry::Address(address, Some(_)) => (address.clone(), None),
                Entry::Subscription(address, topic, Some(_)) => {
                    (address.clone(), Some(topic.clone()))
                }
                _ => continue,
            };
            rows.insert(key, entry);
        }
        rows.into_values().collect()
    }

    /// The same, but what is found is not quite what was synced.
    fn crashes_and_finds(&mut self, other: impl Fn(&mut Entry)) {
        let mut found = self.synced();
        found.iter_mut().for_each(other);
        self.crashes(found);
    }

    fn subscribes_for_good(&mut self) {
        let subscribe = Subscribe { topic: topic("news"), durable: true };
        self.asks(1, "alice", Verb::Subscribe(subscribe));
    }
}

#[test]
fn what_was_told_is_there_after_a_crash() {
    let mut story = Story::told(1);
    let found = story.synced();
    story.crashes(found);
    story.holds();

    let mut story = Story::told(1);
    story.crashes(Vec::new());
    story.breaks(Invariant::I59);
}

#[test]
fn what_nobody_was_told_of_may_be_lost() {
    let mut story = Story::stored(u64::MAX);
    story.connected(1, "alice");
    story.asks(1, "alice", register("alice"));
    story.crashes(Vec::new());
    story.holds();
}

#[test]
fn a_hub_with_a_store_begins_with_what_that_holds() {
    let mut story = Story::new();
    story.scenario.clients.store = Some(Store::default());
    story.opens(1);
    story.breaks(Invariant::I59);
}

#[test]
fn no_start_goes_back_behind_what_was_told() {
    let mut story = Story::told(2);
    story.crashes_and_finds(|entry| {
        if let Entry::Address(_, Some(stored)) = entry {
            stored.version = 1;
        }
    });
    story.breaks(Invariant::I60);
}

#[test]
fn an_address_comes_back_with_what_it_was_registered_with() {
    let others: [fn(&mut StoredAddress); 3] = [
        |stored| stored.capabilities.clear(),
        |stored| stored.metadata = Json::NULL,
        |stored| stored.peer = Ipv4Addr::UNSPECIFIED.into(),
    ];
    for other in others {
        let mut story = Story::told(1);
        story.crashes_and_finds(|entry| {
            if let Entry::Address(_, Some(stored)) = entry {
                other(stored);
            }
        });
        story.breaks(Invariant::I59);
    }
}

#[test]
fn a_subscription_that_was_durable_comes_back_durable() {
    for durable in [true, false] {
        let mut story = Story::told(1);
        story.subscribes_for_good();
        let reply = story.last().sent_to(1)[0].clone();
        story.receives(&reply);
        story.crashes_and_finds(|entry| {
            if let Entry::Subscription(_, _, Some(stored)) = entry {
                stored.durable = durable;
            }
        });
        if durable { story.holds() } else { story.breaks(Invariant::I59) }
    }
}

#[test]
fn what_is_told_to_be_durable_is() {
    let mut story = Story::told(1);
    story.subscribes_for_good();
    story.holds();
    story.last().touched.topics.values_mut().flatten().for_each(|row| row.durable.clear());
    story.breaks(Invariant::I14);
}

#[test]
fn nothing_is_added_to_a_store_that_is_full_beyond_doubt() {
    let mut story = Story::stored(0);
    for key in 1..=2 {
        story.holds();
        story.passes(Duration::from_millis(1));
        let name = format!("actor-{key}");
        story.connected(key, &name);
        story.asks(key, &name, register(&name));
    }
    story.breaks(Invariant::I61);
}

#[test]
fn what_the_floor_has_passed_takes_no_room_in_the_store() {
    let mut story = Story::with(|config| config.queue_messages_max = 4);
    story.scenario.clients.store = Some(Store { bytes_max: 700, ..Store::default() });
    story.begins_with(Vec::new());
    story.all_registered(["bob"]);
    story.connected(2, "alice");
    story.asks(2, "alice", recovers("alice", RecoveryWish::Begin));
    story.asks(2, "alice", subscribe("news"));
    // Its queue is full: what is to come again waits.
    story.asks(1, "bob", send("alice"));
    story.asks(2, "alice", Verb::Recover(Recover { actor_address: None, after: 0 }));
    for storage in [Storage::Full, Storage::Open] {
        story.passes(Duration::from_millis(1));
        story.hub.change_storage(storage);
        story.asks(1, "bob", publish("news"));
    }
    let log = story.last().touched.logs[&at("alice")].unwrap();
    assert_eq!((log.messages, log.last, log.floor), (2, 3, 2));
    story.holds();
}

#[test]
fn what_one_input_frees_the_next_may_use() {
    let mut story = Story::stored(100);
    story.connected(1, "alice");
    story.asks(1, "alice", register("alice"));
    story.passes(Duration::from_millis(1));
    story.asks(1, "alice", unregister());
    story.asks(1, "alice", register("desk"));
    story.holds();
}

#[test]
fn a_hub_gives_up_only_if_its_disk_fails() {
    let mut story = Story::told(1);
    let what = Doing::Hub(HubAction::DiskFails { operations: 0 });
    let step = Arc::new(Step { when: When::Then, what });
    story.records(What::Step { number: 1, step });
    story.records(What::HubStopped { how: Stop::Failed });
    story.holds();

    let mut story = Story::told(1);
    story.records(What::HubStopped { how: Stop::Failed });
    story.breaks(Invariant::I61);
}
