//! Who recovers what it missed: it is away, half-open or taken over while others talk to it, and comes
//! back with a position, most often a good one. Dice of its own, so that the rest of a storm is the
//! same with and without it.

use std::time::Duration;

use super::dice::Dice;
use super::stranger::{Stranger, connect, register, subscribe};
use crate::net::Seen;
use crate::scenario::{Act, Action, ActorKind, ConnectionAct, Scenario, Speech, WhichPosition};

const KEPT: &str = "mallory/kept";
const TOPIC: &str = "kept";
/// The numbers of its connections, and of who talks to it.
const CONNECTIONS: [u32; 3] = [30, 31, 32];
/// A queue with room for one large message and some small ones.
const NARROW: usize = 8_000;

/// In one storm of two, for half of the clients and some raw connections.
pub fn plan(dice: &mut Dice, scenario: &mut Scenario) {
    if dice.one_in(2) {
        return;
    }
    bound(dice, scenario);
    for actor in scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client) {
        if dice.one_in(2) {
            scenario.clients.recovering.insert(actor.name.clone());
        }
    }
    let begin = dice.millis(1_500, 30_000);
    let [kept, second, sender] = CONNECTIONS;
    let mut sender = Stranger::registered(sender, begin, "mallory/sender");
    let [mut kept, mut second] = [kept, second].map(|number| Stranger::connected(number, begin));
    if is_narrow(scenario) {
        kept.steady(2_048);
    }
    kept.does_at(begin + Duration::from_millis(300), again(WhichPosition::Begin));
    kept.does_at(begin + Duration::from_millis(400), subscribe(TOPIC));
    kept.at = begin + Duration::from_millis(600);
    for _ in 0..dice.between(1, 4) {
        sender.at = kept.at;
        talk(dice, scenario, &mut sender);
        kept.at = sender.at;
        goes(dice, scenario, (&mut kept, &mut second), &mut sender);
        sender.at = kept.at;
        talk(dice, scenario, &mut sender);
        kept.at = sender.at;
    }
    for stranger in [kept, second, sender] {
        stranger.joins(scenario);
    }
}

/// Some hubs keep little, some nothing; some have short queues.
fn bound(dice: &mut Dice, scenario: &mut Scenario) {
    match dice.between(0, 11) {
        0 => scenario.hub.recovery_messages_max = 0,
        1..=3 => scenario.hub.recovery_messages_max = dice.between(1, 6),
        4 => scenario.hub.recovery_bytes_max = dice.between(1_024, 4_096),
        5 => scenario.hub.recovery_total_bytes_max = dice.between(1_024, 8_192),
        6 => scenario.hub.resume_window = dice.millis(500, 4_000),
        7 => {
            let hub = &mut scenario.hub;
            hub.queue_messages_max = dice.between(4, 12);
            hub.pause_threshold = hub.pause_threshold.min(hub.queue_messages_max - 1);
            hub.resume_threshold = hub.resume_threshold.min(hub.pause_threshold - 1);
        }
        8 => {
            scenario.hub.queue_bytes_max = NARROW;
            scenario.hub.message_bytes_max = scenario.hub.message_bytes_max.min(NARROW);
        }
        _ => {}
    }
}

fn is_narrow(scenario: &Scenario) -> bool {
    scenario.hub.queue_bytes_max == NARROW
}

fn again(position: WhichPosition) -> Action {
    match register(KEPT, None) {
        Action::Register { address, ttl, renew_on_heartbeat, .. } => {
            Action::Register { address, ttl, renew_on_heartbeat, recovery: Some(position) }
        }
        other => other,
    }
}

fn talk(dice: &mut Dice, scenario: &Scenario, sender: &mut Stranger) {
    for _ in 0..dice.between(1, 7) {
        let ttl = dice.one_in(6).then(|| dice.millis(10, 1_500));
        let is_large = if is_narrow(scenario) { dice.one_in(2) } else { dice.one_in(8) };
        let padding = if is_large { dice.between(0, 6_000) } else { 0 };
        let not_queued = dice.one_in(12);
        let speech = Speech { ttl, padding, not_queued, ..Speech::default() };
        let to = KEPT.to_owned();
        let act = match dice.between(0, 9) {
            0..=3 => Action::Ask { to, id: None, speech },
            4..=6 => Action::Tell { to, speech },
            7 => Action::Broadcast { exclude_self: true, speech },
            _ => {
                let Action::Subscribe { topic, .. } = subscribe(TOPIC) else { return };
                Action::Publish { topic, speech: Speech { not_queued: false, ..speech } }
            }
        };
        sender.does(dice, act);
    }
}

/// It is away for a while, or another takes its place, and it comes back.
fn goes(
    dice: &mut Dice,
    scenario: &Scenario,
    (kept, second): (&mut Stranger, &mut Stranger),
    sender: &mut Stranger,
) {
    let position = which(dice);
    match dice.between(0, 7) {
        0 => kept.does(dice, Action::Recover { address: None, position }),
        1 => {
            second.at = kept.at;
            let plain = dice.one_in(2);
            let act = if plain { register(KEPT, None) } else { again(WhichPosition::Begin) };
            second.does(dice, act);
            kept.at = second.at + dice.millis(0, 500);
            comes_back(dice, scenario, kept, position);
        }
        2..=3 => comes_back(dice, scenario, kept, position),
        _ => {
            let lost = ConnectionAct::Reconnect { hub_sees: Seen::Now };
            kept.does(dice, Act::from(lost));
            let window = scenario.hub.resume_window.as_millis() as u64;
            kept.at += match dice.between(0, 5) {
                0 => dice.millis(window.saturating_sub(500), window + 500),
                _ => dice.millis(0, 1_500),
            };
            if is_narrow(scenario) {
                sender.at = kept.at;
                talk(dice, scenario, sender);
                kept.at = kept.at.max(sender.at);
            }
            connects(dice, scenario, kept, position);
        }
    }
    if dice.one_in(3) {
        let position = which(dice);
        kept.does(dice, Action::Recover { address: None, position });
    }
}

/// On another connection, while the hub takes the old one for alive.
fn comes_back(dice: &mut Dice, scenario: &Scenario, kept: &mut Stranger, position: WhichPosition) {
    let late = ConnectionAct::Reconnect { hub_sees: Seen::After(dice.millis(500, 5_000)) };
    kept.does(dice, Act::from(late));
    connects(dice, scenario, kept, position);
}

fn connects(dice: &mut Dice, scenario: &Scenario, kept: &mut Stranger, position: WhichPosition) {
    kept.at += Duration::from_millis(200);
    kept.does(dice, connect());
    kept.at += Duration::from_millis(200);
    if is_narrow(scenario) && !dice.one_in(4) {
        let lasts = dice.millis(300, 1_500);
        kept.does(dice, Act::from(ConnectionAct::PauseReading { lasts }));
    }
    let act = if dice.one_in(16) { register(KEPT, None) } else { again(position) };
    kept.does(dice, act);
    kept.at += Duration::from_millis(200);
}

fn which(dice: &mut Dice) -> WhichPosition {
    match dice.between(0, 19) {
        0 => WhichPosition::Begin,
        1..=3 => WhichPosition::Start,
        4 => WhichPosition::Ahead,
        5..=6 => WhichPosition::Before,
        7 => WhichPosition::Foreign,
        _ => WhichPosition::Latest,
    }
}
