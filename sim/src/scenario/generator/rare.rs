//! What chance alone brings about too rarely: strangers who keep to the clock. They draw from dice of
//! their own, so that the rest of a storm is the same with and without them.

use std::time::Duration;

use super::dice::Dice;
use super::stranger::{STRANGER, connect, register};
use crate::net::{ConnectMode, Fault, Seen};
use crate::scenario::{
    Act, Action, Actor, ActorKind, ConnectionAct, HUB_HOST, Scenario, Step, WhichToken, Who,
};

/// Each of them in one storm of eight.
pub fn plan(dice: &mut Dice, scenario: &mut Scenario) {
    if dice.one_in(8) {
        resume_at_the_deadline(dice, scenario);
    }
    if dice.one_in(8) {
        renew_at_expiry(dice, scenario);
    }
    if dice.one_in(8) {
        let who = Who::Client(dice.actor(scenario));
        let refresh = Action::RefreshToken { token: "none".into() };
        scenario.steps.push(Step::at(dice.any_time(), who, refresh));
    }
    if dice.one_in(8) {
        live_by_heartbeats(dice, scenario);
    }
    if dice.one_in(8) {
        fill_the_hub(dice, scenario);
    }
    if dice.one_in(8) {
        connect_twice(dice, scenario);
    }
}

/// Loses its connection and registers again when the resume window is all but over.
fn resume_at_the_deadline(dice: &mut Dice, scenario: &mut Scenario) {
    let who = Who::Raw(STRANGER.to_owned(), 9);
    let register = register("mallory/late", None);
    let window = scenario.hub.resume_window;
    if window.is_zero() {
        return;
    }
    let begin = dice.millis(1_500, 40_000);
    let lost = begin + Duration::from_secs(2);
    let hundredth = u64::try_from(window.as_millis() / 100).unwrap_or(u64::MAX);
    let back = lost + window - dice.millis(0, 2 * hundredth);
    let steps: [(Duration, Act); _] = [
        (begin, connect().into()),
        (begin + Duration::from_secs(1), register.clone().into()),
        (lost, ConnectionAct::Reconnect { hub_sees: Seen::Now }.into()),
        (back - Duration::from_secs(1), connect().into()),
        (back, register.into()),
    ];
    scenario.steps.extend(steps.map(|(at, act)| Step::at(at, who.clone(), act)));
}

/// Registers for a short time and renews when that is over, give or take.
fn renew_at_expiry(dice: &mut Dice, scenario: &mut Scenario) {
    let who = Who::Raw(STRANGER.to_owned(), 8);
    let begin = dice.millis(1_500, 50_000);
    let registered = begin + Duration::from_secs(1);
    let ttl = Duration::from_secs(dice.between(1, 5) as u64);
    let renewed = registered + ttl - Duration::from_millis(100) + dice.millis(0, 200);
    let (register, address) =
        (register("mallory/brief", Some(ttl)), Some("mallory/brief".to_owned()));
    let steps: [(Duration, Act); _] = [
        (begin, connect().into()),
        (registered, register.into()),
        (renewed, Action::Renew { address, token: WhichToken::Latest }.into()),
    ];
    scenario.steps.extend(steps.map(|(at, act)| Step::at(at, who.clone(), act)));
}

/// Registers for a short time and sends heartbeats instead of renewals, for a while.
fn live_by_heartbeats(dice: &mut Dice, scenario: &mut Scenario) {
    let who = Who::Raw(STRANGER.to_owned(), 7);
    let address = Some("mallory/beat".to_owned());
    let begin = dice.millis(1_500, 45_000);
    let ttl = Duration::from_secs(dice.between(1, 3) as u64);
    let register =
        Action::Register { address, ttl: Some(ttl), renew_on_heartbeat: true, recovery: None };
    let beats = (0..dice.between(2, 8))
        .map(|beat| (ttl / 2 + dice.millis(600, 1_200) * beat as u32, Action::Heartbeat.into()));
    let beats: Vec<(Duration, Act)> = beats.collect();
    let steps = [(Duration::ZERO, connect().into()), (Duration::from_millis(200), register.into())];
    for (after, act) in steps.into_iter().chain(beats) {
        scenario.steps.push(Step::at(begin + after, who.clone(), act));
    }
}

/// Two strangers leave addresses behind in a hub that is all but full, and the one who left fewer,
/// earlier, comes back as somebody else: whoever left more makes room.
fn fill_the_hub(dice: &mut Dice, scenario: &mut Scenario) {
    const NEWCOMER: &str = "trent";
    if scenario.hub.resume_window < Duration::from_secs(3) {
        return;
    }
    let clients = scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client);
    let addresses: usize = clients.map(|actor| 1 + actor.addresses.len()).sum();
    scenario.hub.registrations_max = addresses + 3;
    scenario.actors.push(Actor { kind: ActorKind::Raw, ..Actor::client(NEWCOMER) });
    let begin = dice.millis(3_000, 50_000);
    let connect = || Act::from(connect());
    let register = |address: &str| Act::from(register(address, None));
    let leave = || Act::from(ConnectionAct::Reconnect { hub_sees: Seen::Now });
    let steps = [
        (NEWCOMER, 1, connect()),
        (NEWCOMER, 1, register("trent/old")),
        (NEWCOMER, 1, leave()),
        (STRANGER, 6, connect()),
        (STRANGER, 6, register("mallory/one")),
        (STRANGER, 6, register("mallory/two")),
        (STRANGER, 6, leave()),
        (NEWCOMER, 2, connect()),
        (NEWCOMER, 2, register("trent/new")),
    ];
    let mut at = begin;
    for (name, connection, act) in steps {
        at += dice.millis(150, 300);
        scenario.steps.push(Step::at(at, Who::Raw(name.to_owned(), connection), act));
    }
}

/// A client's connection breaks, and for a while it takes each connect for refused that the hub accepts.
fn connect_twice(dice: &mut Dice, scenario: &mut Scenario) {
    let actor = dice.actor(scenario);
    let begin = dice.any_time();
    let connects = |mode| {
        let (from, to) = (actor.clone(), HUB_HOST.to_owned());
        Fault::Connects { from, to, mode }
    };
    let reconnect = ConnectionAct::Reconnect { hub_sees: dice.seen() };
    scenario.steps.extend([
        Step::fault(begin, connects(ConnectMode::Duplicate)),
        Step::at(begin, Who::Client(actor.clone()), reconnect),
        Step::fault(begin + dice.millis(500, 8_000), connects(ConnectMode::Accept)),
    ]);
}
