//! A scenario of several hubs, played and judged.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use dst::backend::{Backend, Outcome, Skipped};
use dst::history::{Milestone, What};
use dst::net;
use dst::run::Keep;
use dst::scenario::Ending;
use dst::verdict;

use super::judge::Violation;
use super::moves::{Fault, Move};
use super::scenario::{self, Effect, Scenario, Step};
use super::system::sightings;
use super::world::{Notes, Seen, World};
use super::{Nodes, simulated};

/// What follows from the last step takes less.
pub(super) const AFTERMATH: Duration = Duration::from_secs(2);

/// What happens next.
pub(super) enum Turn {
    /// A step begins.
    Begins(usize, Arc<Step>, Effect),
    /// A fault is over.
    Ends(usize, Fault),
}

/// What a turn comes to as things stand.
pub(super) enum Now {
    Nothing,
    Move(Move),
    Network(net::Fault),
}

/// What became of a run.
pub(super) struct Played {
    pub verdict: Result<(), Violation>,
    pub seen: Seen,
    pub notes: Notes,
    pub took: Duration,
}

/// Plays the scenario once.
///
/// # Errors
/// If the backend cannot.
pub(super) fn play(
    scenario: &Scenario,
    backend: Backend,
    keep: Keep,
) -> Result<(Outcome<Nodes>, Duration), Skipped> {
    let played = match backend {
        Backend::Message => by_messages(scenario, keep),
        Backend::Simulated => simulated::play(scenario, keep),
        Backend::Real | Backend::Both => {
            let reason =
                format!("several hubs are played on message or on simulated, not on {backend}");
            return Err(Skipped { reason });
        }
    };
    Ok((outcome(scenario.seed, played), Duration::ZERO))
}

fn outcome(seed: u64, played: Played) -> Outcome<Nodes> {
    let Played { verdict, seen, notes, took } = played;
    let broken = |Violation { invariant, what }| verdict::Violation::new(invariant, what);
    Outcome {
        seed,
        violation: verdict.err().map(broken),
        event_count: notes.count,
        hub_inputs: notes.hub_inputs,
        events: notes.events.into(),
        sightings: sightings(seed, &seen),
        shapes: [()].into(),
        simulated: took,
        standstills: Vec::new(),
        compared_steps: 0,
    }
}

/// What the network does is nothing where there is none.
fn by_messages(scenario: &Scenario, keep: Keep) -> Played {
    let mut world = World::new(&scenario::setting(scenario)).noting(keep);
    let verdict = panic::catch_unwind(AssertUnwindSafe(|| {
        for (at, turn) in turns(scenario) {
            let rest = at.saturating_sub(world.elapsed());
            if !rest.is_zero() {
                world.happen(Move::Wait(rest))?;
            }
            if let Now::Move(one) = turn.now(&mut world) {
                world.happen(one)?;
            }
        }
        world.happen(Move::Wait(AFTERMATH))?;
        world.note(|| What::Run(Milestone::Heal));
        if scenario.ending == Ending::Calm { world.rest(keep_trying(scenario)) } else { Ok(()) }
    }));
    let verdict = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)));
    Played { verdict, seen: world.seen(), notes: world.take_notes(), took: world.elapsed() }
}

/// Returns whether actors without an address keep trying to get it in the end: in every other storm.
pub(super) fn keep_trying(scenario: &Scenario) -> bool {
    !scenario.seed.is_multiple_of(2)
}

/// All that happens, in the order of time.
pub(super) fn turns(scenario: &Scenario) -> Vec<(Duration, Turn)> {
    let mut turns = Vec::new();
    for (number, (at, step)) in (1..).zip(scenario::begins(scenario)) {
        let effect =
            scenario::effect(scenario, step).expect("a scenario is checked when it is read");
        if let Effect::Lasting(node, fault, lasts) = effect {
            turns.push((at + lasts, Turn::Ends(node, fault)));
        }
        turns.push((at, Turn::Begins(number, Arc::new(step.clone()), effect)));
    }
    turns.sort_by_key(|(at, _)| *at);
    turns
}

impl Turn {
    /// A fault begins where nothing is broken, and ends where something is.
    pub(super) fn now(self, world: &mut World) -> Now {
        let (node, fault, broken) = match self {
            Turn::Begins(number, step, effect) => {
                world.note(|| What::Step { number, step });
                match effect {
                    Effect::Once(one) => return Now::Move(one),
                    Effect::Network(fault) => return Now::Network(fault),
                    Effect::Lasting(node, fault, _) => (node, fault, false),
                }
            }
            Turn::Ends(node, fault) => (node, fault, true),
        };
        let is_due = world.is_broken(node, fault) == broken;
        if is_due { Now::Move(Move::Fault(node, fault)) } else { Now::Nothing }
    }
}
