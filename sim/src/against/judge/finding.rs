//! What can be judged from outside at all, and whether it was.

use std::fmt;

use dst::coverage::Situation;
use serde::Serialize;

use crate::invariants::Invariant;

/// What can be judged from outside.
pub const FROM_OUTSIDE: [Invariant; 24] = [
    Invariant::I2,
    Invariant::I3,
    Invariant::I5,
    Invariant::I6,
    Invariant::I8,
    Invariant::I14,
    Invariant::I15,
    Invariant::I16,
    Invariant::I18,
    Invariant::I19,
    Invariant::I20,
    Invariant::I23,
    Invariant::I24,
    Invariant::I25,
    Invariant::I26,
    Invariant::I27,
    Invariant::I31,
    Invariant::I32,
    Invariant::I33,
    Invariant::L1,
    Invariant::L3,
    Invariant::L4,
    Invariant::L6,
    Invariant::L8,
];

/// An invariant was judged, or could not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which one.
    pub invariant: Invariant,
    /// Whether it was decided.
    pub decided: bool,
}

const FINDINGS: [Finding; 2 * FROM_OUTSIDE.len()] = {
    let mut all = [Finding { invariant: Invariant::I2, decided: true }; 2 * FROM_OUTSIDE.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] =
            Finding { invariant: FROM_OUTSIDE[place / 2], decided: place.is_multiple_of(2) };
        place += 1;
    }
    all
};

impl Finding {
    /// Its place among all, if its invariant can be judged from outside.
    pub(super) fn place(self) -> Option<usize> {
        let place = FROM_OUTSIDE.iter().position(|invariant| *invariant == self.invariant)?;
        Some(2 * place + usize::from(!self.decided))
    }
}

impl Situation for Finding {
    const ALL: &'static [Self] = &FINDINGS;

    fn index(self) -> usize {
        self.place().unwrap_or_default()
    }

    fn sentence(self) -> &'static str {
        self.invariant.sentence()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.decided { "decided" } else { "undecided" };
        write!(f, "{:?} {word}", self.invariant)
    }
}
