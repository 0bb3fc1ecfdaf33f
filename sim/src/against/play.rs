//! Plays a scenario against a hub, if that can.

use std::time::Duration;

use dst::System;
use dst::backend::{Backend, Skipped};
use dst::net::Fault;
use dst::run::Keep;
use dst::scenario::{Act, ConnectionAct, Expect, Step, What, Who};
use signal_hub::hub::Config;

use super::dialect::Promises;
use super::target::{Target, Tongue};
use super::words::word_of;
use super::{AnyHub, Outcome, Scenario};
use crate::scenario::Action;

/// Plays the scenario once; tells as well for how long the machine stood still in it.
///
/// # Errors
/// If it cannot be played against this hub, with the reason.
pub fn play(scenario: &Scenario, keep: Keep) -> Result<(Outcome, Duration), Skipped> {
    let skipped = |reason: String| Skipped { reason };
    let target = scenario.hub.target().ok_or_else(|| skipped("no hub is named".to_owned()))?;
    needs(scenario, target).map_err(skipped)?;
    let run = target.begin(scenario)?;
    let has_more = scenario.actors.iter().any(|actor| !actor.addresses.is_empty());
    if run.promises.one_address && has_more {
        return Err(skipped("an actor of it has several addresses".to_owned()));
    }
    for (number, step) in (1..).zip(&scenario.steps) {
        if let Some(why) = needs_of_step(step, target, &run.promises) {
            return Err(skipped(format!("step {number} {why}")));
        }
    }
    let scenario = Scenario { hub: scenario.hub.under(run), ..scenario.clone() };
    let played = dst::backend::play_once(&scenario, Backend::Real, keep)?;
    let run = scenario.hub.run();
    if let Some(why) = run.given_up() {
        return Err(skipped(why));
    }
    if played.0.violation.is_some() {
        target.keep_output(scenario.seed, &run.output);
    }
    Ok(played)
}

/// Whether the hub can be as the scenario wants it.
fn needs(scenario: &Scenario, target: &Target) -> Result<(), String> {
    if !scenario.clients.tokens.is_empty() {
        return Err("it needs a hub that knows the simulator's key".to_owned());
    }
    let has_small_queues = scenario.hub.config.queue_messages_max
        < Config::default().queue_messages_max
        || scenario.hub.config.queue_bytes_max < Config::default().queue_bytes_max;
    let stops_reading = |step: &Step<AnyHub>| match &step.what {
        What::Act { act: Act::Connection(ConnectionAct::PauseReading { .. }), .. }
        | What::Network(Fault::PauseReading { .. } | Fault::PauseHostReading { .. }) => true,
        What::Act { .. } | What::Hub(_) | What::Network(_) => false,
    };
    let expects = |step: &Step<AnyHub>| matches!(&step.what, What::Act { act, .. } if act.expects().is_some());
    let steps = &scenario.steps;
    if scenario.clients.store.is_some() && steps.iter().any(expects) {
        return Err("it needs a hub with a store on a disk of the simulator's".to_owned());
    }
    if has_small_queues && steps.iter().any(stops_reading) && steps.iter().any(expects) {
        return Err(
            "it fills a queue, and the system's own buffers are in front of that".to_owned()
        );
    }
    if scenario.hub.config == Config::default() || target.place.takes_settings() {
        return Ok(());
    }
    let settings = dst::scenario::settings(scenario).join(", ");
    Err(format!("it sets {settings}: let --exec take {{config}}, if this is a hub of this project"))
}

/// What a step needs that is not there.
fn needs_of_step(step: &Step<AnyHub>, target: &Target, promises: &Promises) -> Option<String> {
    match &step.what {
        What::Hub(_) if !target.place.is_ours() => {
            Some("does something to the hub: only one that --exec starts can bear that".to_owned())
        }
        What::Network(Fault::ClockSkew { .. }) => Some("sets a clock".to_owned()),
        What::Hub(_) | What::Network(_) => None,
        What::Act { who, speaker, act: Act::Do(action) } => match action {
            action if promises.one_address && names_another(who, speaker.as_deref(), action) => {
                Some("names another address than its own".to_owned())
            }
            Action::Connect { token: Some(_), .. } | Action::RefreshToken { .. } => {
                Some("shows a token".to_owned())
            }
            Action::Recover { .. } | Action::Register { recovery: Some(_), .. } => {
                Some("recovers, which is not judged from outside".to_owned())
            }
            Action::Refused { code } => is_foreign(target).then(|| format!("waits for {code:?}")),
            action => {
                let word = word_of(action)?;
                (!promises.knows(word))
                    .then(|| format!("has to {word}: the dialect has no word for it"))
            }
        },
        What::Act { act: Act::Expect(Expect::Sees(expected)), .. } => {
            let kind = &expected.kind;
            let is_own = kind.starts_with("hub:") && is_foreign(target);
            is_own.then(|| format!("waits for {kind}, a word of another protocol"))
        }
        What::Act { act: Act::Expect(Expect::ClosedWith { code: Some(code) }), .. } => {
            is_foreign(target).then(|| format!("waits for the close code {code}"))
        }
        What::Act { .. } => None,
    }
}

/// Returns whether it speaks, or registers, in another name than the actor's.
fn names_another(who: &Who, speaker: Option<&str>, action: &Action) -> bool {
    let registers = AnyHub::registers(action);
    [speaker, registers].into_iter().flatten().any(|name| name != who.actor())
}

fn is_foreign(target: &Target) -> bool {
    matches!(target.tongue, Tongue::Child(_))
}

/// The storm of a seed, as far as the hub and its dialect can play it.
pub fn adapted(storm: &Scenario, target: &std::sync::Arc<Target>, promises: &Promises) -> Scenario {
    let mut storm = storm.clone();
    storm.clients.tokens.clear();
    if !target.place.takes_settings() {
        storm.hub.config = Config::default();
    }
    if promises.one_address {
        storm.actors.iter_mut().for_each(|actor| actor.addresses.clear());
    }
    storm.steps.retain(|step| needs_of_step(step, target, promises).is_none());
    storm.hub = storm.hub.at(target);
    storm
}
