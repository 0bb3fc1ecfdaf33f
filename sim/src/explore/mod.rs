//! Every order of events that a few actors and their connections can bring about, on the core alone:
//! no network, no clients, no luck. Each transition of the hub is judged by the observers of
//! [`crate::invariants`] (docs/SIMULATION.md, "Exploration").

mod form;
mod model;
mod moves;
mod setting;
mod state;
mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stateright::{Checker, Model};

pub use moves::{Move, Place, Word};
pub use setting::{ACTORS_MAX, CONNECTIONS_MAX, Check, Size};

use crate::invariants::Violation;
use crate::scenario::Scenario;
use model::{HOLDS, Orders};
use setting::Setting;
use state::State;

/// How often whoever waits is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(50);

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

/// How far an exploration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// States that differ.
    pub states: usize,
    /// States reached, each as often as it was reached.
    pub reached: usize,
    /// Moves in a row.
    pub depth: usize,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Go on.
    Waits,
    /// Stop here.
    Ended,
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
    let (stopped, cut_short) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let orders = Orders {
        setting: Arc::clone(&setting),
        depth_max: plan.depth.unwrap_or(usize::MAX),
        stopped: Arc::clone(&stopped),
        cut_short: Arc::clone(&cut_short),
    };
    let checker = orders.checker().threads(1).spawn_bfs();
    while !checker.is_done() {
        std::thread::sleep(TOLD_EVERY);
        if watch(&progress(&checker)) == Patience::Ended {
            stopped.store(true, Ordering::Relaxed);
        }
    }
    let checker = checker.join();
    // The way to what was found is walked again.
    stopped.store(false, Ordering::Relaxed);
    let found = checker.discovery(HOLDS).map(|path| found(&setting, &path.into_vec()));
    let exhausted = found.is_none() && !cut_short.load(Ordering::Relaxed);
    Explored { progress: progress(&checker), exhausted, found }
}

fn progress(checker: &impl Checker<Orders>) -> Progress {
    Progress {
        states: checker.unique_state_count(),
        reached: checker.state_count(),
        // The first state counts there as one deep.
        depth: checker.max_depth().saturating_sub(1),
    }
}

fn found(setting: &Setting, way: &[(State, Option<Move>)]) -> Found {
    let broken = way.last().and_then(|(state, _)| state.broken.clone());
    let violation = broken.expect("what was found is a state that breaks an invariant");
    let scenario = story::scenario(setting, way, &violation);
    Found { violation, moves: way.iter().filter_map(|(_, next)| *next).collect(), scenario }
}
