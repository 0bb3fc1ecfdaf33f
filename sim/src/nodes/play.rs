//! A scenario of several hubs, played and judged.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use dst::backend::{Backend, Outcome, Skipped};
use dst::history::{Milestone, What};
use dst::run::Keep;
use dst::scenario::Ending;
use dst::verdict;

use super::Nodes;
use super::judge::Violation;
use super::moves::{Fault, Move};
use super::scenario::{self, Effect, Scenario, Step};
use super::system::sightings;
use super::world::World;

/// What happens next.
enum Turn<'a> {
    /// A step begins.
    Begins(usize, &'a Step, Effect),
    /// A fault is over.
    Ends(usize, Fault),
}

/// Plays the scenario once.
///
/// # Errors
/// If the backend cannot.
pub fn play(
    scenario: &Scenario,
    backend: Backend,
    keep: Keep,
) -> Result<(Outcome<Nodes>, Duration), Skipped> {
    match backend {
        Backend::Message => Ok((by_messages(scenario, keep), Duration::ZERO)),
        Backend::Simulated | Backend::Real | Backend::Both => {
            Err(Skipped { reason: format!("several hubs are not played on {backend}") })
        }
    }
}

fn by_messages(scenario: &Scenario, keep: Keep) -> Outcome<Nodes> {
    let mut world = World::new(&scenario::setting(scenario)).noting(keep);
    let verdict = panic::catch_unwind(AssertUnwindSafe(|| {
        turns(scenario).into_iter().try_for_each(|(at, turn)| take(&mut world, at, turn))?;
        world.note(|| What::Run(Milestone::Heal));
        if scenario.ending == Ending::Calm { world.rest() } else { Ok(()) }
    }));
    let verdict = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)));
    let broken = |Violation { invariant, what }| verdict::Violation::new(invariant, what);
    let (simulated, seen) = (world.elapsed(), world.seen());
    let notes = world.into_notes();
    Outcome {
        seed: scenario.seed,
        violation: verdict.err().map(broken),
        event_count: notes.count,
        hub_inputs: notes.hub_inputs,
        events: notes.events.into(),
        sightings: sightings(scenario.seed, &seen),
        shapes: [()].into(),
        simulated,
        standstills: Vec::new(),
        compared_steps: 0,
    }
}

/// All that happens, in the order of time.
fn turns(scenario: &Scenario) -> Vec<(Duration, Turn<'_>)> {
    let mut turns = Vec::new();
    for (number, (at, step)) in (1..).zip(scenario::begins(scenario)) {
        let effect =
            scenario::effect(scenario, step).expect("a scenario is checked when it is read");
        if let Effect::Lasting(node, fault, lasts) = effect {
            turns.push((at + lasts, Turn::Ends(node, fault)));
        }
        turns.push((at, Turn::Begins(number, step, effect)));
    }
    turns.sort_by_key(|(at, _)| *at);
    turns
}

fn take(world: &mut World, at: Duration, turn: Turn<'_>) -> Result<(), Violation> {
    let rest = at.saturating_sub(world.elapsed());
    if !rest.is_zero() {
        world.happen(Move::Wait(rest))?;
    }
    match turn {
        Turn::Begins(number, step, effect) => {
            world.note(|| What::Step { number, step: Arc::new(step.clone()) });
            match effect {
                Effect::Once(one) => world.happen(one),
                Effect::Lasting(node, fault, _) => turn_if(world, node, fault, false),
            }
        }
        Turn::Ends(node, fault) => turn_if(world, node, fault, true),
    }
}

/// What is broken is mended, or the other way round, if it is so.
fn turn_if(world: &mut World, node: usize, fault: Fault, broken: bool) -> Result<(), Violation> {
    if world.is_broken(node, fault) == broken {
        world.happen(Move::Fault(node, fault))
    } else {
        Ok(())
    }
}
