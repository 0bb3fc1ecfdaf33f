//! Several hubs on one stand-in engine, on the core alone: what happens is a list of moves, which a seed makes, and an
//! impossible move does nothing, so that any part of the list can be played as well.

mod aims;
mod judge;
mod moves;
mod talk;
mod world;

#[cfg(test)]
mod tests;

use std::panic::{self, AssertUnwindSafe};

pub use aims::Aim;
pub use judge::Violation;
pub use moves::{Fault, Move, Word, storm};
pub(crate) use world::steps::Step;
pub use world::steps::{LAG_MAX, WRITES_MAX};
pub use world::{Seen, Setting, World};

/// What must have come up in so many storms, or they prove little.
pub const MUST_COME_UP: [&str; 24] = [
    "a late write was carried out",
    "a clock was set",
    "a message came twice",
    "a node came back that was declared dead",
    "a node fenced itself",
    "a node left in order",
    "a node made room for another of its name",
    "a node was declared dead",
    "a position counted",
    "a send was delivered",
    "a send was queued",
    "a session lost its address",
    "a stale delivery was refused",
    "a watch ended without a word",
    "an address moved between nodes",
    "an address was adopted",
    "an unknown write was carried out",
    "an unknown write was not carried out",
    "nobody decided writes",
    "the engine lost rows",
    "the generation was raised",
    "timeout",
    "unavailable",
    "what a node kept was lost",
];

/// What of that did not come up.
pub fn missing(seen: &Seen) -> Vec<&'static str> {
    MUST_COME_UP.into_iter().filter(|what| !seen.contains_key(what)).collect()
}

/// Plays moves, then heals what is broken and waits until all is quiet. What broke, after how many moves.
pub fn play(setting: &Setting, moves: &[Move]) -> Result<Seen, (usize, Violation)> {
    let mut played = 0;
    let verdict = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(setting);
        for one in moves {
            played += 1;
            world.happen(*one)?;
        }
        world.rest()?;
        Ok(world.seen())
    }));
    let verdict = verdict.unwrap_or_else(|payload| Err(Violation::of_panic(&*payload)));
    verdict.map_err(|violation| (played, violation))
}

/// Leaves out moves as long as the same invariant breaks.
pub fn shrink(setting: &Setting, moves: &[Move], violation: &Violation) -> Vec<Move> {
    let breaks = |moves: &[Move]| {
        play(setting, moves).is_err_and(|(_, other)| other.invariant == violation.invariant)
    };
    let mut moves = moves.to_vec();
    let mut size = (moves.len() / 2).max(1);
    loop {
        let (before, mut at) = (moves.len(), 0);
        while at < moves.len() {
            let mut fewer = moves.clone();
            fewer.drain(at..(at + size).min(moves.len()));
            if breaks(&fewer) {
                moves = fewer;
            } else {
                at += size;
            }
        }
        if size == 1 && moves.len() == before {
            return moves;
        }
        size = (size / 2).max(1);
    }
}
