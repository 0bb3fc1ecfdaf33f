//! What can happen in a storm, and how often.

use super::Profile;
use super::dice::Dice;

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    // Operations.
    Tell,
    Ask,
    AskTwice,
    Broadcast,
    Publish,
    Subscribe,
    Unsubscribe,
    Register,
    Unregister,
    Look,
    // Somebody who goes by no rules but the protocol's.
    RawSession,
    RawNonsense,
    RawRivalry,
    // Troubles.
    Reconnect,
    Start,
    Leave,
    Reset,
    Sever,
    Stall,
    Partition,
    Connects,
    PauseReading,
    Weather,
    Crash,
    PauseClient,
    PauseHub,
    ClockSkew,
    RestartHub,
    // Not a step: some bounds of the hub are near.
    Limits,
}

const OPERATIONS: [(Kind, usize); 10] = [
    (Kind::Tell, 6),
    (Kind::Ask, 3),
    (Kind::AskTwice, 2),
    (Kind::Broadcast, 2),
    (Kind::Publish, 3),
    (Kind::Subscribe, 2),
    (Kind::Unsubscribe, 1),
    (Kind::Register, 1),
    (Kind::Unregister, 1),
    (Kind::Look, 1),
];

const STRANGERS: [Kind; 3] = [Kind::RawSession, Kind::RawNonsense, Kind::RawRivalry];

const TROUBLES: [Kind; 15] = [
    Kind::Reconnect,
    Kind::Start,
    Kind::Leave,
    Kind::Reset,
    Kind::Sever,
    Kind::Stall,
    Kind::Partition,
    Kind::Connects,
    Kind::PauseReading,
    Kind::Weather,
    Kind::Crash,
    Kind::PauseClient,
    Kind::PauseHub,
    Kind::ClockSkew,
    Kind::RestartHub,
];

/// How often each kind happens, relative to the others of its group.
#[derive(Debug)]
pub struct Weights {
    pub operations: Vec<(Kind, usize)>,
    pub strangers: Vec<(Kind, usize)>,
    pub troubles: Vec<(Kind, usize)>,
    /// How many troubles there are, at least and at most.
    pub troubles_between: (usize, usize),
    limits: bool,
}

impl Weights {
    pub fn of(profile: Profile, dice: &mut Dice) -> Self {
        let all = |kinds: &[Kind]| kinds.iter().map(|kind| (*kind, 1)).collect::<Vec<_>>();
        let some = |strangers: &[Kind], troubles: &[(Kind, usize)], troubles_between| Self {
            operations: OPERATIONS.to_vec(),
            strangers: all(strangers),
            troubles: troubles.to_vec(),
            troubles_between,
            limits: false,
        };
        match profile {
            Profile::Calm | Profile::Crowd => some(&[], &[], (0, 0)),
            Profile::Storm => some(&STRANGERS, &all(&TROUBLES), (6, 16)),
            Profile::Flaky => {
                let troubles = [(Kind::Weather, 3), (Kind::Stall, 2), (Kind::PauseReading, 1)];
                some(&[], &troubles, (6, 16))
            }
            Profile::Takeover => {
                let troubles = [(Kind::Start, 3), (Kind::Reconnect, 3), (Kind::Sever, 1)];
                some(&[Kind::RawRivalry], &troubles, (12, 30))
            }
            Profile::Halfopen => {
                let troubles = [(Kind::Sever, 3), (Kind::Partition, 2), (Kind::Connects, 1)];
                some(&[], &troubles, (6, 16))
            }
            Profile::Restart => {
                let troubles = [(Kind::RestartHub, 3), (Kind::Reconnect, 1), (Kind::Leave, 1)];
                some(&[Kind::RawSession], &troubles, (4, 8))
            }
            Profile::Store => {
                let troubles =
                    [(Kind::Reconnect, 2), (Kind::Leave, 1), (Kind::Sever, 1), (Kind::Start, 1)];
                some(&[Kind::RawSession], &troubles, (4, 8))
            }
            Profile::Principals => {
                let troubles = [
                    (Kind::Start, 2),
                    (Kind::Reconnect, 3),
                    (Kind::Leave, 1),
                    (Kind::Crash, 1),
                    (Kind::Sever, 1),
                    (Kind::PauseHub, 1),
                    (Kind::ClockSkew, 3),
                    (Kind::RestartHub, 1),
                ];
                some(&[Kind::RawSession, Kind::RawRivalry], &troubles, (6, 16))
            }
            Profile::Swarm => Self {
                operations: chosen(&OPERATIONS.map(|(kind, _)| kind), dice),
                strangers: chosen(&STRANGERS, dice),
                troubles: chosen(&TROUBLES, dice),
                troubles_between: (2, 20),
                limits: dice.one_in(2),
            },
        }
    }

    /// Returns whether this kind can happen.
    pub fn has(&self, kind: Kind) -> bool {
        let groups = [&self.operations, &self.strangers, &self.troubles];
        kind == Kind::Limits && self.limits
            || groups.iter().any(|group| group.iter().any(|(known, _)| *known == kind))
    }
}

/// Each with one chance in two, and a weight of its own; never none at all.
fn chosen(kinds: &[Kind], dice: &mut Dice) -> Vec<(Kind, usize)> {
    let mut chosen: Vec<(Kind, usize)> = Vec::new();
    for kind in kinds {
        let weight = dice.between(1, 8);
        if dice.one_in(2) {
            chosen.push((*kind, weight));
        }
    }
    if chosen.is_empty() {
        chosen.push((*dice.pick(kinds), 1));
    }
    chosen
}

/// One of the kinds, by weight.
pub fn draw(weights: &[(Kind, usize)], dice: &mut Dice) -> Kind {
    let total: usize = weights.iter().map(|(_, weight)| weight).sum();
    let mut left = dice.between(1, total);
    for (kind, weight) in weights {
        match left.checked_sub(*weight) {
            None | Some(0) => return *kind,
            Some(rest) => left = rest,
        }
    }
    unreachable!("the weights add up to their total")
}
