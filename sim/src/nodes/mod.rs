//! Several hubs on one stand-in engine, on the core alone: what happens is a list of moves, which a seed makes, and an
//! impossible move does nothing, so that any part of the list can be played as well.

mod judge;
mod moves;
mod talk;
mod world;

#[cfg(test)]
mod tests;

pub use judge::Violation;
pub use moves::{Fault, Move, Word, storm};
pub use world::{Seen, Setting, World};

/// Plays moves, then heals what is broken and waits until all is quiet. What broke, after how many moves.
pub fn play(setting: &Setting, moves: &[Move]) -> Result<Seen, (usize, Violation)> {
    let mut world = World::new(setting);
    for (played, one) in moves.iter().enumerate() {
        world.happen(*one).map_err(|violation| (played + 1, violation))?;
    }
    world.rest().map_err(|violation| (moves.len(), violation))?;
    Ok(world.seen())
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
