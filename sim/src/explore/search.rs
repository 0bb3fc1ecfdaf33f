//! The search itself, whatever is searched.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stateright::{Checker, Model};

/// How often whoever waits is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(50);
/// The one property: which invariant it was that broke is in the state.
pub(super) const HOLDS: &str = "every invariant holds";

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

/// Where a search ends before all is seen.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    depth_max: usize,
    /// Set by whoever waits no longer.
    stopped: Arc<AtomicBool>,
    /// Set where a state is left as it is though something could happen in it.
    cut_short: Arc<AtomicBool>,
}

impl Bounds {
    /// So many moves in a row at most.
    pub fn new(depth: Option<usize>) -> Self {
        let depth_max = depth.unwrap_or(usize::MAX);
        Self { depth_max, stopped: Arc::default(), cut_short: Arc::default() }
    }

    /// Returns whether a state so many moves deep is left as it is.
    pub fn end_at(&self, depth: usize) -> bool {
        let ends = depth >= self.depth_max || self.stopped.load(Ordering::Relaxed);
        self.cut_short.fetch_or(ends, Ordering::Relaxed);
        ends
    }
}

/// What a search came to.
pub(super) struct Searched<S, A> {
    pub progress: Progress,
    /// Whether there is no state that was not seen.
    pub exhausted: bool,
    /// The way to a state that breaks something.
    pub found: Option<Vec<(S, Option<A>)>>,
}

/// Searches on one thread, breadth first: what is found is the same every time, and as short as can be.
pub(super) fn search<M>(
    model: M,
    bounds: &Bounds,
    watch: &mut dyn FnMut(&Progress) -> Patience,
) -> Searched<M::State, M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let checker = model.checker().threads(1).spawn_bfs();
    while !checker.is_done() {
        std::thread::sleep(TOLD_EVERY);
        if watch(&progress(&checker)) == Patience::Ended {
            bounds.stopped.store(true, Ordering::Relaxed);
        }
    }
    let checker = checker.join();
    // The way to what was found is walked again.
    bounds.stopped.store(false, Ordering::Relaxed);
    let found = checker.discovery(HOLDS).map(|path| path.into_vec());
    let exhausted = found.is_none() && !bounds.cut_short.load(Ordering::Relaxed);
    Searched { progress: progress(&checker), exhausted, found }
}

fn progress<M: Model>(checker: &impl Checker<M>) -> Progress {
    Progress {
        states: checker.unique_state_count(),
        reached: checker.state_count(),
        // The first state counts there as one deep.
        depth: checker.max_depth().saturating_sub(1),
    }
}
