//! Copies: how many there are, who gets one, and who is there to get one.

use std::collections::BTreeSet;

use signal_hub::protocol::Glob;

use super::super::dialect::{Operation, Promise, Verb};
use super::known::{Known, Moment, Verdict, plain};
use super::links::{Asked, What};
use super::sayings::ttl;
use crate::invariants::Invariant;

impl Known {
    /// I23, I16, I14: copies were handed over.
    pub fn handed_over(
        &mut self,
        asked: usize,
        delivered: Option<u64>,
        failed: Option<u64>,
    ) -> Verdict {
        let operation = self.operation(asked);
        let Some((saying, first)) = self.saying_of(&operation) else { return Ok(()) };
        if first < self.hub_since {
            return Ok(());
        }
        let copies = delivered.filter(|_| self.keeps(Promise::Counts));
        if let Some(copies) = copies {
            self.check_possible(asked, first, saying, copies)?;
            self.counted(saying, copies)?;
        }
        // What may have been overdue need not come; nor what failed, unless it is known who had room.
        let may_fail = failed.is_some_and(|failed| failed > 0) && self.promises.room.is_none();
        if may_fail || ttl(&operation.verb).is_some() {
            return Ok(());
        }
        self.count_unsubscribed(&operation, first);
        let is_ask = matches!(operation.verb, Verb::Ask { .. });
        for (address, owner, invariant) in self.recipients(asked, copies, first) {
            if !is_ask && !self.has_room(owner) {
                self.count(invariant, false);
                continue;
            }
            let what = What::Arrival { invariant, saying, asked: first, address };
            self.expect(owner, what);
        }
        Ok(())
    }

    /// Those who have to hear it for sure.
    fn recipients(
        &self,
        asked: usize,
        copies: Option<u64>,
        first: Moment,
    ) -> Vec<(String, usize, Invariant)> {
        let Asked { operation, .. } = &self.asked[asked];
        let owner = |name: &str| self.owner_since(name, first);
        match &operation.verb {
            Verb::Ask { to, .. } if copies.is_some_and(|copies| copies > 0) => {
                let to = plain(to);
                let owner = owner(to).map(|owner| (to.to_owned(), owner, Invariant::I23));
                owner.into_iter().collect()
            }
            Verb::Publish { topic, .. } if self.keeps(Promise::Publish) => {
                let wanting = self.topics.get(topic).into_iter().flatten();
                let surely = wanting.filter_map(|name| {
                    let known = self.addresses.get(name)?.topics.get(topic)?;
                    let (by, owner) = (known.sure_since(first)?, owner(name)?);
                    let invariant = if by == owner { Invariant::I16 } else { Invariant::I14 };
                    Some((name.clone(), owner, invariant))
                });
                surely.collect()
            }
            Verb::Broadcast { exclude_self, .. } if self.keeps(Promise::Broadcast) => {
                let spared = |name: &String| *exclude_self && self.may_be_speaker(asked, name);
                let all = self.addresses.keys().filter(|name| !spared(name));
                let there =
                    all.filter_map(|name| Some((name.clone(), owner(name)?, Invariant::I23)));
                there.collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns whether it may be this address that speaks: the one that is named, or another of the
    /// connection.
    fn may_be_speaker(&self, asked: usize, name: &str) -> bool {
        let Asked { link, operation, .. } = &self.asked[asked];
        let has_other = || !self.surely_acted(asked) && self.links[*link].ever.contains(name);
        plain(&operation.speaker) == name || has_other()
    }

    /// I23: no more copies than recipients.
    fn check_possible(
        &mut self,
        asked: usize,
        first: Moment,
        saying: usize,
        copies: u64,
    ) -> Verdict {
        let Asked { operation, acts, .. } = &self.asked[asked];
        let is_there = |name: &&String| self.is_possible(name, first);
        let possible = match &operation.verb {
            Verb::Ask { to, .. } => usize::from(self.is_possible(plain(to), first)),
            Verb::Publish { topic, .. } => {
                let wanting = self.topics.get(topic).into_iter().flatten();
                let hears = |name: &&String| {
                    self.addresses.get(*name).is_some_and(|known| known.may_hear(topic, first))
                };
                wanting.filter(is_there).filter(hears).count()
            }
            Verb::Broadcast { exclude_self, .. } => {
                let out = Some(plain(&operation.speaker)).filter(|_| *exclude_self && *acts);
                let all = self.addresses.keys().filter(|name| Some(name.as_str()) != out);
                all.filter(is_there).count()
            }
            _ => return Ok(()),
        };
        let holds = copies <= u64::try_from(possible).unwrap_or(u64::MAX);
        self.decide(Invariant::I23, holds, |known| {
            let said = known.sayings.text(saying);
            format!("{said} was counted {copies} times; at most {possible} could have it")
        })
    }

    /// I33: who is there.
    pub fn listed(
        &mut self,
        link: usize,
        asked: usize,
        listed: &BTreeSet<String>,
        more: bool,
    ) -> Verdict {
        if !self.keeps(Promise::Discovery) {
            return Ok(());
        }
        let (operation, at) = (self.operation(asked), self.asked[asked].at);
        let pattern = match &operation.verb {
            Verb::Discover { pattern } => plain(pattern),
            _ => "*",
        };
        let absent = listed.iter().find(|name| !self.is_possible(plain(name), at));
        self.decide(Invariant::I33, absent.is_none(), |known| {
            let (who, absent) = (known.text(link), absent.map_or("?", String::as_str));
            format!("{who} was told that {absent} is there, which nobody has")
        })?;
        if more {
            return Ok(());
        }
        let pattern = Glob::new(pattern);
        let all = self.addresses.keys().filter(|name| pattern.matches(name));
        let unlisted = all.filter(|name| !listed.contains(*name));
        let missing: Vec<(String, usize)> =
            unlisted.filter_map(|name| Some((name.clone(), self.owner_since(name, at)?))).collect();
        for (address, owner) in missing {
            let evidence = format!("{} was not told that {address} is there", self.text(link));
            let invariant = Invariant::I33;
            self.expect(owner, What::Wrong { invariant, asked: at, address, evidence });
        }
        Ok(())
    }

    /// I15: those who are there, and had unsubscribed before.
    fn count_unsubscribed(&mut self, operation: &Operation, first: Moment) {
        let Verb::Publish { topic, .. } = &operation.verb else { return };
        let wanting = self.topics.get(topic).into_iter().flatten();
        let unsubscribed = wanting.filter(|name| {
            let known = self.addresses.get(*name).and_then(|address| address.topics.get(topic));
            known.is_some_and(|known| known.never_since(first))
                && self.owner_since(name, first).is_some()
        });
        for _ in 0..unsubscribed.count() {
            self.count(Invariant::I15, true);
        }
    }
}
