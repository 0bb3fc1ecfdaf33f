//! What comes in the very input of a deadline. A stranger's link is steady, so that what it says is there
//! at a known millisecond of the hub's clock; what it waits for is due in the same one.

use std::time::Duration;

use super::super::dice::Dice;
use super::super::stranger::{LATENCY, Stranger, connect, register, subscribe, tell};
use crate::net::Seen;
use crate::scenario::{Act, Action, ConnectionAct, Scenario, WhichToken};

/// A millisecond before, at, or after.
pub fn about(dice: &mut Dice, at: Duration) -> Duration {
    at - Duration::from_millis(1) + dice.millis(0, 2)
}

/// A session is about to be closed for not connecting or for silence, and says something.
pub fn of_sessions(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_500, 35_000);
    for number in 40..40 + dice.between(1, 3) as u32 {
        let mut stranger = Stranger::new(number, begin);
        stranger.steady(4_096);
        if dice.one_in(3) {
            // A connection and its upgrade take a round trip and a half, the deadline begins with it.
            stranger.does_at(begin, Action::Open);
            let due = begin + 2 * LATENCY + scenario.hub.connect_timeout;
            stranger.does_at(about(dice, due), connect());
        } else {
            stranger.does_at(begin, connect());
            let lasts = Duration::from_secs(30);
            let silent = begin + Duration::from_millis(400);
            stranger.does_at(silent, ConnectionAct::PauseReading { lasts });
            let last = silent + Duration::from_millis(100);
            stranger.does_at(last, Action::Heartbeat);
            let due = about(dice, last + scenario.hub.idle_timeout);
            let address = format!("mallory/late/{number}");
            stranger.does_at(due, register(&address, None));
            if dice.one_in(2) {
                stranger.does_at(due, subscribe("news"));
            }
        }
        stranger.joins(scenario);
    }
}

/// An address is about to expire or to be forgotten, and is renewed, used, spoken to or registered.
pub fn of_addresses(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_500, 40_000);
    let name = "mallory/moment";
    let mut owner = Stranger::connected(45, begin);
    let mut other = Stranger::registered(46, begin, "mallory/witness");
    let registered = begin + Duration::from_millis(300);
    let ttl = Duration::from_secs(dice.between(1, 4) as u64);
    owner.does_at(registered, register(name, Some(ttl)));
    owner.does_at(registered + Duration::from_millis(50), subscribe("news"));
    let mut due = registered + ttl;
    let window = scenario.hub.resume_window;
    if !window.is_zero() && dice.one_in(2) {
        // It is not renewed, or its connection ends: then it is forgotten when the window is over.
        due = if dice.one_in(2) {
            due + window
        } else {
            let lost = registered + Duration::from_millis(200);
            owner.does_at(lost, ConnectionAct::Reconnect { hub_sees: Seen::Now });
            owner.does_at(lost + Duration::from_millis(100), connect());
            lost + window
        };
    }
    for _ in 0..dice.between(1, 3) {
        let at = about(dice, due);
        let act = by_its_owner(dice, name);
        owner.does_at(at, act);
        let act = by_another(dice, name);
        other.does_at(about(dice, due), act);
    }
    owner.joins(scenario);
    other.joins(scenario);
}

fn by_its_owner(dice: &mut Dice, name: &str) -> Act {
    let address = Some(name.to_owned());
    match dice.between(0, 5) {
        0 | 1 => Action::Renew { address, token: WhichToken::Latest }.into(),
        2 => Action::Heartbeat.into(),
        3 => subscribe("weather").into(),
        4 => Action::Unregister { address }.into(),
        _ => register(name, None).into(),
    }
}

pub fn by_another(dice: &mut Dice, name: &str) -> Act {
    match dice.between(0, 3) {
        0 => tell(name, 0).into(),
        1 => Action::Discover { pattern: Some(name.to_owned()) }.into(),
        2 => register(name, None).into(),
        _ => Action::Publish { topic: dice.topic(), speech: Default::default() }.into(),
    }
}

/// Expiry, renewal and takeover, all in one millisecond.
pub fn one_millisecond(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_500, 40_000);
    let name = "mallory/contested";
    let mut owner = Stranger::connected(50, begin);
    let mut rival = Stranger::connected(51, begin);
    let ttl = Duration::from_secs(dice.between(1, 3) as u64);
    let registered = begin + Duration::from_millis(300);
    owner.does_at(registered, register(name, Some(ttl)));
    let address = Some(name.to_owned());
    for round in 1..=dice.between(1, 3) as u32 {
        // At its expiry, or long before.
        let at = if dice.one_in(2) { ttl * round } else { Duration::from_millis(600) * round };
        let at = registered + at;
        let renew = Action::Renew { address: address.clone(), token: WhichToken::Latest };
        let (owner, rival) =
            if round % 2 == 1 { (&mut owner, &mut rival) } else { (&mut rival, &mut owner) };
        owner.does_at(at, renew);
        rival.does_at(at, register(name, Some(ttl)));
    }
    owner.joins(scenario);
    rival.joins(scenario);
}
