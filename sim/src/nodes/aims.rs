//! Storms that bring about what chance alone seldom does.

use std::time::Duration;

use clap::ValueEnum;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::moves::{Fault, Move, Word};
use super::world::Setting;
use crate::engine::Kept;

/// What a storm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
    /// What chance has it; every other storm begins with one of the others.
    #[default]
    Cluster,
    /// An address moves on while its node's watch stands still and its writes are carried out.
    SlowWatch,
    /// A claim is answered when its row is gone again.
    LateAnswer,
    /// A write finds another row, and the read after that is of an earlier one.
    OldRead,
    /// A node changes its rows while the engine is away, and loses some.
    LostRows,
    /// Messages are under way to an address that ends and begins again.
    Stale,
    /// The same while the sender's watch stands still.
    StaleAndSlow,
    /// The same while the sender hears of the address sooner than of its message.
    StaleAndDeaf,
    /// An address is given back by who has lost it.
    ClearRace,
    /// A node stands still until it is declared dead, and goes on with all that waited for it.
    Sleeper,
    /// A node begins anew while its old rows stand.
    Return,
    /// Nobody hears what became of a claim.
    Unknown,
    /// One node after the other ends in order and begins anew, while its clients come back at others.
    Rolling,
    /// Another process starts with the name of a node.
    Twin,
}

impl Profile {
    /// What the storm of a seed begins with, of those that begin with anything.
    pub(super) fn of_seed(self, seed: u64) -> Option<Self> {
        let others = &Self::value_variants()[1..];
        match self {
            Profile::Cluster => (seed % 2 == 1).then(|| others[(seed / 2) as usize % others.len()]),
            other => Some(other),
        }
    }

    /// What happens, with whom and for how long as chance has it.
    pub(super) fn moves(self, setting: &Setting, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let cast = Cast::draw(setting, rng);
        let mut moves = vec![Move::Wait(Duration::from_secs(1))];
        moves.extend(match self {
            Profile::Cluster => Vec::new(),
            Profile::SlowWatch => cast.slow_watch(rng),
            Profile::LateAnswer => cast.late_answer(rng),
            Profile::OldRead => cast.old_read(rng),
            Profile::LostRows => cast.lost_rows(rng),
            Profile::Stale => cast.stale(&[Fault::Hold], rng),
            Profile::StaleAndSlow => cast.stale(&[Fault::HoldWatch], rng),
            Profile::StaleAndDeaf => cast.stale(&[Fault::HoldWatch, Fault::HoldMessages], rng),
            Profile::ClearRace => cast.clear_race(rng),
            Profile::Sleeper => cast.sleeper(rng),
            Profile::Return => cast.comes_back(rng),
            Profile::Unknown => cast.unknown(rng),
            Profile::Rolling => rolling(setting, rng),
            Profile::Twin => cast.twin(rng),
        });
        moves
    }
}

/// Who takes part: an actor whose address it is about, another one that sends to it, and the nodes of both.
struct Cast {
    owner: usize,
    sender: usize,
    here: usize,
    there: usize,
}

impl Cast {
    fn draw(setting: &Setting, rng: &mut ChaCha12Rng) -> Self {
        let (owner, here) =
            (rng.random_range(0..setting.actors), rng.random_range(0..setting.nodes));
        let other = |of: usize, one: usize, rng: &mut ChaCha12Rng| {
            (one + rng.random_range(1..of.max(2))) % of
        };
        let (sender, there) = (other(setting.actors, owner, rng), other(setting.nodes, here, rng));
        Self { owner, sender, here, there }
    }

    fn registers(&self, actor: usize, slot: usize, node: usize) -> [Move; 2] {
        [Move::Open { actor, node }, Move::Say { actor, slot, word: Word::Register }]
    }

    fn owner_says(&self, slot: usize, word: Word) -> Move {
        Move::Say { actor: self.owner, slot, word }
    }

    fn sends(&self) -> Move {
        Move::Say { actor: self.sender, slot: 0, word: Word::Send(self.owner) }
    }

    /// The owner is here, the sender at a node.
    fn both(&self, sender_at: usize) -> Vec<Move> {
        let owner = self.registers(self.owner, 0, self.here);
        [owner, self.registers(self.sender, 0, sender_at)].concat()
    }

    fn slow_watch(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.both(self.here);
        moves.push(Move::Fault(self.here, Fault::HoldWatch));
        moves.extend(self.registers(self.owner, 1, self.there));
        for _ in 0..8 {
            moves.extend([wait(rng, 1_000..4_000), self.sends()]);
        }
        moves.push(Move::Fault(self.here, Fault::HoldWatch));
        moves
    }

    fn late_answer(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let held = [Fault::HoldWatch, Fault::HoldAnswers].map(|one| Move::Fault(self.there, one));
        let mut moves = held.to_vec();
        moves.extend(self.registers(self.owner, 0, self.there));
        moves.extend(self.registers(self.owner, 1, self.here));
        moves.extend([self.owner_says(1, Word::Unregister), wait(rng, 1..3_000)]);
        moves.extend(held);
        moves
    }

    /// A read is five revisions behind: so many are written that it still has the row that went.
    fn old_read(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.registers(self.owner, 0, self.here).to_vec();
        moves.extend([self.owner_says(0, Word::Unregister), wait(rng, 1..500)]);
        moves.push(Move::Fault(self.there, Fault::HoldWatch));
        moves.push(self.owner_says(0, Word::Register));
        moves.extend(self.registers(self.sender, 0, self.here));
        let words = [Word::Subscribe, Word::Unregister, Word::Register];
        let said = words.map(|word| Move::Say { actor: self.sender, slot: 0, word });
        moves.extend(said.into_iter().take(rng.random_range(0..4)));
        moves.push(Move::Fault(self.there, Fault::Stale));
        moves.extend(self.registers(self.owner, 1, self.there));
        moves.extend([wait(rng, 1..2_000), Move::Fault(self.there, Fault::HoldWatch)]);
        moves
    }

    fn lost_rows(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.both(self.there);
        moves.push(Move::Fault(self.here, Fault::Disconnect));
        moves.push(self.owner_says(0, Word::Subscribe));
        let kept = [Kept::All, Kept::AllBut(rng.random_range(1..6)), Kept::Nothing];
        moves.push(Move::Fault(self.here, Fault::Restart(kept[rng.random_range(0..3)])));
        moves.extend(self.registers(self.owner, 1, self.there));
        moves
    }

    fn stale(&self, held: &[Fault], rng: &mut ChaCha12Rng) -> Vec<Move> {
        let turn = |fault: &Fault| Move::Fault(self.there, *fault);
        let mut moves = self.both(self.there);
        moves.extend(held.iter().map(turn));
        moves.push(match rng.random_range(0..3) {
            0 => self.owner_says(0, Word::Unregister),
            _ => Move::End { actor: self.owner, slot: 0 },
        });
        moves.extend(vec![self.sends(); rng.random_range(1..3)]);
        let node = [self.here, self.here, self.there][rng.random_range(0..3)];
        moves.extend(self.registers(self.owner, 0, node));
        // One after the other.
        for fault in held {
            moves.extend(vec![self.sends(); rng.random_range(1..3)]);
            moves.extend([wait(rng, 1..900), turn(fault), self.sends()]);
        }
        moves
    }

    fn clear_race(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.registers(self.owner, 0, self.here).to_vec();
        moves.push(Move::Fault(self.here, Fault::HoldWatch));
        moves.extend(self.registers(self.owner, 1, self.there));
        moves.push(match rng.random_range(0..3) {
            0 => self.owner_says(0, Word::Disconnect),
            _ => self.owner_says(0, Word::Unregister),
        });
        moves.extend([wait(rng, 1..4_000), Move::Fault(self.here, Fault::HoldWatch)]);
        moves
    }

    fn sleeper(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.both(self.there);
        moves.extend([Move::Fault(self.here, Fault::Pause), self.sends(), self.sends()]);
        if rng.random() {
            moves.extend(self.registers(self.owner, 1, self.there));
        }
        moves.extend([wait(rng, 8_000..30_000), Move::Fault(self.here, Fault::Pause)]);
        moves.extend([self.sends(), wait(rng, 1..40_000), self.sends()]);
        moves
    }

    fn twin(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.both(self.there);
        let held = [Fault::Pause, Fault::HoldWatch, Fault::Hold, Fault::Disconnect];
        let held = held[rng.random_range(0..4)];
        let is_held: bool = rng.random();
        moves.extend(is_held.then_some(Move::Fault(self.here, held)));
        moves.extend([self.sends(), Move::Fault(self.here, Fault::Twin), self.sends()]);
        moves.extend([wait(rng, 1..3_000), self.sends()]);
        let node = [self.here, self.there][rng.random_range(0..2)];
        moves.extend(self.registers(self.owner, 1, node));
        moves.extend([self.sends(), wait(rng, 1..15_000), self.sends()]);
        moves
    }

    fn comes_back(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let mut moves = self.both(self.there);
        moves.extend(vec![self.sends(); rng.random_range(1..4)]);
        let leaves: bool = rng.random();
        moves.extend(leaves.then_some(Move::End { actor: self.owner, slot: 0 }));
        moves.extend([Move::Fault(self.here, Fault::Crash), wait(rng, 1..14_000)]);
        moves.extend([Move::Fault(self.here, Fault::Crash), self.sends(), wait(rng, 1..3_000)]);
        let node = [self.here, self.there][rng.random_range(0..2)];
        moves.extend(self.registers(self.owner, 0, node));
        moves.push(self.sends());
        moves
    }

    fn unknown(&self, rng: &mut ChaCha12Rng) -> Vec<Move> {
        let fault = [Fault::LoseAnswer, Fault::Late][rng.random_range(0..2)];
        let mut moves = vec![Move::Fault(self.here, fault)];
        moves.extend(self.registers(self.owner, 0, self.here));
        moves.extend(self.registers(self.owner, 1, self.there));
        let second = [self.owner_says(0, Word::Subscribe), self.owner_says(1, Word::Unregister)];
        moves.push(second[rng.random_range(0..2)]);
        moves.extend([wait(rng, 1..500), Move::Fault(self.here, Fault::CarryOut)]);
        moves
    }
}

/// Everybody misses something while away.
fn rolling(setting: &Setting, rng: &mut ChaCha12Rng) -> Vec<Move> {
    let mut at: Vec<usize> = (0..setting.actors).map(|actor| actor % setting.nodes).collect();
    let come = |actor: usize, node: usize| {
        [Move::Open { actor, node }, Move::Say { actor, slot: 0, word: Word::Recover }]
    };
    let mut moves: Vec<Move> = (0..).zip(&at).flat_map(|(actor, at)| come(actor, *at)).collect();
    let sends = |rng: &mut ChaCha12Rng, moves: &mut Vec<Move>| {
        for actor in 0..setting.actors {
            let to = rng.random_range(0..setting.actors);
            moves.push(Move::Say { actor, slot: 0, word: Word::Send(to) });
        }
    };
    sends(rng, &mut moves);
    let upgrades: bool = rng.random();
    for node in 0..setting.nodes {
        moves.extend(upgrades.then_some(Move::Fault(node, Fault::Upgrade)));
        moves.push(Move::Fault(node, Fault::Leave));
        sends(rng, &mut moves);
        moves.push(wait(rng, 1..5_000));
        sends(rng, &mut moves);
        for actor in (0..setting.actors).filter(|_| setting.nodes > 1) {
            if at[actor] == node {
                at[actor] = (node + rng.random_range(1..setting.nodes)) % setting.nodes;
                moves.extend(come(actor, at[actor]));
            }
        }
        moves.extend([wait(rng, 1..2_000), Move::Fault(node, Fault::Leave)]);
        sends(rng, &mut moves);
        moves.push(wait(rng, 2_000..5_000));
    }
    moves
}

fn wait(rng: &mut ChaCha12Rng, milliseconds: std::ops::Range<u64>) -> Move {
    Move::Wait(Duration::from_millis(rng.random_range(milliseconds)))
}
