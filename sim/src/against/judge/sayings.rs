//! What was said to others, and where it arrived. No two operations say the same, but for retries.

use std::collections::BTreeMap;
use std::time::Duration;

use dst::hash::stable_hash;
use serde_json::Value;

use super::super::dialect::{Operation, Promise, Verb};
use super::claims::SLACK;
use super::known::{Known, Moment, Verdict, plain};
use super::links::Asked;
use crate::invariants::Invariant;

/// How far a hub's clock may be from that of whoever says how long something is worth delivering.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// Characters of a payload that people are shown.
const SHOWN_MAX: usize = 80;
/// Bytes that count for one message more.
const WEIGHT_BYTES: usize = 8 * 1024;

/// All that was said.
#[derive(Default)]
pub struct Sayings {
    all: Vec<Saying>,
    /// By what is said; few say what hashes alike.
    by_hash: BTreeMap<u64, Vec<usize>>,
}

struct Saying {
    payload: Value,
    /// Each time that it was asked for.
    askings: Vec<usize>,
    /// Copies at each address.
    arrived: BTreeMap<String, usize>,
    /// How many copies an answer counted.
    counted: Option<u64>,
}

impl Sayings {
    fn find(&self, payload: &Value) -> Option<usize> {
        self.find_hashed(payload, stable_hash(payload.to_string().as_bytes()))
    }

    fn find_hashed(&self, payload: &Value, hash: u64) -> Option<usize> {
        let alike = self.by_hash.get(&hash)?;
        alike.iter().copied().find(|saying| self.all[*saying].payload == *payload)
    }

    fn add(&mut self, payload: &Value, hash: u64, asked: usize) {
        if let Some(known) = self.find_hashed(payload, hash) {
            self.all[known].askings.push(asked);
            return;
        }
        self.by_hash.entry(hash).or_default().push(self.all.len());
        let (payload, arrived) = (payload.clone(), BTreeMap::new());
        self.all.push(Saying { payload, askings: vec![asked], arrived, counted: None });
    }

    pub fn has_arrived(&self, saying: usize, address: &str) -> bool {
        self.all[saying].arrived.contains_key(address)
    }

    pub fn text(&self, saying: usize) -> String {
        shown(&self.all[saying].payload)
    }
}

fn shown(payload: &Value) -> String {
    let text = payload.to_string();
    let short: String = text.chars().take(SHOWN_MAX).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// A message that came.
pub struct Delivered<'a> {
    pub link: usize,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub topic: Option<&'a str>,
    pub payload: &'a Value,
}

impl Known {
    pub fn said(&mut self, asked: usize) {
        let operation = self.operation(asked);
        if let Some(payload) = operation.verb.payload() {
            let text = payload.to_string();
            self.sayings.add(payload, stable_hash(text.as_bytes()), asked);
            let weight = 1 + text.len() / WEIGHT_BYTES;
            let link = self.asked[asked].link;
            if self.links[link].is_open() {
                self.weigh(link, u64::try_from(weight).unwrap_or(u64::MAX));
            }
        }
    }

    /// The saying of an operation, and when it was asked for first.
    pub fn saying_of(&self, operation: &Operation) -> Option<(usize, Moment)> {
        let saying = self.sayings.find(operation.verb.payload()?)?;
        let first = self.sayings.all[saying].askings.first()?;
        Some((saying, self.asked[*first].at))
    }

    /// An answer counts copies.
    pub fn counted(&mut self, saying: usize, copies: u64) -> Verdict {
        self.sayings.all[saying].counted = Some(copies);
        self.check_count(saying)
    }

    /// I23: no more arrive than were counted.
    fn check_count(&mut self, saying: usize) -> Verdict {
        let known = &self.sayings.all[saying];
        // Another asking has a count of its own.
        let judged = known.askings.len() == 1 && self.keeps(Promise::Counts);
        let (arrived, counted) = (known.arrived.len(), known.counted.filter(|_| judged));
        let Some(counted) = counted else { return Ok(()) };
        let holds = u64::try_from(arrived).is_ok_and(|arrived| arrived <= counted);
        self.decide(Invariant::I23, holds, |known| {
            let text = known.sayings.text(saying);
            format!("{text} was counted {counted} times and arrived at {arrived} addresses")
        })
    }

    /// Returns whether the address does not matter or the saying goes there.
    fn goes(&self, asked: usize, delivered: &Delivered<'_>, address: Option<&str>) -> bool {
        let Asked { operation, at, .. } = &self.asked[asked];
        let topic = delivered.topic;
        match &operation.verb {
            Verb::Tell { to, .. } | Verb::Ask { to, .. } => {
                topic.is_none() && address.is_none_or(|address| address == plain(to))
            }
            Verb::Publish { topic: published, .. } => {
                let wanted = |address: &str| {
                    let address = self.addresses.get(address);
                    address.is_some_and(|address| address.may_hear(published, *at))
                };
                topic.is_none_or(|topic| topic == published) && address.is_none_or(wanted)
            }
            _ => topic.is_none(),
        }
    }

    /// A message came: what it says of the hub.
    pub fn delivered(&mut self, delivered: &Delivered<'_>) -> Verdict {
        let link = delivered.link;
        let Some(saying) = self.sayings.find(delivered.payload) else {
            if !self.wild.is_empty() {
                self.count(Invariant::I19, false);
                return Ok(());
            }
            return self.decide(Invariant::I19, false, |known| {
                format!(
                    "{} heard {}, which nobody said",
                    known.text(link),
                    shown(delivered.payload)
                )
            });
        };
        let askings = self.sayings.all[saying].askings.clone();
        if self.lawless || askings.iter().any(|asked| self.asked[*asked].at < self.hub_since) {
            self.count(Invariant::I19, false);
            return Ok(());
        }
        let ever = &self.links[link].ever;
        let only = ever.first().filter(|_| ever.len() == 1);
        let address = delivered.to.map(plain).or(only.map(String::as_str)).map(str::to_owned);
        let address = address.as_deref();
        self.check_route(saying, &askings, delivered, address)?;
        self.check_sender(saying, &askings, delivered)?;
        if let Some(address) = address {
            self.check_place(saying, &askings, link, address)?;
            self.check_copies(saying, &askings, link, address)?;
        }
        self.check_order(saying, &askings, link)?;
        self.check_age(saying, &askings, link)
    }

    /// I15, I19.
    fn check_route(
        &mut self,
        saying: usize,
        askings: &[usize],
        delivered: &Delivered<'_>,
        address: Option<&str>,
    ) -> Verdict {
        let goes = askings.iter().any(|asked| self.goes(*asked, delivered, address));
        let first = self.operation(askings[0]);
        let unsubscribed = match (&first.verb, address) {
            (Verb::Publish { topic, .. }, Some(address)) if !goes => {
                let address = self.addresses.get(address);
                address.is_some_and(|address| address.topics.contains_key(topic))
            }
            _ => false,
        };
        let invariant = if unsubscribed { Invariant::I15 } else { Invariant::I19 };
        self.decide(invariant, goes, |known| {
            let (who, said) = (known.text(delivered.link), known.sayings.text(saying));
            let address = address.unwrap_or("?");
            match (&first.verb, unsubscribed) {
                (Verb::Publish { topic, .. }, true) => {
                    format!("{said} on {topic} came to {address}, which had unsubscribed, at {who}")
                }
                (Verb::Publish { topic, .. }, false) => {
                    format!("{said} on {topic} came to {address}, not subscribed to it, at {who}")
                }
                (Verb::Tell { to, .. } | Verb::Ask { to, .. }, _) => {
                    format!("{said} was for {to} and came to {address} at {who}")
                }
                (verb, _) => format!("{said} of a {} came to {address} at {who}", verb.word()),
            }
        })
    }

    /// I8.
    fn check_sender(
        &mut self,
        saying: usize,
        askings: &[usize],
        delivered: &Delivered<'_>,
    ) -> Verdict {
        let Some(from) = delivered.from.map(plain).filter(|_| self.keeps(Promise::Sender)) else {
            return Ok(());
        };
        let is_own = |asked: &usize| {
            let Asked { link, operation, .. } = &self.asked[*asked];
            let acted = self.surely_acted(*asked);
            let others = &self.links[*link].ever;
            if acted { from == plain(&operation.speaker) } else { others.contains(from) }
        };
        let holds = askings.iter().any(is_own);
        let (link, first) = (delivered.link, askings[0]);
        self.decide(Invariant::I8, holds, |known| {
            let (who, said) = (known.text(link), known.sayings.text(saying));
            let Asked { link, operation, .. } = &known.asked[first];
            let (sender, speaker) = (known.text(*link), &operation.speaker);
            format!("{who} heard {said} from {from}; it was said by {sender}, as {speaker}")
        })
    }

    /// I6.
    fn check_place(
        &mut self,
        saying: usize,
        askings: &[usize],
        link: usize,
        address: &str,
    ) -> Verdict {
        if !self.keeps(Promise::Takeover) {
            return Ok(());
        }
        let is_calm = self.addresses.get(address).is_none_or(|known| known.is_calm_or_gone(link));
        let is_told = is_calm && self.links[link].superseded.contains(address);
        let first = self.asked[askings[0]].at;
        let owner = self.owner_since(address, first).filter(|owner| is_calm && *owner != link);
        self.decide(Invariant::I6, !is_told && owner.is_none(), |known| {
            let (who, said) = (known.text(link), known.sayings.text(saying));
            match owner {
                Some(owner) => {
                    let owner = known.text(owner);
                    format!(
                        "{said} for {address} came to {who}; {owner} had it before that was said"
                    )
                }
                None => {
                    format!(
                        "{said} for {address} came to {who} after it was told that it lost that"
                    )
                }
            }
        })
    }

    /// I18, I23.
    fn check_copies(
        &mut self,
        saying: usize,
        askings: &[usize],
        link: usize,
        address: &str,
    ) -> Verdict {
        let arrived = &mut self.sayings.all[saying].arrived;
        let copies = arrived.entry(address.to_owned()).or_default();
        *copies += 1;
        let copies = *copies;
        if self.keeps(Promise::AtMostOnce) {
            let allowed = if copies == 1 { 1 } else { self.allowed(askings) };
            self.decide(Invariant::I18, copies <= allowed, |known| {
                let (who, said) = (known.text(link), known.sayings.text(saying));
                format!("{said} came to {address} {copies} times, now at {who}; it was said {allowed} times")
            })?;
        }
        if copies == 1 { self.check_count(saying) } else { Ok(()) }
    }

    /// How many of the askings may each have been carried out.
    fn allowed(&self, askings: &[usize]) -> usize {
        let first = &self.asked[askings[0]];
        let again = askings[1..].iter().filter(|asked| !self.is_retry(first, &self.asked[**asked]));
        1 + again.count()
    }

    fn is_retry(&self, first: &Asked, again: &Asked) -> bool {
        let window = self.promises.dedupe_window.filter(|_| self.keeps(Promise::Dedupe));
        let remembered = window.is_some_and(|window| self.now.at + SLACK < first.at.at + window);
        let address = self.addresses.get(plain(&first.operation.speaker));
        let kept = address.is_some_and(|address| !address.is_new_since(first.at));
        let is_ask = !matches!(first.operation.verb, Verb::Tell { .. });
        is_ask
            && remembered
            && kept
            && first.acts
            && again.acts
            && first.operation == again.operation
    }

    /// I20.
    fn check_order(&mut self, saying: usize, askings: &[usize], link: usize) -> Verdict {
        let [asked] = askings else { return Ok(()) };
        if !self.keeps(Promise::Fifo) {
            return Ok(());
        }
        let (sender, at) = (self.asked[*asked].link, self.asked[*asked].at);
        let latest = self.links[link].heard_from.entry(sender).or_default();
        let later = *latest;
        *latest = later.max(at);
        self.decide(Invariant::I20, later <= at, |known| {
            let (who, said) = (known.text(link), known.sayings.text(saying));
            let (sender, since) = (known.text(sender), at.at);
            format!("{said} of {sender} came to {who} after what it said later; it was said at {since:?}")
        })
    }

    /// I27: what is handed over after an answer was handed over after what that answers was asked for.
    fn check_age(&mut self, saying: usize, askings: &[usize], link: usize) -> Verdict {
        let [asked] = askings else { return Ok(()) };
        let Asked { operation, at, .. } = &self.asked[*asked];
        let (Some(ttl), said_at) = (ttl(&operation.verb), at.at) else { return Ok(()) };
        if !self.keeps(Promise::MessageTtl) || self.skewed {
            return Ok(());
        }
        let written = self.links[link].answered.at;
        let end = said_at + 2 * ttl + CLOCK_SKEW + SLACK;
        self.decide(Invariant::I27, written <= end, |known| {
            let (who, said) = (known.text(link), known.sayings.text(saying));
            format!(
                "{said}, said at {said_at:?} for {ttl:?}, was handed to {who} after {written:?}"
            )
        })
    }
}

/// How long it is worth delivering.
pub const fn ttl(verb: &Verb) -> Option<Duration> {
    match verb {
        Verb::Tell { ttl, .. }
        | Verb::Ask { ttl, .. }
        | Verb::Publish { ttl, .. }
        | Verb::Broadcast { ttl, .. } => *ttl,
        _ => None,
    }
}
