//! What is known of a hub from outside: connections, what was asked on them, and whose each address is or may be.
//!
//! Something is *sure* if it was so at each moment since some event, whatever the hub did with what is still under
//! way. The client of a connection may believe in it longer than the hub does; so what speaks against the hub waits
//! until a later round trip shows that the hub still knew the connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dst::history::ClientKind;

use super::super::Violation;
use super::super::dialect::{Operation, Promise, Promises};
use super::claims::Address;
use super::links::{Asked, Link};
use super::sayings::Sayings;
use super::{FROM_OUTSIDE, Finding};
use crate::history::ClientName;
use crate::invariants::Invariant;

/// How long anything may take that a hub does at once, if nobody says it better.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether what is judged holds.
pub type Verdict = Result<(), Violation>;

/// That it does not.
pub fn broken(invariant: Invariant, evidence: impl Into<String>) -> Verdict {
    Err(Violation::new(invariant, evidence))
}

/// A place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    /// Counts events; no two are alike.
    pub place: u64,
    /// From the start of the run.
    pub at: Duration,
}

/// All that is known.
pub struct Known {
    pub promises: Promises,
    pub patience: Duration,
    pub now: Moment,
    /// The last time at which all was forgotten.
    pub hub_since: Moment,
    pub links: Vec<Link>,
    numbers: BTreeMap<(ClientName, u32), usize>,
    pub asked: Vec<Asked>,
    pub addresses: BTreeMap<String, Address>,
    /// The addresses that ever wanted each topic.
    pub topics: BTreeMap<String, BTreeSet<String>>,
    pub sayings: Sayings,
    /// What was said, weighed; and of that what may still be on its way to the hub.
    pub said: u64,
    pub loose: u64,
    /// Operations whose answers nobody waits for.
    pub excused: BTreeSet<String>,
    /// Whoever wrote what no operation is.
    pub wild: BTreeSet<ClientName>,
    /// Whether that may have done anything.
    pub lawless: bool,
    /// How long the hub stood still.
    pub stood_still: Duration,
    /// Whether clocks were set wrong: then times say nothing.
    pub skewed: bool,
    /// Connections that were there when the faults were over, or came later.
    pub since_heal: Option<usize>,
    /// The hub is told to end.
    pub ending: Option<Moment>,
    /// Lost connections, and when the hub has noticed at the latest.
    ghosts: BTreeSet<(Duration, usize)>,
    findings: Vec<u64>,
}

impl Known {
    pub fn new(promises: Promises) -> Self {
        Self {
            patience: promises.patience.unwrap_or(PATIENCE),
            promises,
            now: Moment::default(),
            hub_since: Moment::default(),
            links: Vec::new(),
            numbers: BTreeMap::new(),
            asked: Vec::new(),
            addresses: BTreeMap::new(),
            topics: BTreeMap::new(),
            sayings: Sayings::default(),
            said: 0,
            loose: 0,
            excused: BTreeSet::new(),
            wild: BTreeSet::new(),
            lawless: false,
            stood_still: Duration::ZERO,
            skewed: false,
            since_heal: None,
            ending: None,
            ghosts: BTreeSet::new(),
            findings: vec![0; 2 * FROM_OUTSIDE.len()],
        }
    }

    pub fn keeps(&self, promise: Promise) -> bool {
        self.promises.keep(promise)
    }

    /// Counts that something was judged, or could not be.
    pub fn count(&mut self, invariant: Invariant, decided: bool) {
        let finding = Finding { invariant, decided };
        if let Some(count) = finding.place().and_then(|place| self.findings.get_mut(place)) {
            *count += 1;
        }
    }

    /// Judges, unless something may have been done that nobody knows of.
    pub fn decide(
        &mut self,
        invariant: Invariant,
        holds: bool,
        evidence: impl FnOnce(&Self) -> String,
    ) -> Verdict {
        self.count(invariant, !self.lawless);
        if holds || self.lawless { Ok(()) } else { broken(invariant, evidence(self)) }
    }

    pub fn times(&self, finding: Finding) -> u64 {
        finding.place().and_then(|place| self.findings.get(place)).copied().unwrap_or_default()
    }

    /// Time goes on: connections whose end the hub has noticed by now do nothing any more.
    pub fn tick(&mut self, at: Duration) {
        self.now = Moment { place: self.now.place + 1, at };
        while let Some((settled, link)) = self.ghosts.first().copied()
            && settled + self.stood_still < at
        {
            self.ghosts.pop_first();
            self.settle(link, Moment { place: self.now.place - 1, at: settled });
        }
    }

    /// A hub with empty tables: what was known is of no use, nor are the connections.
    pub fn wipe(&mut self) {
        self.hub_since = self.now;
        self.addresses.clear();
        self.topics.clear();
        self.ghosts.clear();
        self.loose = 0;
        for link in 0..self.links.len() {
            self.drop_dues(link);
            self.links[link].stale = true;
            self.links[link].loose.clear();
        }
    }

    pub fn open(&mut self, client: &ClientName, connection: u32) {
        let link = self.links.len();
        self.links.push(Link::new(client.clone(), connection, self.now));
        self.numbers.insert((client.clone(), connection), link);
        self.since_heal = self.since_heal.map(|links| links + 1);
    }

    /// The connection, unless it is of no use.
    pub fn find(&self, client: &ClientName, connection: u32) -> Option<usize> {
        self.numbers.get(&(client.clone(), connection)).copied()
    }

    /// The open connections of whoever is meant.
    pub fn open_links(&self, is_meant: impl Fn(&ClientName) -> bool) -> Vec<usize> {
        let all = self.links.iter().enumerate();
        let meant = all.filter(|(_, link)| link.is_open() && is_meant(&link.client));
        meant.map(|(number, _)| number).collect()
    }

    /// The connections of whose end no event tells.
    pub fn vanish(&mut self, is_meant: impl Fn(&ClientName) -> bool) {
        for link in self.open_links(is_meant) {
            self.lose(link, false);
        }
    }

    /// A connection is gone. What is under way on it may be carried out until the hub notices.
    pub fn lose(&mut self, link: usize, hub_knows: bool) {
        self.drop_dues(link);
        self.links[link].lost = true;
        let noticed = match self.promises.idle_timeout {
            _ if hub_knows => Some(self.patience),
            Some(idle) => Some(idle + self.patience),
            None => None,
        };
        let until = noticed.map(|noticed| self.now.at + noticed);
        self.ghosts.extend(until.map(|until| (until, link)));
        for name in self.links[link].ever.clone() {
            self.leave(&name, link, until);
        }
    }

    /// The raw connections die with the last step.
    pub fn heal(&mut self) {
        self.vanish(|client| client.kind == ClientKind::Raw);
        self.since_heal = Some(self.open_links(|_| true).len());
        self.addresses.values_mut().for_each(|address| address.takeovers = 0);
    }

    /// As people call it.
    pub fn text(&self, link: usize) -> String {
        self.links.get(link).map_or_else(String::new, Link::text)
    }

    /// What was asked.
    pub fn operation(&self, asked: usize) -> Arc<Operation> {
        Arc::clone(&self.asked[asked].operation)
    }
}

/// A name without what only this project's protocol has around it.
pub fn plain(name: &str) -> &str {
    name.strip_prefix("@(").and_then(|name| name.strip_suffix(')')).unwrap_or(name)
}
