//! What actors do of their own accord, and what a stranger does.

use std::time::Duration;

use super::dice::Dice;
use super::kinds::{Kind, Weights, draw};
use super::stranger::STRANGER;
use crate::scenario::{
    Act, Action, ConnectionAct, Scenario, Speech, Step, What, When, WhichToken, Who,
};

/// What no hub of this protocol can read, or ought to.
const NONSENSE: [&str; 6] = [
    "",
    "{",
    "[1,2,3]",
    r#"{"type":"hub:send"}"#,
    r#"{"id":"x","from":"@(mallory)","to":"@(hub)","type":"hub:send","pattern":"ask","timestamp":1,"payload":7}"#,
    r#"{"id":"y","from":"mallory","to":"@(hub)","type":"hub:nothing","pattern":"tell","timestamp":1,"payload":{}}"#,
];

/// About three actions a second, and perhaps a stranger.
pub fn plan(dice: &mut Dice, weights: &Weights, scenario: &mut Scenario) {
    for actor in scenario.actors.clone() {
        if actor.name == STRANGER || !weights.has(Kind::Subscribe) && dice.one_in(2) {
            continue;
        }
        let subscribe = Action::Subscribe { topic: dice.topic(), durable: false };
        push(scenario, dice.millis(100, 3_000), Who::Client(actor.name), subscribe);
    }
    for _ in 0..dice.times_between(60, 200) {
        let kind = draw(&weights.operations, dice);
        operation(dice, scenario, kind);
    }
    if !weights.strangers.is_empty() {
        for number in 1..=dice.between(1, 4) {
            let kind = draw(&weights.strangers, dice);
            stranger(dice, scenario, kind, number as u32);
        }
    }
}

fn push(scenario: &mut Scenario, at: Duration, who: Who, action: Action) {
    scenario.steps.push(Step::at(at, who, action));
}

fn operation(dice: &mut Dice, scenario: &mut Scenario, kind: Kind) {
    let actor = dice.actor(scenario);
    let to = recipient(dice, scenario);
    let speech = speech(dice);
    let desk = scenario.actors[0].addresses.first().cloned();
    let action = match kind {
        Kind::Tell => Action::Tell { to, speech },
        Kind::Ask => Action::Ask { to, id: None, speech },
        Kind::AskTwice => Action::AskTwice { to },
        Kind::Broadcast => Action::Broadcast { exclude_self: dice.one_in(2), speech },
        Kind::Publish => Action::Publish { topic: dice.topic(), speech },
        Kind::Subscribe => Action::Subscribe { topic: dice.topic(), durable: false },
        Kind::Unsubscribe => Action::Unsubscribe { topic: dice.topic(), by_id: false },
        Kind::Register => {
            Action::Register { address: desk, ttl: None, renew_on_heartbeat: false, recovery: None }
        }
        Kind::Unregister => match desk {
            Some(address) => Action::Unregister { address: Some(address) },
            None => Action::Heartbeat,
        },
        Kind::Look => match dice.between(0, 4) {
            0 => Action::Discover { pattern: None },
            1 => Action::ListActors,
            2 => Action::QueueStats,
            3 => Action::Metrics,
            _ => Action::Heartbeat,
        },
        _ => unreachable!("no operation"),
    };
    let who = match kind {
        // Only the first actor has addresses to spare.
        Kind::Register | Kind::Unregister => scenario.actors[0].name.clone(),
        _ => actor,
    };
    push(scenario, dice.any_time(), Who::Client(who), action);
}

fn recipient(dice: &mut Dice, scenario: &Scenario) -> String {
    match dice.between(0, 11) {
        0 => "nobody".to_owned(),
        1 => STRANGER.to_owned(),
        2 => {
            let first = &scenario.actors[0];
            first.addresses.first().unwrap_or(&first.name).clone()
        }
        _ => dice.actor(scenario),
    }
}

fn speech(dice: &mut Dice) -> Speech {
    Speech {
        text: None,
        padding: if dice.one_in(3) { dice.between(1, 4_096) } else { 0 },
        ttl: dice.one_in(6).then(|| dice.millis(1, 2_000)),
        not_queued: false,
    }
}

/// A raw connection that does things in a row.
fn stranger(dice: &mut Dice, scenario: &mut Scenario, kind: Kind, number: u32) {
    let who = Who::Raw(STRANGER.to_owned(), number);
    let mut at = dice.any_time();
    let first = if dice.one_in(8) {
        Action::Connect { protocol_version: Some("9.0.0".to_owned()), token: None }
    } else {
        Action::Connect { protocol_version: None, token: None }
    };
    push(scenario, at, who.clone(), if dice.one_in(12) { Action::Open } else { first });
    for _ in 0..dice.between(3, 14) {
        at += dice.millis(0, 700);
        let act = match kind {
            Kind::RawSession => session_word(dice, scenario),
            Kind::RawNonsense => {
                if dice.one_in(2) {
                    Action::Write { text: (*dice.pick(&NONSENSE)).to_owned() }.into()
                } else {
                    session_word(dice, scenario)
                }
            }
            Kind::RawRivalry => rival_word(dice, scenario).into(),
            _ => unreachable!("no stranger"),
        };
        let speaker = dice.one_in(10).then(|| dice.actor(scenario));
        let when = When::At(at);
        let what = What::Act { who: who.clone(), speaker, act };
        scenario.steps.push(Step { when, what });
    }
}

fn session_word(dice: &mut Dice, scenario: &Scenario) -> Act {
    let (to, speech) = (recipient(dice, scenario), speech(dice));
    let action = match dice.between(0, 17) {
        0..=3 => Action::Register {
            address: dice.one_in(3).then(|| format!("mallory/{}", dice.between(1, 3))),
            ttl: dice.one_in(3).then(|| Duration::from_secs(dice.between(1, 5) as u64)),
            renew_on_heartbeat: false,
            recovery: None,
        },
        4 => Action::Unregister { address: None },
        5..=6 => Action::Renew { address: None, token: WhichToken::Latest },
        7 => Action::Renew { address: None, token: WhichToken::Used },
        8 => Action::Renew { address: None, token: WhichToken::None },
        9 => Action::Tell { to, speech },
        10 => Action::Ask { to, id: dice.one_in(2).then(|| "mallory-same".to_owned()), speech },
        11 => Action::Broadcast { exclude_self: false, speech },
        12 => Action::Publish { topic: dice.topic(), speech },
        13 => Action::Subscribe { topic: dice.topic(), durable: false },
        14 => Action::Unsubscribe { topic: dice.topic(), by_id: false },
        15 => Action::Ping,
        16 => return ConnectionAct::PauseReading { lasts: dice.millis(500, 8_000) }.into(),
        _ => match dice.between(0, 3) {
            0 => Action::Disconnect,
            1 => Action::Close,
            2 => return ConnectionAct::Reconnect { hub_sees: dice.seen() }.into(),
            _ => Action::Connect { protocol_version: None, token: None },
        },
    };
    action.into()
}

/// Takes what others have.
fn rival_word(dice: &mut Dice, scenario: &Scenario) -> Action {
    let rival = dice.actor(scenario);
    match dice.between(0, 5) {
        0..=2 => Action::Register {
            address: Some(rival),
            ttl: None,
            renew_on_heartbeat: false,
            recovery: None,
        },
        3 => Action::Unregister { address: Some(rival) },
        4 => Action::Subscribe { topic: dice.topic(), durable: false },
        _ => Action::Renew { address: Some(rival), token: WhichToken::Latest },
    }
}
