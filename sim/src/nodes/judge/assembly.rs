//! When all is well: who is subscribed gets what is published and is counted, and who is there is listed (I16, I23, I33).

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{ActorAddress, ActorList};

use super::{Judge, Violation, Written};
use crate::invariants::Invariant;
use crate::nodes::moves::Word;
use crate::nodes::talk;

/// What was asked when all was well, by its number, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Assembly {
    /// How many copies a publication had.
    publications: BTreeMap<u64, Option<usize>>,
    came: BTreeSet<(ActorAddress, u64)>,
    /// Who was listed.
    lists: BTreeMap<u64, Option<BTreeSet<ActorAddress>>>,
}

impl Assembly {
    pub fn comes(&mut self, to: &ActorAddress, number: u64) {
        if self.publications.contains_key(&number) {
            self.came.insert((to.clone(), number));
        }
    }

    pub fn counts(&mut self, number: u64, copies: usize) {
        self.publications.entry(number).and_modify(|counted| *counted = Some(copies));
    }

    pub fn lists(&mut self, number: u64, told: &ActorList) {
        let all = || told.actors.iter().map(|actor| actor.address.clone()).collect();
        self.lists.entry(number).and_modify(|listed| *listed = Some(all()));
    }
}

impl Judge {
    /// All is well, and this is asked with the latest number.
    pub fn assembles(&mut self, number: u64, word: Word) {
        if word == Word::Publish {
            self.assembly.publications.insert(number, None);
        } else {
            self.assembly.lists.insert(number, None);
        }
    }

    /// All that was asked so is answered.
    pub fn assembled(&self, believers: &[(SessionKey, usize)]) -> Result<(), Violation> {
        let there: BTreeSet<ActorAddress> =
            believers.iter().map(|(_, actor)| talk::address(*actor)).collect();
        let wants = |address: &&ActorAddress| {
            let latest = self.log.get(*address).and_then(|history| history.last());
            let row = latest.and_then(|Written { row, .. }| row.as_ref());
            row.is_some_and(|row| !row.topics.is_empty())
        };
        let subscribers: Vec<&ActorAddress> = there.iter().filter(wants).collect();
        for (number, copies) in &self.assembly.publications {
            let has = |of: &ActorAddress| self.assembly.came.contains(&(of.clone(), *number));
            if let Some(missing) = subscribers.iter().find(|address| !has(address)) {
                let what =
                    format!("{missing} is subscribed, and does not get publication {number}");
                return Err(Violation::new(Invariant::I16, what));
            }
            if *copies != Some(subscribers.len()) {
                let what = format!(
                    "{} are subscribed, and of publication {number} {copies:?} copies are told",
                    subscribers.len()
                );
                return Err(Violation::new(Invariant::I23, what));
            }
        }
        let wrong = self.assembly.lists.iter().find(|(_, listed)| listed.as_ref() != Some(&there));
        let Some((number, listed)) = wrong else { return Ok(()) };
        let what = format!("{there:?} are there, and {number} is told {listed:?}");
        Err(Violation::new(Invariant::I33, what))
    }
}
