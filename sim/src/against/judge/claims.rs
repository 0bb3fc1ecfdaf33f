//! Whose an address is: sure, possible, or nobody's. Each registration is a claim of its connection until the
//! hub says otherwise, or must have noticed that the connection is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::known::Moment;
use super::topics::Topic;
use super::versions::Era;

/// Clocks of one machine differ by less.
pub const SLACK: Duration = Duration::from_millis(250);

/// One address.
#[derive(Default)]
pub struct Address {
    pub claims: BTreeMap<usize, Claim>,
    /// The connection that surely has it, and since when.
    pub owner: Option<(usize, Moment)>,
    /// When it was last possible that one had it that has no claim any more.
    pub past: Option<Moment>,
    /// The registrations of each connection.
    pub registers: BTreeMap<usize, Register>,
    /// A time at which the hub surely knew it.
    pub proven: Option<Duration>,
    /// Operations under way that make the hub forget it.
    pub leaving: u32,
    pub era: Era,
    pub topics: BTreeMap<String, Topic>,
    /// Since the faults are over.
    pub takeovers: usize,
}

/// The registrations of one connection.
#[derive(Default)]
pub struct Register {
    pub under_way: u32,
    /// When the latest was asked for.
    pub asked: Moment,
    /// When the first was asked for of those without a gap: a notice on its way can be about any of them.
    pub since: Moment,
    /// When one was answered last.
    pub ended: Moment,
}

/// What a connection may have.
#[derive(Default)]
pub struct Claim {
    /// Registrations under way.
    pub pending: u32,
    /// Renewals under way.
    pub renewing: u32,
    /// Operations under way that give it up.
    pub leaving: u32,
    pub owned: Option<Owned>,
    /// When the hub has noticed that the connection is lost.
    pub until: Option<Option<Duration>>,
    pub expects_notice: bool,
}

/// A registration that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    pub asked: Moment,
    pub heard: Moment,
    pub version: Option<u64>,
    pub ttl: Duration,
    pub renews: bool,
    /// It lives from here on at least.
    pub alive_asked: Duration,
    /// And from here on at most.
    pub alive_heard: Duration,
}

impl Owned {
    pub fn outlasts(&self, now: Duration) -> bool {
        now + SLACK < self.alive_asked.saturating_add(self.ttl)
    }

    /// Returns whether it was registered before the other surely.
    pub fn is_before(&self, other: &Owned, by_version: bool) -> bool {
        if self.heard.place < other.asked.place {
            return true;
        }
        let versions = self.version.zip(other.version).filter(|_| by_version);
        versions.is_some_and(|(own, other)| own < other)
    }
}

impl Address {
    /// Returns whether a connection may have had it at some moment since then.
    pub fn is_possible(&self, since: Moment, lasts: impl Fn(&Claim) -> Option<Duration>) -> bool {
        self.past.is_some_and(|past| past >= since)
            || self.claims.values().any(|claim| lasts(claim).is_none_or(|end| end >= since.at))
    }

    /// Whoever is the last of all claims.
    pub fn last(&self, by_version: bool) -> Option<usize> {
        let mut owned = self.claims.iter().filter_map(|(link, claim)| Some((*link, claim.owned?)));
        let first = owned.next()?;
        let (link, last) =
            owned.fold(
                first,
                |last, next| {
                    if last.1.is_before(&next.1, by_version) { next } else { last }
                },
            );
        let is_last = self.claims.iter().all(|(other, claim)| {
            let is_before = || claim.owned.is_none_or(|owned| owned.is_before(&last, by_version));
            *other == link || claim.pending == 0 && is_before()
        });
        let claim = self.claims.get(&link)?;
        (is_last && claim.leaving == 0 && claim.until.is_none()).then_some(link)
    }

    /// Returns whether only this connection may have had it since then.
    pub fn is_alone(&self, link: usize) -> bool {
        self.claims.keys().all(|other| *other == link)
    }

    pub fn owned(&self, link: usize) -> Option<Owned> {
        self.claims.get(&link)?.owned
    }

    /// Returns whether another connection had it while this one asked for it.
    pub fn is_held_by_other(&self, link: usize) -> bool {
        let held = |claim: &Claim| claim.owned.is_some() && claim.until.is_none();
        self.claims.iter().any(|(other, claim)| *other != link && held(claim))
    }

    /// Returns whether the connection does not register it just now.
    pub fn is_calm_or_gone(&self, link: usize) -> bool {
        self.claims.get(&link).is_none_or(|claim| claim.pending == 0)
    }

    /// Returns whether the connection neither registers nor renews it just now.
    pub fn is_calm(&self, link: usize) -> bool {
        self.claims.get(&link).is_some_and(|claim| claim.pending + claim.renewing == 0)
    }

    /// The connection that has it, as far as nothing is under way.
    pub const fn owner(&self) -> Option<(usize, Moment)> {
        self.owner
    }

    /// Returns whether another connection may have registered it after this one's registrations were
    /// asked for.
    pub fn has_rival(&self, link: usize) -> bool {
        let own = self.registers.get(&link).map(|own| own.since).unwrap_or_default();
        let mut others = self.registers.iter().rev().filter(|(other, _)| **other != link);
        others.any(|(_, other)| other.under_way > 0 || other.ended > own)
    }

    /// Returns whether the hub may have forgotten it since then.
    pub fn is_new_since(&self, since: Moment) -> bool {
        self.era.began() > since || self.leaving > 0
    }

    /// When the connection asked for it last.
    pub fn asked(&self, link: usize) -> Option<Moment> {
        self.registers.get(&link).map(|register| register.asked)
    }
}

impl Address {
    pub fn drop_empty(&mut self, link: usize, now: Moment) {
        let is_empty = |claim: &Claim| claim.pending == 0 && claim.owned.is_none();
        if self.claims.get(&link).is_some_and(is_empty) {
            self.claims.remove(&link);
            self.past = Some(now);
        }
    }
}
