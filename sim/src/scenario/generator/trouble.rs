//! What goes wrong.

use super::dice::Dice;
use super::kinds::{Kind, Weights, draw};
use crate::net::{Choice, ConnectMode, CutDetection, Fault, Peers, Ways};
use crate::scenario::{
    Act, ConnectionAct, HUB_HOST, HubAction, ProcessAct, Scenario, Step, What, When, Who,
};

/// As many troubles as the weights say.
pub fn plan(dice: &mut Dice, weights: &Weights, scenario: &mut Scenario) {
    let (least, most) = weights.troubles_between;
    for _ in 0..dice.times_between(least, most) {
        let kind = draw(&weights.troubles, dice);
        trouble(dice, scenario, kind);
    }
}

fn trouble(dice: &mut Dice, scenario: &mut Scenario, kind: Kind) {
    let actor = dice.actor(scenario);
    let at = dice.any_time();
    let what = match kind {
        Kind::Reconnect => act(&actor, ConnectionAct::Reconnect { hub_sees: dice.seen() }),
        Kind::Start => act(&actor, ProcessAct::Start),
        Kind::Leave => act(&actor, ProcessAct::Leave { pause: dice.millis(10, 4_000) }),
        Kind::Crash => {
            let peers = if dice.one_in(2) { Peers::SeeReset } else { Peers::SeeNothing };
            act(&actor, ProcessAct::Crash { peers, pause: dice.millis(10, 4_000) })
        }
        Kind::PauseClient => act(&actor, ProcessAct::Pause { lasts: dice.millis(100, 12_000) }),
        Kind::PauseHub => What::Hub(HubAction::Pause { lasts: dice.millis(100, 4_000) }),
        Kind::RestartHub => What::Hub(HubAction::Restart {
            abruptly: dice.one_in(2),
            pause: dice.millis(100, 3_000),
        }),
        Kind::Partition => {
            let [split, rejoin] = partition(dice, actor);
            let until = at + dice.millis(1_000, 25_000);
            scenario.steps.push(Step::fault(until, rejoin));
            What::Network(split)
        }
        kind => What::Network(fault(dice, actor, kind)),
    };
    scenario.steps.push(Step { when: When::At(at), what });
}

fn act(actor: &str, act: impl Into<Act>) -> What {
    What::Act { who: Who::Client(actor.to_owned()), speaker: None, act: act.into() }
}

fn fault(dice: &mut Dice, actor: String, kind: Kind) -> Fault {
    let (from, to) = direction(dice, &actor);
    match kind {
        Kind::Reset => Fault::Reset { connections: latest(actor) },
        Kind::Sever => Fault::Sever {
            connections: latest(actor),
            client_sees: CutDetection::reset(dice.seen()),
            server_sees: CutDetection::end_of_stream(dice.seen()),
        },
        Kind::Stall => Fault::Stall { from, to, lasts: dice.millis(500, 20_000) },
        Kind::PauseReading => {
            Fault::PauseHostReading { host: actor, lasts: dice.millis(500, 15_000) }
        }
        Kind::Connects => {
            let modes = [ConnectMode::Refuse, ConnectMode::Hang, ConnectMode::BlackHole];
            Fault::Connects { from: actor, to: HUB_HOST.to_owned(), mode: *dice.pick(&modes) }
        }
        Kind::Weather => Fault::Link { from, to, config: dice.weather() },
        Kind::ClockSkew => {
            let host = if dice.one_in(4) { HUB_HOST.to_owned() } else { actor };
            let milliseconds = dice.between(0, 20_000) as i64 - 10_000;
            Fault::ClockSkew { host, milliseconds }
        }
        _ => unreachable!("no fault of the network"),
    }
}

/// To the hub or from it.
fn direction(dice: &mut Dice, actor: &str) -> (String, String) {
    if dice.one_in(2) {
        (actor.to_owned(), HUB_HOST.to_owned())
    } else {
        (HUB_HOST.to_owned(), actor.to_owned())
    }
}

/// One actor is cut off for a while, one way or both.
fn partition(dice: &mut Dice, actor: String) -> [Fault; 2] {
    let (from, to) = direction(dice, &actor);
    let ways = if dice.one_in(2) { Ways::OneWay } else { Ways::BothWays };
    let split = Fault::Partition { from: from.clone(), to: to.clone(), ways };
    [split, Fault::Rejoin { from, to, ways }]
}

fn latest(actor: String) -> Choice {
    Choice::Latest { client: actor, server: HUB_HOST.to_owned() }
}
