//! Bounds that are reached, and left again.

use std::time::Duration;

use super::super::dice::Dice;
use super::super::stranger::{Stranger, ask, connect, register, subscribe, unsubscribe, write};
use crate::scenario::{Action, ActorKind, Scenario};

/// A stranger asks for more than its rate, of all that a hub must refuse before it does anything; and
/// what it registers is about as large as it may be.
pub fn greedy(dice: &mut Dice, scenario: &mut Scenario) {
    scenario.hub.rate_limit_per_second = 5;
    scenario.hub.rate_limit_burst = 20;
    scenario.hub.rate_limit_rows = dice.between(1, 3);
    let mut stranger = Stranger::registered(60, dice.millis(3_000, 45_000), "mallory/greedy");
    large(dice, &mut stranger);
    for _ in 0..dice.between(1, 2) {
        for _ in 0..dice.between(3, 8) {
            let pattern = dice.pick(&["*nobody", "*", "*a*"]);
            stranger.does(dice, Action::Discover { pattern: Some((*pattern).to_owned()) });
        }
        for _ in 0..dice.between(4, 10) {
            let victim = dice.actor(scenario);
            let act = match dice.between(0, 5) {
                0..=2 => register(&victim, None),
                3 => subscribe("greed"),
                4 => Action::Unregister { address: None },
                _ => ask(&victim, "greedy", 0),
            };
            stranger.does(dice, act);
        }
        stranger.at += dice.millis(1_000, 10_000);
    }
    stranger.joins(scenario);
}

fn large(dice: &mut Dice, stranger: &mut Stranger) {
    for number in 0..dice.between(0, 2) {
        let about = "x".repeat(dice.between(16_300, 16_500));
        let payload = format!(
            r#"{{"actorAddress":"@(mallory/large/{number})","capabilities":["large"],"metadata":{{"about":"{about}"}}}}"#
        );
        let head = format!(r#""id":"big-{number}","from":"@(mallory/greedy)","pattern":"ask""#);
        stranger.does(dice, write("hub:register", &head, &payload, "{}"));
    }
}

/// A stranger with two addresses subscribes until it may not, and to one less, and takes over an address
/// that has more.
pub fn many_topics(dice: &mut Dice, scenario: &mut Scenario) {
    let most = dice.between(4, 8);
    scenario.hub.subscriptions_per_session_max = most;
    let begin = dice.millis(1_500, 45_000);
    let mut other = Stranger::registered(63, begin, "mallory/topics/2");
    for number in 0..dice.between(1, most) {
        other.does(dice, subscribe(&format!("other/{number}")));
    }
    let mut stranger = Stranger::registered(62, begin, "mallory/topics/1");
    for number in 0..=most {
        stranger.does(dice, subscribe(&format!("near/{number}")));
    }
    for _ in 0..dice.between(2, 6) {
        let topic = format!("near/{}", dice.between(0, most + 1));
        let act = match dice.between(0, 4) {
            0 | 1 => unsubscribe(&topic, dice.one_in(2)),
            2 | 3 => subscribe(&topic),
            _ => register("mallory/topics/2", None),
        };
        stranger.does(dice, act);
    }
    other.joins(scenario);
    stranger.joins(scenario);
}

/// A stranger registers until the hub knows as many addresses as it may, gives some back, and goes on.
pub fn full_of_addresses(dice: &mut Dice, scenario: &mut Scenario) {
    let clients = scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client);
    let addresses: usize = clients.map(|actor| 1 + actor.addresses.len()).sum();
    let most = scenario.hub.registrations_max.min(addresses + dice.between(3, 6));
    scenario.hub.registrations_max = most;
    let mut stranger = Stranger::connected(65, dice.millis(3_000, 50_000));
    for number in 0..8 {
        stranger.does(dice, register(&format!("mallory/full/{number}"), None));
    }
    for _ in 0..dice.between(2, 6) {
        let name = format!("mallory/full/{}", dice.between(0, 9));
        let act = if dice.one_in(2) {
            Action::Unregister { address: Some(name) }
        } else {
            register(&name, None)
        };
        stranger.does(dice, act);
    }
    stranger.joins(scenario);
}

/// Strangers connect until the hub has as many sessions as it may, and one goes as another comes.
pub fn full_of_sessions(dice: &mut Dice, scenario: &mut Scenario) {
    let clients = scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client).count();
    scenario.hub.sessions_max = clients + 3;
    let begin = dice.millis(3_000, 45_000);
    for number in 70..74 {
        let mut stranger = Stranger::connected(number, begin + dice.millis(0, 300));
        let address = format!("mallory/seat/{number}");
        stranger.does(dice, register(&address, None));
        stranger.at += dice.millis(300, 1_500);
        if dice.one_in(2) {
            stranger.does(dice, Action::Disconnect);
            stranger.at += dice.millis(0, 1_000);
        }
        stranger.does_at(stranger.at, connect());
        stranger.at += Duration::from_millis(300);
        stranger.does(dice, register(&address, None));
        stranger.joins(scenario);
    }
}

/// So few outcomes are remembered that asks make each other forgotten.
pub fn full_of_outcomes(dice: &mut Dice, scenario: &mut Scenario) {
    scenario.hub.dedupe_entries_max = dice.between(3, 8);
    scenario.hub.dedupe_entries_per_address_max = dice.between(2, 6);
    scenario.hub.dedupe_window = scenario.hub.dedupe_window.max(Duration::from_secs(5));
    let begin = dice.millis(1_500, 45_000);
    let to = dice.actor(scenario);
    for number in 76..78 {
        let mut stranger =
            Stranger::registered(number, begin, &format!("mallory/remembers/{number}"));
        for _ in 0..dice.between(6, 16) {
            let id = format!("outcome-{}", dice.between(0, 6));
            stranger.does(dice, ask(&to, &id, 0));
        }
        stranger.joins(scenario);
    }
}
