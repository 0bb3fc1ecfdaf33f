//! One id for many messages (docs/PROTOCOL.md, section 6): only an ask of one address with the same
//! content is a retry, in time, and as long as the address is not given back.

use std::time::Duration;

use super::super::dice::Dice;
use super::super::stranger::{Stranger, ask, connect, register, write};
use crate::net::Seen;
use crate::scenario::{Action, ConnectionAct, Scenario};

const ID: &str = "one-for-all";

/// Two strangers say many things under one id.
pub fn of_two_actors(dice: &mut Dice, scenario: &mut Scenario) {
    let at = dice.millis(1_500, 50_000);
    let recipients = [dice.actor(scenario), dice.actor(scenario)];
    for (number, name) in [(10, "mallory/same/1"), (11, "mallory/same/2")] {
        let mut stranger = Stranger::registered(number, at, name);
        for _ in 0..dice.between(4, 12) {
            let to = dice.pick(&recipients).clone();
            let act = match dice.between(0, 5) {
                0..=2 => ask(&to, ID, *dice.pick(&[0, 0, 7])),
                3..=4 => by_hand(dice, name, &to, "tell"),
                _ => by_hand(dice, name, &to, "ask"),
            };
            stranger.does(dice, act);
        }
        stranger.joins(scenario);
    }
}

fn by_hand(dice: &mut Dice, name: &str, to: &str, pattern: &str) -> Action {
    let head = format!(r#""id":"{ID}","from":"@({name})","pattern":"{pattern}""#);
    let (kind, payload) = match dice.between(0, 3) {
        0 => ("hub:publish", r#"{"topic":"news","type":"note","data":1}"#.to_owned()),
        1 => ("hub:broadcast", r#"{"type":"note","data":1,"excludeSelf":true}"#.to_owned()),
        _ => ("hub:send", format!(r#"{{"to":"@({to})","type":"note","data":1}}"#)),
    };
    let metadata = dice.pick(&["{}", r#"{"traceId":"one-trace"}"#, r#"{"traceId":7}"#]);
    write(kind, &head, &payload, metadata)
}

/// A stranger asks the same again and again: by another connection, when its address is given back, and
/// when the window is over, to the millisecond.
pub fn over_reconnects(dice: &mut Dice, scenario: &mut Scenario) {
    let window = dice.millis(2_000, 6_000);
    scenario.hub.dedupe_window = window;
    let (name, to) = ("mallory/again", dice.actor(scenario));
    let begin = dice.millis(1_500, 35_000);
    let mut stranger = Stranger::registered(12, begin, name);
    let mut asked = stranger.at;
    stranger.does_at(asked, ask(&to, ID, 0));
    for _ in 0..dice.between(2, 5) {
        let again = match dice.between(0, 3) {
            0 => asked + dice.millis(0, 300),
            1 => {
                let lost = ConnectionAct::Reconnect { hub_sees: dice.seen() };
                comes_back(&mut stranger, asked + Duration::from_millis(100), name, lost)
            }
            2 => {
                let lost = ConnectionAct::Reconnect { hub_sees: Seen::Now };
                stranger.does_at(asked + Duration::from_millis(90), Action::Disconnect);
                comes_back(&mut stranger, asked + Duration::from_millis(200), name, lost)
            }
            _ => {
                let over = asked + window + dice.millis(0, 2) - Duration::from_millis(1);
                asked = over;
                over
            }
        };
        stranger.does_at(again, ask(&to, ID, *dice.pick(&[0, 0, 0, 7])));
        asked = asked.max(again);
    }
    stranger.joins(scenario);
}

/// Loses its connection, and registers with another one; returns when it can go on.
fn comes_back(stranger: &mut Stranger, at: Duration, name: &str, lost: ConnectionAct) -> Duration {
    stranger.does_at(at, lost);
    stranger.does_at(at + Duration::from_millis(100), connect());
    stranger.does_at(at + Duration::from_millis(350), register(name, None));
    at + Duration::from_millis(450)
}
