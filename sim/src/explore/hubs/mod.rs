//! Every order of events of two hubs that share an engine, and of one actor that is connected to both: what each client
//! says, how each write fares, what each node hears next. A node may stand still, and writes may become unknown, as often
//! as is said.

mod form;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use stateright::{Model, Property};

use super::search::{Bounds, HOLDS, Patience, Progress, Searched, search};
use crate::nodes::{Setting, Step, Violation, World};

/// How much there is to explore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubsSize {
    /// Writes of which the node does not hear what became of them.
    pub unknown: usize,
    /// How often a node stands still.
    pub pauses: usize,
    /// What the actor says, or connections of it that end; without it, without limit.
    pub words: Option<usize>,
    /// Connections that the actor opens anew once one is over.
    pub returns: usize,
    /// Moves in a row; without it, all there are.
    pub depth: Option<usize>,
}

/// What an exploration of hubs came to.
#[derive(Debug)]
pub struct HubsExplored {
    /// How far it came.
    pub progress: Progress,
    /// Whether there is no state of this size that was not seen.
    pub exhausted: bool,
    /// What broke, and the shortest way there.
    pub found: Option<(Violation, Vec<String>)>,
}

/// Explores on one thread, breadth first. `watch` is asked now and then.
pub fn explore_hubs(size: HubsSize, watch: &mut dyn FnMut(&Progress) -> Patience) -> HubsExplored {
    let bounds = Bounds::new(size.depth);
    let orders = Orders::new(size, &bounds);
    let Searched { progress, exhausted, found } = search(orders, &bounds, watch);
    let found = found.map(|way| {
        let broken = way.last().and_then(|(state, _)| state.broken.clone());
        let steps = way.iter().filter_map(|(_, step)| step.as_ref().map(Step::to_string));
        (broken.expect("what was found is a state that breaks an invariant"), steps.collect())
    });
    HubsExplored { progress, exhausted, found }
}

/// What follows another declaration is left out.
pub const DECLARATIONS_MAX: usize = 1;

struct Orders {
    size: HubsSize,
    setting: Setting,
    bounds: Bounds,
    rested: Mutex<BTreeSet<u64>>,
}

/// States are one if their forms are one.
#[derive(Clone)]
struct State {
    world: World,
    left: HubsSize,
    form: u64,
    depth: usize,
    /// What the last move broke; nothing is done after it.
    broken: Option<Violation>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.form)
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        (self.form, &self.broken) == (other.form, &other.broken)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.form, self.broken.is_some()).hash(state);
    }
}

impl Orders {
    fn new(size: HubsSize, bounds: &Bounds) -> Self {
        let (setting, bounds) = (Setting::in_beats(), bounds.clone());
        Self { size, setting, bounds, rested: Mutex::default() }
    }
}

impl State {
    fn first(orders: &Orders) -> Self {
        let world = World::stepwise(&orders.setting);
        let form = form::of(&world, &orders.size);
        Self { world, left: orders.size, form, depth: 0, broken: None }
    }

    fn moves(&self, steps: &mut Vec<Step>) {
        let left = self.left;
        steps.extend(self.world.steps().into_iter().filter(|step| match step {
            Step::Spoil(..) => left.unknown > 0,
            Step::Pause(node) => self.world.is_paused(*node) || left.pauses > 0,
            Step::Open(_) => left.returns > 0,
            Step::Say(..) | Step::End(_) => left.words != Some(0),
            _ => true,
        }));
    }

    /// `rested` has the forms of states that came to rest, which need not do it again.
    fn after(&self, step: &Step, rested: &mut BTreeSet<u64>) -> Self {
        let (mut world, mut left) = (self.world.clone(), self.left);
        match step {
            Step::Spoil(..) => left.unknown -= 1,
            Step::Pause(node) if !world.is_paused(*node) => left.pauses -= 1,
            Step::Open(_) => left.returns -= 1,
            Step::Say(..) | Step::End(_) => left.words = left.words.map(|words| words - 1),
            _ => {}
        }
        let verdict = judged(|| world.step(step));
        let form = form::of(&world, &left);
        let rests = || if world.is_quiet() { judged(|| world.comes_to_rest()) } else { Ok(()) };
        let verdict = verdict.and_then(|()| if rested.contains(&form) { Ok(()) } else { rests() });
        if verdict.is_ok() {
            rested.insert(form);
        }
        Self { world, left, form, depth: self.depth + 1, broken: verdict.err() }
    }
}

fn judged(happens: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    let verdict = panic::catch_unwind(AssertUnwindSafe(happens));
    verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)))
}

impl Model for Orders {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Step>) {
        if state.broken.is_none() {
            state.moves(moves);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let next = (!self.bounds.end_at(state.depth)).then(|| {
            let mut rested = self.rested.lock().unwrap_or_else(PoisonError::into_inner);
            state.after(&step, &mut rested)
        });
        next.filter(|next| next.broken.is_some() || next.world.declarations() <= DECLARATIONS_MAX)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLDS, |_, state: &State| state.broken.is_none())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use super::*;

    /// Every way into so many is tried.
    const STATES_MAX: usize = 300;
    const SIZES: [HubsSize; 2] = [
        HubsSize { unknown: 0, pauses: 0, words: None, returns: 1, depth: None },
        HubsSize { unknown: 1, pauses: 1, words: Some(3), returns: 0, depth: None },
    ];

    fn next(state: &State) -> Vec<State> {
        let mut steps = Vec::new();
        state.moves(&mut steps);
        let mut rested = BTreeSet::new();
        steps.iter().map(|step| state.after(step, &mut rested)).collect()
    }

    #[test]
    fn states_of_two_hubs_that_are_taken_for_one_go_on_as_one() {
        for size in SIZES {
            let orders = Orders::new(size, &Bounds::new(None));
            let first = State::first(&orders);
            let forms = |state: &State| -> BTreeSet<u64> {
                next(state).into_iter().map(|state| state.form).collect()
            };
            let mut known = BTreeMap::from([(first.form, forms(&first))]);
            let (mut merged, mut pending) = (0, VecDeque::from([first]));
            while let Some(state) = pending.pop_front() {
                for state in next(&state) {
                    let after = forms(&state);
                    if let Some(known) = known.get(&state.form) {
                        merged += 1;
                        assert_eq!(*known, after, "{}", state.world);
                    } else if known.len() < STATES_MAX {
                        known.insert(state.form, after);
                        pending.push_back(state);
                    }
                }
            }
            assert!(merged > known.len() / 3, "{merged} of {}", known.len());
        }
    }

    /// Without limit of words: whatever a hub keeps of what is over would make ever new states.
    #[test]
    fn two_hubs_and_one_address_break_nothing_in_any_order() {
        let size = HubsSize { unknown: 0, pauses: 0, words: None, returns: 0, depth: None };
        let HubsExplored { progress, exhausted, found } = explore_hubs(size, &mut |progress| {
            if progress.states < 60_000 { Patience::Waits } else { Patience::Ended }
        });
        assert!(found.is_none(), "{found:#?}");
        assert!(exhausted && progress.states > 10_000, "{progress:?}");
    }
}
