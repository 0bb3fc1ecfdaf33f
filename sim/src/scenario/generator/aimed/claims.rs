//! What strangers claim that is not theirs, or not theirs any more; and who comes as the hub goes.

use std::time::Duration;

use super::super::dice::Dice;
use super::super::stranger::{Stranger, connect, register, subscribe, tell, unsubscribe, write};
use crate::net::Seen;
use crate::scenario::{
    Act, Action, ConnectionAct, HubAction, Scenario, Step, What, When, WhichToken,
};

/// A token and an id that no hub has given to anybody.
const INVENTED: &str = "01234567-89ab-4def-8123-456789abcdef";

/// A stranger leaves a connection behind that the hub takes for alive, and shows what it was told there:
/// tokens and subscriptions that are another session's, spent when somebody else takes the address.
pub fn of_what_is_not_theirs(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_500, 45_000);
    let name = "mallory/left";
    let mut stranger = Stranger::registered(80, begin, name);
    stranger.does(dice, subscribe("news"));
    for _ in 0..dice.between(0, 2) {
        stranger.does(dice, renew(name, WhichToken::Latest));
    }
    stranger.at += Duration::from_millis(100);
    let hub_sees = if dice.one_in(2) { Seen::Never } else { Seen::Now };
    let lost = ConnectionAct::Reconnect { hub_sees };
    stranger.does(dice, lost);
    stranger.at += Duration::from_millis(100);
    stranger.does(dice, connect());
    stranger.at += Duration::from_millis(300);
    stranger.does(dice, register("mallory/other", None));
    stranger.at += Duration::from_millis(100);
    if dice.one_in(2) {
        let mut heir = Stranger::connected(81, stranger.at - Duration::from_millis(250));
        heir.does(dice, register(name, None));
        heir.does(dice, subscribe("news"));
        heir.joins(scenario);
    }
    for _ in 0..dice.between(4, 10) {
        let step = match dice.between(0, 7) {
            0 | 1 => renew(name, *dice.pick(&[WhichToken::Latest, WhichToken::Used])).into(),
            2 => unsubscribe("news", true).into(),
            3 => Action::Unregister { address: Some(name.to_owned()) }.into(),
            4 => invented(dice, name),
            5 => register("@(cloudflare/signal-hub)", None).into(),
            _ => {
                let speakers = [name, "mallory/witness", "@(cloudflare/signal-hub)"];
                let speaker = *dice.pick(&speakers);
                speaks_as(&mut stranger, dice, speaker);
                continue;
            }
        };
        stranger.does(dice, step);
    }
    stranger.joins(scenario);
}

fn renew(name: &str, token: WhichToken) -> Action {
    Action::Renew { address: Some(name.to_owned()), token }
}

fn invented(dice: &mut Dice, name: &str) -> Act {
    let head = format!(r#""id":"invented","from":"@({name})","pattern":"ask""#);
    let session = format!(r#""id":"invented","from":"session-{INVENTED}","pattern":"ask""#);
    match dice.between(0, 3) {
        0 => write("hub:renew", &head, &format!(r#"{{"renewalToken":"{INVENTED}"}}"#), "{}"),
        1 => write("hub:renew", &head, r#"{"renewalToken":"no token"}"#, "{}"),
        2 => write(
            "hub:unsubscribe",
            &head,
            &format!(r#"{{"subscriptionId":"sub-{INVENTED}"}}"#),
            "{}",
        ),
        _ => write("hub:subscribe", &session, r#"{"topic":"news"}"#, "{}"),
    }
    .into()
}

/// Says something in another's name.
fn speaks_as(stranger: &mut Stranger, dice: &mut Dice, speaker: &str) {
    let act: Act = match dice.between(0, 5) {
        0 => tell("mallory/left", 0).into(),
        1 => subscribe("weather").into(),
        2 => unsubscribe("news", false).into(),
        3 => Action::Unregister { address: None }.into(),
        4 => Action::Renew { address: None, token: WhichToken::None }.into(),
        _ => Action::Publish { topic: dice.topic(), speech: Default::default() }.into(),
    };
    let (who, when) = (stranger.who.clone(), When::At(stranger.at));
    let what = What::Act { who, speaker: Some(speaker.to_owned()), act };
    stranger.then(dice, Step { when, what });
}

/// Two strangers with several addresses each take them from each other, one by one.
pub fn one_by_one(dice: &mut Dice, scenario: &mut Scenario) {
    let begin = dice.millis(1_500, 45_000);
    let mut sides = [85, 86].map(|number| Stranger::connected(number, begin));
    for (side, stranger) in sides.iter_mut().enumerate() {
        for number in 0..3 {
            let name = format!("mallory/side/{side}/{number}");
            stranger.does(dice, register(&name, None));
            if dice.one_in(2) {
                stranger.does(dice, subscribe("news"));
            }
        }
        stranger.at = begin + Duration::from_secs(1);
    }
    for _ in 0..dice.between(4, 12) {
        let taker = dice.between(0, 1);
        let name = format!("mallory/side/{}/{}", dice.between(0, 1), dice.between(0, 2));
        let act = match dice.between(0, 7) {
            0 => tell(&name, 0),
            1 => Action::Unregister { address: Some(name) },
            _ => register(&name, None),
        };
        sides[taker].does(dice, act);
    }
    sides.into_iter().for_each(|stranger| stranger.joins(scenario));
}

/// Strangers connect while the hub shuts down.
pub fn at_shutdown(dice: &mut Dice, scenario: &mut Scenario) {
    let at = dice.millis(3_000, 50_000);
    let down = HubAction::Restart { abruptly: false, pause: dice.millis(100, 2_000) };
    scenario.steps.push(Step { when: When::At(at), what: What::Hub(down) });
    for number in 90..90 + dice.between(2, 5) as u32 {
        // Some have a session that is not connected yet, some not even that, and some come too late.
        let mut stranger = Stranger::new(number, at - dice.millis(0, 150));
        stranger.steady(4_096);
        let first = if dice.one_in(2) { connect() } else { Action::Open };
        stranger.does(dice, first);
        if dice.one_in(3) {
            stranger.does(dice, register(&format!("mallory/early/{number}"), None));
        }
        stranger.does(dice, connect());
        stranger.does(dice, register(&format!("mallory/last/{number}"), None));
        stranger.joins(scenario);
    }
}
