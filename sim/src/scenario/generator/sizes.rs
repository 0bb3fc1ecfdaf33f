//! Strangers who are not small: one with many addresses and topics, one with large metadata, one to
//! whom more is said than its link carries at once. They draw from dice of their own, so that the rest
//! of a storm is the same with and without them.

use signal_hub::protocol::Topic;

use super::dice::Dice;
use super::stranger::{Stranger, connect, register, write};
use crate::net::{Fault, LinkConfig, Seen};
use crate::scenario::{Act, Action, ConnectionAct, HUB_HOST, Scenario, Speech, Step, Who};

/// Each of them in one storm of four.
pub fn plan(dice: &mut Dice, scenario: &mut Scenario) {
    if dice.one_in(4) {
        many(dice, scenario);
    }
    if dice.one_in(4) {
        large(dice, scenario);
    }
    if dice.one_in(4) {
        narrow(dice, scenario);
    }
}

/// Registers many addresses, subscribes to many topics, looks for names, and goes.
fn many(dice: &mut Dice, scenario: &mut Scenario) {
    let mut stranger = Stranger::new(7, dice.millis(1_500, 40_000));
    let addresses = dice.between(20, 60);
    stranger.does(dice, connect());
    for number in 1..=addresses {
        stranger.does(dice, register(&format!("mallory/{number}"), None));
    }
    for number in 1..=dice.between(1, 30) {
        let topic = Topic::parse(&format!("mallory/{number}")).expect("a topic");
        stranger.does(dice, Action::Subscribe { topic, durable: false });
    }
    for _ in 0..dice.between(2, 8) {
        let pattern = match dice.between(0, 4) {
            0 => dice.actor(scenario),
            1 => format!("@(mallory/{})", dice.between(1, addresses)),
            2 => format!("mallory/{}*", dice.between(1, 6)),
            3 => format!("*{}", dice.between(1, 9)),
            _ => "*m*a*l*o*r*y*1*".to_owned(),
        };
        stranger.does(dice, Action::Discover { pattern: Some(pattern) });
        if dice.one_in(3) {
            stranger.does(dice, Action::ListActors);
        }
    }
    let end = match dice.between(0, 3) {
        0 => Act::Do(Action::Disconnect),
        1 => Act::Do(Action::Close),
        2 => ConnectionAct::Reconnect { hub_sees: Seen::Now }.into(),
        _ => Act::Do(Action::Unregister { address: None }),
    };
    stranger.does(dice, end);
    stranger.joins(scenario);
}

/// Registers with large metadata and sends with many keys in the envelope's.
fn large(dice: &mut Dice, scenario: &mut Scenario) {
    let mut stranger = Stranger::new(6, dice.millis(1_500, 50_000));
    stranger.does(dice, connect());
    for number in 1..=dice.between(1, 4) {
        let about = "x".repeat(dice.between(100, 4_000));
        let payload = format!(
            r#"{{"actorAddress":"@(mallory/large/{number})","capabilities":["large"],"metadata":{{"about":"{about}"}}}}"#
        );
        stranger.does(dice, write("hub:register", &head(number), &payload, "{}"));
    }
    for number in 11..=10 + dice.between(1, 4) {
        let keys = dice.between(10, 400);
        let keys: Vec<String> = (0..keys).map(|key| format!(r#""{key}":{key}"#)).collect();
        let payload = format!(r#"{{"to":"@({})","type":"large"}}"#, dice.actor(scenario));
        let metadata = format!("{{{}}}", keys.join(","));
        stranger.does(dice, write("hub:send", &head(number), &payload, &metadata));
    }
    stranger.does(dice, Action::Discover { pattern: Some("mallory/large*".to_owned()) });
    stranger.joins(scenario);
}

/// Registers addresses and gets a narrow link; then everybody is told a few long things. What they make
/// is written in batches, of which some take longer than the hub waits for a slow consumer.
fn narrow(dice: &mut Dice, scenario: &mut Scenario) {
    let mut stranger = Stranger::new(5, dice.millis(200, 3_000));
    stranger.does(dice, connect());
    for number in 1..=dice.between(8, 12) {
        stranger.does(dice, register(&format!("mallory/narrow/{number}"), None));
    }
    let config = LinkConfig {
        bytes_per_second: Some(dice.between(4_000, 16_000) as u64),
        window_bytes: 4_096,
        ..scenario.network.clone()
    };
    let (from, to) = (HUB_HOST.to_owned(), stranger.who.to_string());
    stranger.then(dice, Step::fault(stranger.at, Fault::Link { from, to, config }));
    for _ in 0..dice.between(2, 3) {
        let speech = Speech { padding: dice.between(3_000, 4_096), ..Speech::default() };
        let who = Who::Client(dice.actor(scenario));
        let broadcast = Action::Broadcast { exclude_self: false, speech };
        stranger.then(dice, Step::at(stranger.at, who, broadcast));
    }
    stranger.joins(scenario);
}

fn head(number: usize) -> String {
    format!(r#""id":"large-{number}","from":"@(mallory/large/1)","pattern":"ask""#)
}
