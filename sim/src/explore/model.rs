//! The orders of events as stateright wants them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

use super::moves::Move;
use super::setting::Setting;
use super::state::State;

/// The one property: which invariant it was that broke is in the state.
pub const HOLDS: &str = "every invariant holds";

pub struct Orders {
    pub setting: Arc<Setting>,
    pub depth_max: usize,
    /// Set by whoever waits no longer.
    pub stopped: Arc<AtomicBool>,
    /// Set where a state is left as it is though something could happen in it.
    pub cut_short: Arc<AtomicBool>,
}

impl Model for Orders {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.setting)]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        if state.broken.is_none() {
            state.moves(&self.setting, moves);
        }
    }

    fn next_state(&self, state: &State, next: Move) -> Option<State> {
        if state.depth >= self.depth_max || self.stopped.load(Ordering::Relaxed) {
            self.cut_short.store(true, Ordering::Relaxed);
            return None;
        }
        Some(state.after(&self.setting, next))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLDS, |_, state: &State| state.broken.is_none())]
    }
}
