//! A hub with a store: it goes down in the middle of things, its disk fails or fills up, and what it was
//! comes back. Dice of its own, so that the rest of a storm is the same with and without it.

use std::time::Duration;

use signal_hub::server::StoreSync;

use super::dice::Dice;
use super::stranger::{STRANGER, Stranger, connect, register, subscribe, tell};
use crate::net::Seen;
use crate::scenario::{
    Act, Action, ConnectionAct, Ending, HubAction, Scenario, Speech, Step, Store, What, When,
};

/// The numbers of its connections.
const CONNECTIONS: [u32; 2] = [40, 41];
const TOPIC: &str = "stored";

/// A store, trouble for it, and a stranger who counts on it.
pub fn plan(dice: &mut Dice, lasts: Duration, scenario: &mut Scenario) {
    let sync = match dice.between(0, 5) {
        0..=2 => StoreSync::Always,
        3..=4 => StoreSync::Within(dice.millis(5, 800)),
        _ => StoreSync::Never,
    };
    let mut store = Store { sync, ..Store::default() };
    if dice.one_in(4) {
        store.bytes_max = dice.between(1_000, 12_000) as u64;
        // Whoever comes back may find no room.
        scenario.ending = Ending::Stop;
    }
    scenario.clients.store = Some(store);
    for _ in 0..dice.times_between(1, 3) {
        trouble(dice, lasts, scenario);
    }
    durable(dice, scenario);
}

fn trouble(dice: &mut Dice, lasts: Duration, scenario: &mut Scenario) {
    let at = dice.any_time();
    let mut happens =
        |at, act| scenario.steps.push(Step { when: When::At(at), what: What::Hub(act) });
    let restart =
        |dice: &mut Dice, abruptly| HubAction::Restart { abruptly, pause: dice.millis(50, 2_000) };
    match dice.between(0, 5) {
        0..=1 => happens(at, restart(dice, true)),
        2 => happens(at, restart(dice, false)),
        3..=4 => {
            happens(at, HubAction::DiskFails { operations: dice.between(0, 12) as u32 });
            happens(at + dice.millis(200, 6_000), restart(dice, true));
        }
        _ => {
            // The hub looks for room once a second, and whoever comes to rest needs some.
            let over = lasts.saturating_sub(Duration::from_secs(3));
            let full = dice.millis(1_000, 12_000).min(over.saturating_sub(at));
            if !full.is_zero() {
                happens(at, HubAction::DiskFull { lasts: full });
            }
            if dice.one_in(2) {
                let abruptly = dice.one_in(2);
                happens(at + full / 2, restart(dice, abruptly));
            }
        }
    }
}

/// Subscribes for good, is gone for longer than the resume window, and comes back.
fn durable(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_000, 20_000);
    let [subscriber, publisher] = CONNECTIONS;
    let mut subscriber = Stranger::registered(subscriber, begin, "mallory/stored");
    let Action::Subscribe { topic, .. } = subscribe(TOPIC) else { return };
    subscriber.does(dice, Action::Subscribe { topic: topic.clone(), durable: true });
    if dice.one_in(2) {
        subscriber.does(dice, subscribe("passing"));
    }
    subscriber.at += Duration::from_millis(200);
    let lost = ConnectionAct::Reconnect { hub_sees: Seen::Now };
    subscriber.does(dice, Act::from(lost));
    let window = scenario.hub.resume_window.min(Duration::from_secs(30));
    subscriber.at +=
        if dice.one_in(2) { window + dice.millis(0, 1_000) } else { dice.millis(0, 2_000) };
    subscriber.does(dice, connect());
    subscriber.at += Duration::from_millis(100);
    subscriber.does(dice, register("mallory/stored", None));
    subscriber.at += Duration::from_millis(100);
    let mut publisher = Stranger::registered(publisher, subscriber.at, "mallory/publisher");
    publisher.does(dice, Action::Publish { topic: topic.clone(), speech: Speech::default() });
    publisher.does(dice, tell(&format!("{STRANGER}/stored"), 0));
    subscriber.at = publisher.at + Duration::from_millis(200);
    subscriber.does(dice, Action::Unsubscribe { topic, by_id: false });
    for stranger in [subscriber, publisher] {
        stranger.joins(scenario);
    }
}
