//! The orders of events as stateright wants them.

use std::sync::Arc;

use stateright::{Model, Property};

use super::moves::Move;
use super::search::{Bounds, HOLDS};
use super::setting::Setting;
use super::state::State;

pub struct Orders {
    pub setting: Arc<Setting>,
    pub bounds: Bounds,
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
        (!self.bounds.end_at(state.depth)).then(|| state.after(&self.setting, next))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLDS, |_, state: &State| state.broken.is_none())]
    }
}
