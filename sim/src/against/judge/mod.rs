//! Judges a hub from outside: by what clients did and saw, and by what the hub promises.

use std::collections::BTreeMap;
use std::fmt;

use dst::coverage::{Sightings, Situation};
use dst::verdict::{self, Time};
use serde::Serialize;

use super::dialect::Promises;
use super::history::Event;
use super::{Agreement, AnyHub, Scenario, Violation};
use crate::invariants::Invariant;

/// What can be judged from outside.
pub const FROM_OUTSIDE: [Invariant; 1] = [Invariant::I2];

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

impl Situation for Finding {
    const ALL: &'static [Self] = &FINDINGS;

    fn index(self) -> usize {
        Self::ALL.iter().position(|finding| *finding == self).unwrap_or_default()
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

/// Judges one run.
pub struct Judge {
    promises: Promises,
    findings: BTreeMap<Finding, u64>,
}

impl verdict::Judge<AnyHub> for Judge {
    fn new(scenario: &Scenario, _time: Time) -> Self {
        Self { promises: scenario.hub.promises().clone(), findings: BTreeMap::new() }
    }

    fn observe(&mut self, _event: &Event) -> Result<(), Violation> {
        let _ = (&self.promises, &mut self.findings);
        Ok(())
    }
}

/// L1: whoever keeps trying is there.
///
/// # Errors
/// Who is not.
pub fn check_agreement(clients: &[Agreement]) -> Result<(), Violation> {
    match clients.iter().find(|client| client.wants && !client.owns) {
        None => Ok(()),
        Some(client) => {
            let evidence = format!("{} is not back, though it keeps trying", client.address);
            Err(Violation::new(Invariant::L1, evidence))
        }
    }
}

/// Whether what the hub promises is enough to judge it.
pub fn is_judged(_invariant: Invariant, _promises: &Promises) -> bool {
    true
}

/// Hands on what the judge found.
pub struct Watch;

impl verdict::Watch<AnyHub> for Watch {
    fn new(_scenario: &Scenario) -> Self {
        Self
    }

    fn observe(&mut self, _event: &Event, _judge: &Judge) {}

    fn sightings(&self, seed: u64, judge: &Judge) -> Sightings<Finding> {
        Sightings::of_run(seed, |finding| judge.findings.get(&finding).copied().unwrap_or_default())
    }

    fn shape(&self, _judge: &Judge) {}
}
