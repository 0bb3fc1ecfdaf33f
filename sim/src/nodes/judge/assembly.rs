//! Who is subscribed gets what is published, and is counted; who is there is listed (I16, I23, I33). While something is broken,
//! a publication is for those that its hub knows; when all is well, for everybody.

use std::collections::{BTreeMap, BTreeSet};

use signal_hub::hub::{Hub, SessionKey};
use signal_hub::protocol::{ActorAddress, ActorList, Published, Topic};

use super::{Judge, Violation, Written};
use crate::invariants::Invariant;
use crate::nodes::moves::Word;
use crate::nodes::talk;
use crate::nodes::world::Connection;

/// What was asked when all was well, by its number, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Assembly {
    /// How many copies a publication had that was asked for when all was well.
    publications: BTreeMap<u64, Option<usize>>,
    /// Of all other ones that are not answered yet: whom their hub has, and how many subscribers it knows.
    audiences: BTreeMap<u64, (BTreeSet<ActorAddress>, usize)>,
    came: BTreeMap<u64, BTreeSet<ActorAddress>>,
    /// Who was listed.
    lists: BTreeMap<u64, Option<BTreeSet<ActorAddress>>>,
}

impl Assembly {
    pub fn comes(&mut self, to: &ActorAddress, number: u64) {
        if self.publications.contains_key(&number) || self.audiences.contains_key(&number) {
            self.came.entry(number).or_default().insert(to.clone());
        }
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

    /// A hub is about to carry out a publication, unless it waits behind its client's claim.
    pub(super) fn publishes(&mut self, key: SessionKey, number: u64, topic: &Topic, hub: &Hub) {
        if self.clients.get(&key).is_none_or(|client| client.registers()) {
            return;
        }
        let view = hub.view();
        let row = view.topics.get(topic).and_then(Option::as_ref);
        let subscribers: Vec<_> = row.iter().flat_map(|row| &row.subscribers).cloned().collect();
        let is_here = |address: &&ActorAddress| {
            let row = view.addresses.get(*address).and_then(Option::as_ref);
            let registration = row.and_then(|row| row.registration);
            registration.is_some_and(|registration| registration.owner.is_some())
        };
        let here = subscribers.iter().filter(is_here).cloned().collect();
        self.assembly.audiences.insert(number, (here, subscribers.len()));
    }

    /// A publication is answered: all whom its hub had have got it, and no more are counted than it knew, or have got it or
    /// are to recover it.
    pub(super) fn counted(
        &mut self,
        key: SessionKey,
        number: u64,
        told: &Published,
    ) -> Result<(), Violation> {
        let copies = told.subscriber_count + told.queued_count;
        self.assembly.publications.entry(number).and_modify(|counted| *counted = Some(copies));
        let Some((here, known)) = self.assembly.audiences.remove(&number) else { return Ok(()) };
        let came = self.assembly.came.get(&number).cloned().unwrap_or_default();
        if !self.assembly.publications.contains_key(&number) {
            self.assembly.came.remove(&number);
        }
        if let Some(missing) = here.difference(&came).next() {
            let what = format!(
                "{missing} is at the hub of {key} and subscribed, and publication {number} is answered without it"
            );
            return Err(Violation::new(Invariant::I16, what));
        }
        if told.subscriber_count > came.len() || copies > known {
            let what = format!(
                "{key} is told {told:?} of publication {number}: {known} are known, and {} have got it",
                came.len()
            );
            return Err(Violation::new(Invariant::I23, what));
        }
        Ok(())
    }

    /// All that was asked so is answered.
    pub fn assembled(
        &self,
        connections: &BTreeMap<SessionKey, Connection>,
    ) -> Result<(), Violation> {
        let there = self.believers(connections);
        let there: BTreeSet<ActorAddress> =
            there.iter().map(|(_, actor)| talk::address(*actor)).collect();
        let doubtful = self.doubtful();
        let wants = |address: &&ActorAddress| {
            let latest = self.log.get(*address).and_then(|history| history.last());
            let row = latest.and_then(|Written { row, .. }| row.as_ref());
            row.is_some_and(|row| !row.topics.is_empty())
        };
        let subscribers: Vec<&ActorAddress> = there.iter().filter(wants).collect();
        let most = subscribers.len() + doubtful.difference(&there).filter(wants).count();
        for (number, copies) in &self.assembly.publications {
            let came = self.assembly.came.get(number);
            let has = |of: &ActorAddress| came.is_some_and(|came| came.contains(of));
            if let Some(missing) = subscribers.iter().find(|address| !has(address)) {
                let what =
                    format!("{missing} is subscribed, and does not get publication {number}");
                return Err(Violation::new(Invariant::I16, what));
            }
            if copies.is_none_or(|copies| copies < subscribers.len() || copies > most) {
                let what = format!(
                    "{} to {most} are subscribed, and of publication {number} {copies:?} copies are told",
                    subscribers.len()
                );
                return Err(Violation::new(Invariant::I23, what));
            }
        }
        let is_true = |listed: &BTreeSet<ActorAddress>| {
            there.is_subset(listed) && listed.difference(&there).all(|one| doubtful.contains(one))
        };
        let mut lists = self.assembly.lists.iter();
        let wrong = lists.find(|(_, listed)| !listed.as_ref().is_some_and(is_true));
        let Some((number, listed)) = wrong else { return Ok(()) };
        let what = format!("{there:?} are there, and {number} is told {listed:?}");
        Err(Violation::new(Invariant::I33, what))
    }
}
