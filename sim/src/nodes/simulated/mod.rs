//! The same storms on the real servers: each hub, the engine and each client on a host of its own, with a simulated
//! network between them and in virtual time. What is judged is what hubs are given, hear, ask and say, as on the core alone.

mod client;
mod engine;
mod hub;
mod line;
mod link;
mod paced;
mod shared;
mod stage;
mod trouble;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};

use dst::run::Keep;

use super::judge::Violation;
use super::play::Played;
use super::scenario::Scenario;
use crate::runtime::simulate;
use shared::Shared;
use stage::Stage;

/// Plays the scenario.
pub(super) fn play(scenario: &Scenario, keep: Keep) -> Played {
    let (scenario, shared) = (scenario.clone(), Arc::<OnceLock<Shared>>::default());
    let (seed, known) = (scenario.seed, Arc::clone(&shared));
    let run = move || {
        simulate(seed, move || async move {
            let mut stage = Stage::new(&scenario, keep);
            // Nobody else sets it.
            let _ = known.set(stage.shared.clone());
            let verdict = stage.play(&scenario).await;
            stage.clear();
            verdict
        })
    };
    let verdict = panic::catch_unwind(AssertUnwindSafe(run));
    let verdict = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)));
    let shared = shared.get().expect("a stage is there before anything happens");
    shared.with(|state| {
        let world = &mut state.world;
        Played { verdict, seen: world.seen(), notes: world.take_notes(), took: world.elapsed() }
    })
}
