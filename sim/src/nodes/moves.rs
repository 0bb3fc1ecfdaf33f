//! What can happen, and the storm of a seed.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::aims::Profile;
use super::world::Setting;
use crate::engine::{Kept, Way};

/// One thing that happens. Numbers are taken modulo how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// An actor connects to a node.
    Open {
        /// The actor.
        actor: usize,
        /// The node.
        node: usize,
    },
    /// One of an actor's connections says something.
    Say {
        /// The actor.
        actor: usize,
        /// The connection.
        slot: usize,
        /// What it says.
        word: Word,
    },
    /// A connection is gone.
    End {
        /// The actor.
        actor: usize,
        /// The connection.
        slot: usize,
    },
    /// Time passes.
    Wait(Duration),
    /// Something breaks, or is mended.
    Fault(usize, Fault),
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Registers the actor's own address.
    Register,
    /// Registers it, and wants what it missed.
    Recover,
    /// Gives it back.
    Unregister,
    /// Subscribes to the one topic.
    Subscribe,
    /// Unsubscribes from it.
    Unsubscribe,
    /// Publishes on it.
    Publish,
    /// Sends to an actor.
    Send(usize),
    /// Asks who is there.
    List,
    /// Leaves.
    Disconnect,
}

/// What can go wrong with a node, or its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The node stands still, and goes on the next time.
    Pause,
    /// It ends without a word, and starts anew the next time.
    Crash,
    /// It ends in order, and starts anew the next time.
    Leave,
    /// Another process starts with its name.
    Twin,
    /// From its next start on, its process is of a newer release.
    Upgrade,
    /// Somebody sets its wall clock, by so many seconds.
    Clock(i64),
    /// It loses the engine, and reaches it again the next time.
    Disconnect,
    /// One way is cut, and healed the next time.
    Cut(Way),
    /// Its watch shows nothing, and goes on the next time.
    HoldWatch,
    /// No request of it is answered, and all are the next time.
    HoldAnswers,
    /// No message of another node arrives, and all do the next time.
    HoldMessages,
    /// Its watch ends without a word.
    EndWatch,
    /// Nothing that waits for it arrives, and does the next time.
    Hold,
    /// Its next write is carried out, and the answer lost.
    LoseAnswer,
    /// Its next write is of unknown outcome, and carried out when it may no longer be expected.
    Late,
    /// A late write is carried out now.
    CarryOut,
    /// Its next read is of before the last writes, or its next watch begins there.
    Stale,
    /// The next message to it is lost.
    LoseMessage,
    /// The last message to it comes again.
    DoubleMessage,
    /// Nobody decides writes, and somebody does the next time.
    Election,
    /// The engine starts anew.
    Restart(Kept),
}

impl Fault {
    /// Whether it lasts until it happens once more.
    pub(super) const fn lasts(self) -> bool {
        match self {
            Fault::Pause
            | Fault::Crash
            | Fault::Leave
            | Fault::Disconnect
            | Fault::Cut(_)
            | Fault::HoldWatch
            | Fault::HoldAnswers
            | Fault::HoldMessages
            | Fault::Hold
            | Fault::Election => true,
            Fault::EndWatch
            | Fault::Twin
            | Fault::Upgrade
            | Fault::Clock(_)
            | Fault::LoseAnswer
            | Fault::Late
            | Fault::CarryOut
            | Fault::Stale
            | Fault::LoseMessage
            | Fault::DoubleMessage
            | Fault::Restart(_) => false,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Open { actor, node } => write!(f, "a{actor} connects to n{node}"),
            Move::Say { actor, slot, word } => {
                write!(f, "a{actor} on its connection {slot} {word}")
            }
            Move::End { actor, slot } => write!(f, "a{actor}'s connection {slot} is gone"),
            Move::Wait(time) => write!(f, "{time:?} pass"),
            Move::Fault(node, fault) => write!(f, "n{node}: {fault}"),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Register => f.write_str("registers its address"),
            Word::Recover => f.write_str("registers its address with its position"),
            Word::Unregister => f.write_str("unregisters it"),
            Word::Subscribe => f.write_str("subscribes"),
            Word::Unsubscribe => f.write_str("unsubscribes"),
            Word::Publish => f.write_str("publishes"),
            Word::Send(to) => write!(f, "sends to a{to}"),
            Word::List => f.write_str("asks who is there"),
            Word::Disconnect => f.write_str("leaves"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Pause => "it stands still, or goes on",
            Fault::Crash => "it crashes, or starts anew",
            Fault::Leave => "it ends in order, or starts anew",
            Fault::Twin => "another process starts with its name",
            Fault::Upgrade => "its next process is of a newer release",
            Fault::Clock(0..) => "its clock is put forward",
            Fault::Clock(_) => "its clock is put back",
            Fault::Disconnect => "it loses the engine, or reaches it again",
            Fault::Cut(Way::ToEngine) => "its way to the engine is cut, or healed",
            Fault::Cut(Way::FromEngine) => "its way from the engine is cut, or healed",
            Fault::HoldWatch => "its watch stands still, or goes on",
            Fault::HoldAnswers => "it hears no answer, or all",
            Fault::HoldMessages => "no message arrives, or all do",
            Fault::EndWatch => "its watch ends without a word",
            Fault::Hold => "nothing arrives, or all does",
            Fault::LoseAnswer => "the next answer to a write is lost",
            Fault::Late => "the next write is late",
            Fault::CarryOut => "the engine carries out a late write",
            Fault::Stale => "the next read or watch is old",
            Fault::LoseMessage => "a message to it is lost",
            Fault::DoubleMessage => "the last message to it comes again",
            Fault::Election => "the engine has nobody who decides, or has again",
            Fault::Restart(Kept::All) => "the engine starts anew",
            Fault::Restart(Kept::AllBut(_)) => "the engine starts anew without its last writes",
            Fault::Restart(Kept::Nothing) => "the engine starts anew with nothing",
        })
    }
}

/// All of them, and how often storms have them.
pub(super) const FAULTS: [(u32, Fault); 26] = [
    (5, Fault::Pause),
    (4, Fault::Crash),
    (4, Fault::Leave),
    (2, Fault::Twin),
    (2, Fault::Upgrade),
    (1, Fault::Clock(7)),
    (1, Fault::Clock(-7)),
    (1, Fault::Clock(-600)),
    (4, Fault::Disconnect),
    (3, Fault::Cut(Way::ToEngine)),
    (3, Fault::Cut(Way::FromEngine)),
    (4, Fault::HoldWatch),
    (3, Fault::HoldAnswers),
    (3, Fault::HoldMessages),
    (3, Fault::EndWatch),
    (4, Fault::Hold),
    (5, Fault::LoseAnswer),
    (5, Fault::Late),
    (5, Fault::CarryOut),
    (4, Fault::Stale),
    (3, Fault::LoseMessage),
    (3, Fault::DoubleMessage),
    (2, Fault::Election),
    (1, Fault::Restart(Kept::All)),
    (1, Fault::Restart(Kept::AllBut(3))),
    (1, Fault::Restart(Kept::Nothing)),
];

const WORDS: [(u32, Word); 7] = [
    (3, Word::Register),
    (10, Word::Recover),
    (2, Word::Unregister),
    (5, Word::Subscribe),
    (2, Word::Unsubscribe),
    (5, Word::Publish),
    (1, Word::Disconnect),
];

/// The moves of a seed: of the profile that is chance's, every other storm begins with another profile's aim; all go on as
/// chance has it.
pub fn storm(setting: &Setting, seed: u64, profile: Profile) -> Vec<Move> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let aim = profile.of_seed(seed);
    let length = if aim.is_some() { 0..30 } else { 20..120 };
    let mut moves = aim.map_or(Vec::new(), |aim| aim.moves(setting, &mut rng));
    let length = rng.random_range(length);
    // Some storms have no fault at all, and some nothing else.
    let faults = [0, 10, 25, 40][rng.random_range(0..4)];
    for _ in 0..length {
        let next = one(&mut rng, setting, faults);
        moves.push(next);
        if let Move::Open { actor, .. } = next
            && rng.random_range(0..4) > 0
        {
            let slot = rng.random_range(0..2);
            let word = if rng.random_range(0..4) > 0 { Word::Recover } else { Word::Register };
            moves.push(Move::Say { actor, slot, word });
        }
    }
    moves
}

fn one(rng: &mut ChaCha12Rng, setting: &Setting, faults: u32) -> Move {
    let (actor, node) = (rng.random_range(0..setting.actors), rng.random_range(0..setting.nodes));
    let slot = rng.random_range(0..2);
    if rng.random_range(0..100) < faults {
        return Move::Fault(node, pick(rng, &FAULTS));
    }
    match rng.random_range(0..100) {
        0..20 => Move::Open { actor, node },
        20..50 => Move::Say { actor, slot, word: pick(rng, &WORDS) },
        50..70 => Move::Say { actor, slot, word: Word::Send(rng.random_range(0..setting.actors)) },
        70..77 => Move::End { actor, slot },
        77..92 => Move::Wait(Duration::from_millis(rng.random_range(1..800))),
        _ => Move::Wait(Duration::from_secs(rng.random_range(1..25))),
    }
}

fn pick<T: Copy>(rng: &mut ChaCha12Rng, weighted: &[(u32, T)]) -> T {
    let mut left = rng.random_range(0..weighted.iter().map(|(weight, _)| weight).sum());
    for (weight, one) in weighted {
        if left < *weight {
            return *one;
        }
        left -= weight;
    }
    unreachable!("the weights were added up")
}
