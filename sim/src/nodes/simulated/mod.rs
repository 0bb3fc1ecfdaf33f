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
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::runtime::simulate;

use super::judge::Violation;
use super::moves::Move;
use super::world::{Seen, Setting};
use stage::Stage;

/// Plays moves, with what a network does beside, then heals what is broken and waits until all is quiet. What broke,
/// after how many moves.
pub fn play(setting: &Setting, moves: &[Move], seed: u64) -> Result<Seen, (usize, Violation)> {
    let played = Arc::new(AtomicUsize::new(0));
    let (setting, moves, counted) = (setting.clone(), moves.to_vec(), Arc::clone(&played));
    let run = move || {
        simulate(seed, move || async move {
            let mut stage = Stage::new(&setting, seed);
            let verdict = stage.play(&moves, &counted).await;
            stage.clear();
            verdict
        })
    };
    let verdict = panic::catch_unwind(AssertUnwindSafe(run));
    let verdict = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)));
    verdict.map_err(|violation| (played.load(Ordering::Relaxed), violation))
}
