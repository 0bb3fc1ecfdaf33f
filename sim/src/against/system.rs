//! Any hub as the engine knows it: the scenarios of this hub, and what clients see. They are read, and checked, as
//! this hub's.

use std::time::Duration;

use dst::System;
use dst::backend::{Backend, Skipped};
use dst::run::Keep;
use dst::scenario::{Act, ActorKind, Expectation, Step, What};

use super::history::{ClientEvent, Unseen};
use super::judge::{Finding, Judge, Watch};
use super::{Outcome, Scenario, Subject};
use crate::SignalHub;
use crate::invariants::Invariant;
use crate::scenario::{self, Action, Clients, Profile};

/// A hub that nobody looks into.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct AnyHub;

impl System for AnyHub {
    type Settings = Subject;
    type Clients = Clients;
    type Action = Action;
    type HubEvent = Unseen;
    type ClientEvent = ClientEvent;
    type Invariant = Invariant;
    type Judge = Judge;
    type Situation = Finding;
    type Watch = Watch;
    type Shape = ();
    type Profile = Profile;

    const NAME: &str = "any hub";
    const COMMAND: &str = "cargo sim against";
    const RUST_PATH: &str = "signal_hub_sim";
    const FIXED_FIELDS: &[&str] = SignalHub::FIXED_FIELDS;
    const NAMING_FIELDS: &[&str] = SignalHub::NAMING_FIELDS;

    fn awaits(action: &Action) -> Option<Expectation> {
        SignalHub::awaits(action)
    }

    fn only_for(action: &Action) -> Option<ActorKind> {
        SignalHub::only_for(action)
    }

    fn registers(action: &Action) -> Option<&str> {
        SignalHub::registers(action)
    }

    fn mentioned_actor(action: &Action) -> Option<&str> {
        action.mentioned_actor()
    }

    fn generate(profile: Profile, seed: u64) -> Scenario {
        of_any_hub(&scenario::generate(profile, seed))
    }

    fn generate_lasting(profile: Profile, seed: u64, lasts: Duration) -> Scenario {
        of_any_hub(&scenario::generate_lasting(profile, seed, lasts))
    }

    fn play(
        scenario: &Scenario,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome, Duration), Skipped> {
        if backend != Backend::Real {
            return Err(Skipped { reason: "a real hub lives in real time".to_owned() });
        }
        super::play::play(scenario, keep)
    }
}

/// The same for any hub.
pub fn of_any_hub(scenario: &scenario::Scenario) -> Scenario {
    translated(scenario, Subject::from(&scenario.hub))
}

/// The same as files have it.
pub fn of_this_hub(scenario: &Scenario) -> scenario::Scenario {
    translated(scenario, scenario.hub.config.clone())
}

/// The same scenario of another system with the same words.
fn translated<A, B>(
    scenario: &dst::scenario::Scenario<A>,
    hub: B::Settings,
) -> dst::scenario::Scenario<B>
where
    A: System<Action = Action, Clients = Clients>,
    B: System<Action = Action, Clients = Clients>,
{
    dst::scenario::Scenario {
        schema: scenario.schema.clone(),
        version: scenario.version,
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        seed: scenario.seed,
        hub,
        network: scenario.network.clone(),
        clients: scenario.clients.clone(),
        actors: scenario.actors.clone(),
        ending: scenario.ending,
        races: scenario.races.clone(),
        expect_failure: scenario.expect_failure.clone(),
        steps: scenario.steps.iter().map(step).collect(),
    }
}

pub(super) fn step<A: System<Action = Action>, B: System<Action = Action>>(
    step: &Step<A>,
) -> Step<B> {
    let what = match &step.what {
        What::Act { who, speaker, act } => {
            let act = match act {
                Act::Do(action) => Act::Do(action.clone()),
                Act::Process(act) => Act::Process(act.clone()),
                Act::Connection(act) => Act::Connection(act.clone()),
                Act::Expect(expected) => Act::Expect(expected.clone()),
            };
            What::Act { who: who.clone(), speaker: speaker.clone(), act }
        }
        What::Hub(action) => What::Hub(action.clone()),
        What::Network(fault) => What::Network(fault.clone()),
    };
    Step { when: step.when, what }
}
