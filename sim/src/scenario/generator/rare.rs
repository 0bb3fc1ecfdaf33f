//! What chance alone brings about too rarely: three strangers who keep to the clock. They draw from
//! dice of their own, so that the rest of a storm is the same with and without them.

use std::time::Duration;

use super::dice::Dice;
use crate::net::Seen;
use crate::scenario::{Action, Scenario, Step, WhichToken, Who};

/// The actor that has no client; others of its connections have lower numbers.
const STRANGER: &str = "mallory";

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
        let refresh = Action::RefreshToken { token: "none".to_owned() };
        scenario.steps.push(Step::at(dice.any_time(), who, refresh));
    }
}

/// Loses its connection and registers again when the resume window is all but over.
fn resume_at_the_deadline(dice: &mut Dice, scenario: &mut Scenario) {
    let who = Who::Raw(STRANGER.to_owned(), 9);
    let register = Action::Register {
        address: Some("mallory/late".to_owned()),
        ttl: None,
        renew_on_heartbeat: false,
    };
    let window = scenario.hub.resume_window;
    if window.is_zero() {
        return;
    }
    let begin = dice.millis(1_500, 40_000);
    let lost = begin + Duration::from_secs(2);
    let hundredth = u64::try_from(window.as_millis() / 100).unwrap_or(u64::MAX);
    let back = lost + window - dice.millis(0, 2 * hundredth);
    let steps = [
        (begin, connect()),
        (begin + Duration::from_secs(1), register.clone()),
        (lost, Action::Reconnect { hub_sees: Seen::Now }),
        (back - Duration::from_secs(1), connect()),
        (back, register),
    ];
    scenario.steps.extend(steps.map(|(at, action)| Step::at(at, who.clone(), action)));
}

/// Registers for a short time and renews when that is over, give or take.
fn renew_at_expiry(dice: &mut Dice, scenario: &mut Scenario) {
    let who = Who::Raw(STRANGER.to_owned(), 8);
    let address = Some("mallory/brief".to_owned());
    let begin = dice.millis(1_500, 50_000);
    let registered = begin + Duration::from_secs(1);
    let ttl = Duration::from_secs(dice.between(1, 5) as u64);
    let renewed = registered + ttl - Duration::from_millis(100) + dice.millis(0, 200);
    let steps = [
        (begin, connect()),
        (
            registered,
            Action::Register {
                address: address.clone(),
                ttl: Some(ttl),
                renew_on_heartbeat: false,
            },
        ),
        (renewed, Action::Renew { address, token: WhichToken::Latest }),
    ];
    scenario.steps.extend(steps.map(|(at, action)| Step::at(at, who.clone(), action)));
}

fn connect() -> Action {
    Action::Connect { protocol_version: None, token: None }
}
