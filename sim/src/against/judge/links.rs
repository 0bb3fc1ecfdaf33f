//! Connections: what was asked on each, what was answered, and what is still to be seen on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::dialect::Operation;
use super::known::{Known, Moment, Verdict};
use crate::history::ClientName;
use crate::invariants::Invariant;

/// One connection of a client.
pub struct Link {
    pub client: ClientName,
    number: u32,
    pub opened: Moment,
    pub lost: bool,
    /// Whether it belongs to a hub that is no more.
    pub stale: bool,
    pub connected: Option<Moment>,
    pub told_shutdown: bool,
    /// Whether nobody waits for its answers any more.
    pub excused: bool,
    /// What was said since the latest operation that is answered, weighed.
    pub loose: VecDeque<(Moment, u64)>,
    /// What had surely been said and carried out before that.
    pub taken: u64,
    /// The latest operation that is answered.
    pub answered: Moment,
    /// The addresses that it ever asked for.
    pub ever: BTreeSet<String>,
    /// Those of which it was told that another connection has them.
    pub superseded: BTreeSet<String>,
    pub by_id: BTreeMap<String, Waiting>,
    /// Asks without an answer, in the order of asking; some are answered.
    pub open: VecDeque<usize>,
    /// Tells since the latest round trip.
    tells: VecDeque<Moment>,
    /// The latest that came from each connection.
    pub heard_from: BTreeMap<usize, Moment>,
    /// For what patience has to be over first.
    dues: VecDeque<Due>,
    /// What was wrong, if the hub knew the connection.
    doubts: VecDeque<Due>,
    /// When something came on it last.
    heard: Duration,
    /// When its last long silence ended, after which the hub may have stood still.
    silent_until: Option<Duration>,
}

/// Operations of one id on one connection.
#[derive(Default)]
pub struct Waiting {
    pub open: VecDeque<usize>,
    pub last: usize,
}

/// An operation.
pub struct Asked {
    pub link: usize,
    pub operation: Arc<Operation>,
    pub at: Moment,
    /// Whether the connection was sure to have the address that it spoke for.
    pub acts: bool,
    /// The addresses that it may give up, or subscribe or unsubscribe.
    pub about: BTreeSet<String>,
    /// What had surely been said and carried out before it was asked for.
    pub taken: u64,
    pub answered: bool,
}

/// Something that a connection shows at its first round trip after a while.
pub struct Due {
    pub since: Moment,
    pub what: What,
}

/// What it shows.
pub enum What {
    /// That this came, unless the address has moved.
    Arrival { invariant: Invariant, saying: usize, asked: Moment, address: String },
    /// That it was told of a takeover.
    Told { address: String, by: usize },
    /// That it had this address all the while, and so an answer was wrong.
    Wrong { invariant: Invariant, asked: Moment, address: String, evidence: String },
}

impl What {
    const fn invariant(&self) -> Invariant {
        match self {
            What::Told { .. } => Invariant::I5,
            What::Arrival { invariant, .. } | What::Wrong { invariant, .. } => *invariant,
        }
    }
}

impl Link {
    pub fn new(client: ClientName, number: u32, opened: Moment) -> Self {
        Self {
            client,
            number,
            opened,
            lost: false,
            stale: false,
            connected: None,
            told_shutdown: false,
            excused: false,
            loose: VecDeque::new(),
            taken: 0,
            answered: Moment::default(),
            ever: BTreeSet::new(),
            superseded: BTreeSet::new(),
            by_id: BTreeMap::new(),
            open: VecDeque::new(),
            tells: VecDeque::new(),
            heard_from: BTreeMap::new(),
            dues: VecDeque::new(),
            doubts: VecDeque::new(),
            heard: opened.at,
            silent_until: None,
        }
    }

    pub const fn is_open(&self) -> bool {
        !self.lost && !self.stale
    }

    pub fn text(&self) -> String {
        format!("{} on connection {}", self.client, self.number)
    }
}

impl Known {
    /// Something comes on the connection. One that is silent for longer than a hub may stand still, less what it may
    /// have been silent before, is served by one that others may have taken for gone.
    pub fn hears(&mut self, link: usize) {
        let (now, lease) = (self.now.at, self.promises.lease);
        let known = &mut self.links[link];
        if lease.is_some_and(|lease| known.heard + lease * 4 / 5 <= now) {
            known.silent_until = Some(now);
        }
        known.heard = now;
    }

    /// Returns whether the hub that serves it may have been taken for gone since then.
    fn may_be_taken_for_gone(&self, link: usize, since: Moment) -> bool {
        let lease = self.promises.lease.unwrap_or_default();
        self.links[link].silent_until.is_some_and(|until| until + lease > since.at)
    }

    /// Something is to be seen on the connection.
    pub fn expect(&mut self, link: usize, what: What) {
        let due = Due { since: self.now, what };
        let link = &mut self.links[link];
        let waits =
            if matches!(due.what, What::Wrong { .. }) { &mut link.doubts } else { &mut link.dues };
        waits.push_back(due);
    }

    /// Nothing more is seen on it.
    pub fn drop_dues(&mut self, link: usize) {
        let Link { dues, doubts, .. } = &mut self.links[link];
        let all: Vec<Due> = dues.drain(..).chain(doubts.drain(..)).collect();
        for due in all {
            self.count(due.what.invariant(), false);
        }
    }

    /// What was asked then is answered now, so the hub knew the connection meanwhile.
    pub fn round_trip(&mut self, link: usize, asked: usize) -> Verdict {
        let Asked { at: asked, taken, .. } = self.asked[asked];
        let known = &mut self.links[link];
        known.answered = known.answered.max(asked);
        known.taken = known.taken.max(taken);
        while let Some((_, weight)) = known.loose.pop_front_if(|(said, _)| *said <= asked) {
            self.loose = self.loose.saturating_sub(weight);
        }
        while self.links[link].tells.pop_front_if(|told| *told < asked).is_some() {
            self.count(Invariant::I26, true);
        }
        while let Some(due) = self.links[link].doubts.pop_front_if(|due| due.since < asked) {
            self.shown(link, due)?;
        }
        let over = self.now.at.checked_sub(self.patience);
        let is_due = |due: &mut Due| due.since < asked && Some(due.since.at) <= over;
        while let Some(due) = self.links[link].dues.pop_front_if(is_due) {
            self.shown(link, due)?;
        }
        self.check_unanswered(link, asked)
    }

    /// A tell, of whose answer nothing is heard.
    pub fn told_quietly(&mut self, link: usize) {
        let now = self.now;
        self.links[link].tells.push_back(now);
    }

    /// Something is said on the connection.
    pub fn weigh(&mut self, link: usize, weight: u64) {
        self.said += weight;
        self.loose += weight;
        self.links[link].loose.push_back((self.now, weight));
    }

    /// What is said on it does not arrive any more.
    pub fn drop_loose(&mut self, link: usize) {
        let weight: u64 = self.links[link].loose.drain(..).map(|(_, weight)| weight).sum();
        self.loose = self.loose.saturating_sub(weight);
    }

    /// Returns whether what may wait for the connection has room.
    pub fn has_room(&self, link: usize) -> bool {
        let Some(room) = self.promises.room else { return true };
        let link = &self.links[link];
        let copies = u64::try_from(link.ever.len()).unwrap_or(u64::MAX);
        let waiting = self.said.saturating_sub(link.taken).saturating_mul(copies);
        let answers = u64::try_from(link.open.len()).unwrap_or(u64::MAX);
        waiting.saturating_add(answers) < room
    }

    /// Returns whether patience is over that began then.
    fn is_over(&self, since: Duration) -> bool {
        since + self.patience <= self.now.at
    }

    fn shown(&mut self, link: usize, due: Due) -> Verdict {
        match due.what {
            What::Arrival { invariant, saying, asked, address } => {
                if self.sayings.has_arrived(saying, &address) {
                    return self.decide(invariant, true, |_| String::new());
                }
                if !self.is_surely(&address, link, asked) {
                    self.count(invariant, false);
                    return Ok(());
                }
                self.decide(invariant, false, |known| {
                    let (at, text) = (known.text(link), known.sayings.text(saying));
                    format!("{text} did not reach {address}, which {at} has all the while")
                })
            }
            What::Told { address, by } => {
                let is_told = self.links[link].superseded.contains(&address)
                    || self.is_asked_again(&address, link, due.since);
                self.decide(Invariant::I5, is_told, |known| {
                    let (new, old) = (known.text(by), known.text(link));
                    format!("{new} took {address} over, and {old} was not told")
                })
            }
            What::Wrong { invariant, asked, address, evidence } => {
                let may_be_so = self.may_be_taken_for_gone(link, asked);
                if may_be_so || !self.is_surely(&address, link, asked) {
                    self.count(invariant, false);
                    return Ok(());
                }
                self.decide(invariant, false, |known| {
                    format!("{evidence}, though {} has it all the while", known.text(link))
                })
            }
        }
    }

    /// I24: what was asked long before has its answer, too.
    pub fn check_unanswered(&mut self, link: usize, answered: Moment) -> Verdict {
        while let Some(asked) = self.links[link].open.front().copied() {
            let open = &self.asked[asked];
            if open.answered {
                self.links[link].open.pop_front();
                continue;
            }
            if open.at.place >= answered.place || !self.is_over(open.at.at) {
                return Ok(());
            }
            let at = open.at.at;
            return self.decide(Invariant::I24, false, |known| {
                let (who, operation) = (known.text(link), known.operation(asked));
                let word = operation.verb.word();
                format!(
                    "{who} asked {word} {} at {at:?} and got no answer, but one to what it asked later",
                    operation.id
                )
            });
        }
        Ok(())
    }
}
