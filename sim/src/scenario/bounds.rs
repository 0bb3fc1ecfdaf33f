//! What a scenario may ask of this hub.

use std::time::Duration;

use dst::scenario::at_most;
use serde_json::Value;
use signal_hub::protocol::{ActorAddress, InvalidName, MessageId};
use signal_hub::settings;
use signal_hub::settings::rules::{self, Rule};

use super::{Action, Actor, ActorKind, Ending, Scenario, Step, What, token};

/// Pings and heartbeats of a run.
const BEATS_MAX: u128 = 10_000_000;
/// Of one step.
const PADDING_MAX: usize = 16 * 1024 * 1024;
/// Of all steps, which the history of the run holds together.
const PADDING_TOTAL_MAX: usize = 256 * 1024 * 1024;

/// The whole, whose steps last so long.
pub fn check(scenario: &Scenario, lasts: Duration) -> Result<(), String> {
    settings::check(&scenario.hub).map_err(|why| format!("hub: {why}"))?;
    let ttl = scenario.clients.registration_ttl;
    if !(1..=3600).contains(&ttl.as_secs()) || ttl.subsec_nanos() > 0 {
        let ttl = humantime::format_duration(ttl);
        return Err(format!("registration_ttl = {ttl}: expected whole seconds, 1s to 1h"));
    }
    scenario
        .actors
        .iter()
        .flat_map(|actor| &actor.addresses)
        .try_for_each(|name| check_name(name))?;
    token::check(scenario)?;
    let padding = scenario.steps.iter().filter_map(|step| match &step.what {
        What::Act { act, .. } => Some(act.own()?.speech()?.padding),
        What::Hub(_) | What::Network(_) => None,
    });
    let padding = padding.fold(0, usize::saturating_add);
    at_most("bytes of padding", padding, PADDING_TOTAL_MAX)?;
    check_beats(scenario, lasts)
}

fn check_beats(scenario: &Scenario, lasts: Duration) -> Result<(), String> {
    let ending = match scenario.ending {
        Ending::Stop => Duration::ZERO,
        Ending::Calm => scenario.hub.idle_timeout,
    };
    let interval = scenario.hub.ping_interval.min(scenario.hub.heartbeat_interval);
    let beats = lasts.saturating_add(ending).as_nanos() / interval.as_nanos().max(1);
    let beats = beats.saturating_mul(2 * scenario.actors.len() as u128);
    if beats > BEATS_MAX {
        Err(format!(
            "the run would take {beats} pings and heartbeats: at most {BEATS_MAX}; make the hub's \
             ping_interval and heartbeat_interval longer, or the run shorter"
        ))
    } else {
        Ok(())
    }
}

/// Returns whether the hub has room for every client with all its addresses, when others have left.
pub fn is_fair(scenario: &Scenario) -> bool {
    let clients = scenario.actors.iter().filter(|actor| actor.kind == ActorKind::Client);
    let addresses = clients.clone().map(|actor| 1 + actor.addresses.len());
    scenario.hub.sessions_max > clients.count()
        && scenario.hub.registrations_max >= addresses.sum::<usize>()
}

/// The rules between its settings that the hub breaks: `serve` refuses them, files may mean them. And the
/// tokens that nobody has, and the clients that nobody is to have recover.
pub fn doubts(scenario: &Scenario) -> Vec<String> {
    let values = serde_json::to_value(&scenario.hub).unwrap_or_default();
    let told = |name: &str| match &values[name] {
        Value::String(text) => format!("{name} = {text}"),
        other => format!("{name} = {other}"),
    };
    let rules = rules::broken(&scenario.hub);
    let rules = rules.map(|Rule { left, must, right, why }| {
        format!("{} {must} {}: {why}", told(left), told(right))
    });
    let unknown = scenario.clients.recovering.iter().filter(|name| {
        let is_it = |actor: &Actor| actor.name == **name && actor.kind == ActorKind::Client;
        !scenario.actors.iter().any(is_it)
    });
    let unknown = unknown.map(|name| format!("recovering: {name:?} has no client"));
    rules.chain(token::doubts(scenario)).chain(unknown).collect()
}

/// Names, ids and sizes that become part of the protocol's words.
pub fn check_step(scenario: &Scenario, step: &Step) -> Result<(), String> {
    let What::Act { speaker, act, .. } = &step.what else { return Ok(()) };
    let (speaker, action) = (speaker.as_deref(), act.own());
    let named = action.and_then(Action::mentioned_actor);
    named.into_iter().chain(speaker).try_for_each(check_name)?;
    if let Some(Action::Ask { id: Some(id), .. }) = action {
        MessageId::parse(id).map_err(|error| format!("{id:?} is no id: {error}"))?;
    }
    if let Some(shown) = action.and_then(Action::token) {
        token::check_shown(scenario, shown)?;
    }
    let padding = action.and_then(Action::speech).map_or(0, |speech| speech.padding);
    at_most("bytes of padding", padding, PADDING_MAX)
}

fn check_name(name: &str) -> Result<(), String> {
    address(name).map(drop).map_err(|error| format!("{name:?} is no address: {error}"))
}

/// The address that a scenario means: an actor's name, or an address as it is.
///
/// # Errors
/// If it is neither.
pub fn address(name: &str) -> Result<ActorAddress, InvalidName> {
    if name.starts_with("@(") { ActorAddress::parse(name) } else { ActorAddress::from_path(name) }
}
