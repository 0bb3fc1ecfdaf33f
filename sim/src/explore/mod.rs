//! Every order of events that a few actors and their connections can bring about, on the core alone:
//! no network, no clients, no luck. Each transition of the hub is judged by the observers of
//! [`crate::invariants`] (docs/SIMULATION.md, "Exploration").

mod form;
mod hubs;
mod model;
mod moves;
mod search;
mod setting;
mod state;
mod story;

use std::sync::Arc;

pub use crate::nodes::{LAG_MAX, WRITES_MAX};
pub use hubs::{DECLARATIONS_MAX, HubsExplored, HubsSize, explore_hubs};
pub use moves::{Move, Place, Word};
pub use search::{Patience, Progress};
pub use setting::{ACTORS_MAX, CONNECTIONS_MAX, Check, Size};

use crate::invariants::Violation;
use crate::scenario::Scenario;
use model::Orders;
use search::{Bounds, Searched, search};
use setting::Setting;
use state::State;

/// What to explore.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How much there is.
    pub size: Size,
    /// Moves in a row at most; without it, all there are.
    pub depth: Option<usize>,
    /// Judges each transition beside the observers.
    pub check: Option<Check>,
}

impl Plan {
    /// Everything that there is of this size.
    pub fn of(size: Size) -> Self {
        Self { size, depth: None, check: None }
    }
}

/// What an exploration came to.
#[derive(Debug, Clone)]
pub struct Explored {
    /// How far it came.
    pub progress: Progress,
    /// Whether there is no state of this size that was not seen.
    pub exhausted: bool,
    /// What broke, if anything did.
    pub found: Option<Found>,
}

/// The shortest way to break an invariant.
#[derive(Debug, Clone)]
pub struct Found {
    /// What breaks at its end.
    pub violation: Violation,
    /// The way there.
    pub moves: Vec<Move>,
    /// The same way for any backend.
    pub scenario: Scenario,
}

/// Explores on one thread, breadth first: what is found is the same every time, and as short as can
/// be. `watch` is asked now and then.
pub fn explore(plan: &Plan, watch: &mut dyn FnMut(&Progress) -> Patience) -> Explored {
    let setting = Arc::new(Setting::new(plan.size, plan.check));
    let bounds = Bounds::new(plan.depth);
    let orders = Orders { setting: Arc::clone(&setting), bounds: bounds.clone() };
    let Searched { progress, exhausted, found: way } = search(orders, &bounds, watch);
    let found = way.map(|way| found(&setting, &way));
    Explored { progress, exhausted, found }
}

fn found(setting: &Setting, way: &[(State, Option<Move>)]) -> Found {
    let broken = way.last().and_then(|(state, _)| state.broken.clone());
    let violation = broken.expect("what was found is a state that breaks an invariant");
    let scenario = story::scenario(setting, way, &violation);
    Found { violation, moves: way.iter().filter_map(|(_, next)| *next).collect(), scenario }
}
