//! Storms over several hubs as scenario files: what actors say, and what becomes of hubs, their engine, and the ways
//! between them.

mod action;

use std::fs;
use std::path::Path;
use std::time::Duration;

use dst::net::{self, Peers};
use dst::scenario::{self, Act, Actor, Ending, HUB_HOST, ProcessAct, When, Who};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

pub use action::{Action, Hubs, Settings};
use action::{For, Held, Keeps, On, WayOf};

use super::moves::{FAULTS, Fault, Move, Word};
use super::world::Setting;
use super::{Nodes, weather};
use crate::engine::{Kept, Way};

/// Who does what when.
pub type Scenario = scenario::Scenario<Nodes>;
/// One thing that happens.
pub type Step = scenario::Step<Nodes>;
type What = scenario::What<Nodes>;

/// Whoever decides writes.
pub(super) const ENGINE: &str = "engine";
/// Connections of one actor at one time.
const CONNECTIONS_MAX: usize = 2;
/// Ten years.
const CLOCK_SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;
/// Hubs, and actors.
const MOST: usize = 9;

/// What a step comes to.
pub(super) enum Effect {
    /// It happens.
    Once(Move),
    /// A fault of a hub, or of the engine, that lasts.
    Lasting(usize, Fault, Duration),
    /// What the network does, if there is one.
    Network(net::Fault),
}

/// The world of a scenario.
pub(super) fn setting(scenario: &Scenario) -> Setting {
    let mut setting = Setting::new(scenario.clients.hubs, scenario.actors.len());
    setting.config.resume_window = scenario.hub.resume_window;
    setting.cluster.lease = scenario.hub.lease;
    setting
}

/// The scenario in which these moves happen.
pub(super) fn of_moves(setting: &Setting, seed: u64, moves: &[Move]) -> Scenario {
    let (mut steps, mut now) = (Vec::<(Duration, Effect)>::new(), Duration::ZERO);
    for one in moves {
        match *one {
            Move::Wait(time) => now += time,
            Move::Fault(node, fault) if fault.lasts() => {
                let node = if fault == Fault::Election { 0 } else { node };
                let same = |(_, effect): &&mut (Duration, Effect)| {
                    matches!(effect, Effect::Lasting(of, other, lasts)
                        if (*of, *other, *lasts) == (node, fault, Duration::MAX))
                };
                match steps.iter_mut().find(same) {
                    Some((at, Effect::Lasting(.., lasts))) => *lasts = now - *at,
                    _ => steps.push((now, Effect::Lasting(node, fault, Duration::MAX))),
                }
            }
            other => steps.push((now, Effect::Once(other))),
        }
    }
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let network = weather::link(&mut rng);
    let steps = weather::strike(setting, &mut rng, steps);
    let steps = steps.into_iter().map(|(at, effect)| step(at, effect, now)).collect();
    let actors = (0..setting.actors).map(|actor| Actor::client(&name_of(actor))).collect();
    let clients = Hubs { hubs: setting.nodes };
    Scenario { seed, network, clients, actors, steps, ending: Ending::Calm, ..Scenario::default() }
}

pub(super) fn name_of(actor: usize) -> String {
    format!("a{actor}")
}

pub(super) fn hub_of(node: usize) -> String {
    format!("n{node}")
}

/// What lasts without end lasts until nothing else happens.
fn step(at: Duration, effect: Effect, end: Duration) -> Step {
    let (who, act) = match effect {
        Effect::Once(Move::Open { actor, node }) => {
            (name_of(actor), Act::Do(Action::Connect { hub: hub_of(node) }))
        }
        Effect::Once(Move::Say { actor, slot, word }) => {
            (name_of(actor), Act::Do(saying(word, slot + 1)))
        }
        Effect::Once(Move::End { actor, slot }) => {
            (name_of(actor), Act::Do(Action::Lose(On { connection: slot + 1 })))
        }
        Effect::Once(Move::Fault(node, fault)) => breaking(node, fault, Duration::ZERO),
        Effect::Lasting(node, fault, lasts) => {
            let rest = end.saturating_sub(at) + Duration::from_secs(1);
            breaking(node, fault, if lasts == Duration::MAX { rest } else { lasts })
        }
        Effect::Network(fault) => return Step::fault(at, fault),
        Effect::Once(Move::Wait(_)) => unreachable!("waiting is no step"),
    };
    Step::at(at, Who::Client(who), act)
}

fn saying(word: Word, connection: usize) -> Action {
    let on = On { connection };
    match word {
        Word::Register => Action::Register(on),
        Word::Recover => Action::Recover(on),
        Word::Unregister => Action::Unregister(on),
        Word::Subscribe => Action::Subscribe(on),
        Word::Unsubscribe => Action::Unsubscribe(on),
        Word::Publish => Action::Publish(on),
        Word::Send(to) => Action::Send { to: name_of(to), connection },
        Word::List => Action::List(on),
        Word::Disconnect => Action::Disconnect(on),
    }
}

fn breaking(node: usize, fault: Fault, lasts: Duration) -> (String, Act<Nodes>) {
    let cut = |way| Action::Cut { way, lasts };
    let hold = |what| Action::HoldBack { what, lasts };
    let action = match fault {
        Fault::Pause => return (hub_of(node), ProcessAct::Pause { lasts }.into()),
        Fault::Crash => {
            let crash = ProcessAct::Crash { peers: Peers::SeeReset, pause: lasts };
            return (hub_of(node), crash.into());
        }
        Fault::Leave => return (hub_of(node), ProcessAct::Leave { pause: lasts }.into()),
        Fault::Twin => Action::StartTwin,
        Fault::Upgrade => Action::Upgrade,
        Fault::Clock(seconds) => Action::SetClock { seconds },
        Fault::Disconnect => Action::LoseEngine(For { lasts }),
        Fault::Cut(Way::ToEngine) => cut(WayOf::ToEngine),
        Fault::Cut(Way::FromEngine) => cut(WayOf::FromEngine),
        Fault::Hold => hold(Held::Everything),
        Fault::HoldWatch => hold(Held::Watch),
        Fault::HoldAnswers => hold(Held::Answers),
        Fault::HoldMessages => hold(Held::Messages),
        Fault::EndWatch => Action::EndWatch,
        Fault::LoseAnswer => Action::LoseAnswer,
        Fault::Late => Action::DelayWrite,
        Fault::Stale => Action::ReadOld,
        Fault::LoseMessage => Action::LoseMessage,
        Fault::DoubleMessage => Action::RepeatMessage,
        Fault::CarryOut => return (ENGINE.to_owned(), Act::Do(Action::CarryOut)),
        Fault::Election => return (ENGINE.to_owned(), Act::Do(Action::Elect(For { lasts }))),
        Fault::Restart(kept) => {
            let keeps = match kept {
                Kept::All => Keeps::All,
                Kept::AllBut(_) => Keeps::AllButTheLast,
                Kept::Nothing => Keeps::Nothing,
            };
            return (ENGINE.to_owned(), Act::Do(Action::RestartEngine { keeps }));
        }
    };
    (hub_of(node), Act::Do(action))
}

/// When each step begins.
pub(super) fn begins(scenario: &Scenario) -> impl Iterator<Item = (Duration, &Step)> {
    let mut now = Duration::ZERO;
    scenario.steps.iter().map(move |step| {
        now = match step.when {
            When::At(at) => at,
            When::After(after) => now + after,
            When::Then => now,
        };
        (now, step)
    })
}

/// What a step comes to.
///
/// # Errors
/// Why it cannot be played.
pub(super) fn effect(scenario: &Scenario, step: &Step) -> Result<Effect, String> {
    if let What::Network(fault) = &step.what {
        return of_network(fault);
    }
    let What::Act { who: Who::Client(who), speaker: None, act } = &step.what else {
        return Err("among several hubs a step is an actor's, such as a0, a hub's, such as n0, or the engine's".to_owned());
    };
    let place = |kind: char, most: usize| {
        let number = who.strip_prefix(kind).and_then(|number| number.parse::<usize>().ok());
        number.filter(|number| *number < most)
    };
    let actors = scenario.actors.len();
    match (place('a', actors), place('n', scenario.clients.hubs), act) {
        (Some(actor), _, Act::Do(action)) => said(scenario, actor, action).map(Effect::Once),
        (_, Some(node), act) => broken(who, node, act),
        (None, None, act @ Act::Do(_)) if who == ENGINE => broken(who, 0, act),
        _ => Err(format!(
            "{who} cannot do that: actors of several hubs are called a0, a1 and so on, and say what an action names; \
             hubs are called n0, n1 and so on, and the engine is called {ENGINE}"
        )),
    }
}

fn said(scenario: &Scenario, actor: usize, action: &Action) -> Result<Move, String> {
    let say = |on: &On, word| {
        let slot = on.connection.wrapping_sub(1);
        if slot < CONNECTIONS_MAX {
            Ok(Move::Say { actor, slot, word })
        } else {
            Err(format!("`connection`: {} is neither 1 nor 2", on.connection))
        }
    };
    match action {
        Action::Connect { hub } => {
            let node = (0..scenario.clients.hubs).find(|node| hub_of(*node) == *hub);
            let node = node.ok_or_else(|| format!("`hub`: {hub:?} is none of the hubs"))?;
            Ok(Move::Open { actor, node })
        }
        Action::Lose(on) => {
            say(on, Word::Register).map(|_| Move::End { actor, slot: on.connection - 1 })
        }
        Action::Register(on) => say(on, Word::Register),
        Action::Recover(on) => say(on, Word::Recover),
        Action::Unregister(on) => say(on, Word::Unregister),
        Action::Subscribe(on) => say(on, Word::Subscribe),
        Action::Unsubscribe(on) => say(on, Word::Unsubscribe),
        Action::Publish(on) => say(on, Word::Publish),
        Action::Send { to, connection } => {
            let found = scenario.actors.iter().position(|other| other.name == *to);
            let to = found.ok_or_else(|| format!("`to`: {to:?} is none of the actors"))?;
            say(&On { connection: *connection }, Word::Send(to))
        }
        Action::List(on) => say(on, Word::List),
        Action::Disconnect(on) => say(on, Word::Disconnect),
        _ => Err("a hub or the engine can do that, such as n0, and no actor".to_owned()),
    }
}

/// What breaks or is mended: whatever fault would be written like this.
fn broken(who: &str, node: usize, act: &Act<Nodes>) -> Result<Effect, String> {
    let (mut written, mut clock) = ((who.to_owned(), act.clone()), None);
    let lasts = match &mut written.1 {
        Act::Process(ProcessAct::Pause { lasts } | ProcessAct::Leave { pause: lasts }) => *lasts,
        Act::Process(ProcessAct::Crash { peers, pause }) => {
            *peers = Peers::SeeReset;
            *pause
        }
        Act::Do(Action::LoseEngine(For { lasts }) | Action::Elect(For { lasts })) => *lasts,
        Act::Do(Action::Cut { lasts, .. } | Action::HoldBack { lasts, .. }) => *lasts,
        Act::Do(Action::SetClock { seconds }) if seconds.unsigned_abs() > CLOCK_SECONDS_MAX => {
            return Err(format!("`seconds`: {seconds}: at most {CLOCK_SECONDS_MAX} either way"));
        }
        Act::Do(Action::SetClock { seconds }) => {
            clock = Some(Fault::Clock(*seconds));
            Duration::ZERO
        }
        Act::Do(_) => Duration::ZERO,
        _ => return Err("of a hub among several this is not known".to_owned()),
    };
    let mut faults = FAULTS.iter().map(|(_, fault)| *fault).chain(clock);
    let fault = faults.find(|fault| breaking(node, *fault, lasts) == written);
    let fault = fault.ok_or_else(|| match who {
        ENGINE => "an actor or a hub can do that, and not the engine".to_owned(),
        _ => "an actor or the engine can do that, and no hub".to_owned(),
    })?;
    Ok(if fault.lasts() {
        Effect::Lasting(node, fault, lasts)
    } else {
        Effect::Once(Move::Fault(node, fault))
    })
}

/// Hosts are called like hubs, actors and the engine.
fn of_network(fault: &net::Fault) -> Result<Effect, String> {
    use net::Fault::{ClockSkew, Crash, Pause};
    if matches!(fault, Crash { .. } | Pause { .. } | ClockSkew { .. }) {
        return Err("it is the hub that does that, such as n0, and not the network".to_owned());
    } else if fault.hosts().contains(&HUB_HOST) {
        return Err(format!("there is no {HUB_HOST}: name one of the hubs, such as n0"));
    }
    Ok(Effect::Network(fault.clone()))
}

/// Whether the whole can be played.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(scenario: &Scenario) -> Result<(), String> {
    if !(2..=MOST).contains(&scenario.clients.hubs) {
        return Err(format!("hubs: {} are not from 2 to {MOST}", scenario.clients.hubs));
    }
    scenario::at_most("actors", scenario.actors.len(), MOST)?;
    let mut named = scenario.actors.iter().enumerate();
    if let Some((at, actor)) = named.find(|(at, actor)| **actor != Actor::client(&name_of(*at))) {
        return Err(format!(
            "actors: those of several hubs are called a0, a1 and so on, in order: {:?} is {:?}",
            actor.name,
            name_of(at)
        ));
    }
    Ok(())
}

/// Returns whether a file, if it is one, says how many hubs there are.
pub fn is_of_several(file: &Path) -> bool {
    let fields = fs::read_to_string(file).ok();
    let fields = fields.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    fields.is_some_and(|fields| fields.get("hubs").is_some())
}

/// Who is named beside the actors.
pub(super) fn others(scenario: &Scenario) -> Vec<String> {
    let hubs = (0..scenario.clients.hubs.min(MOST)).map(hub_of);
    hubs.chain([ENGINE.to_owned()]).collect()
}
