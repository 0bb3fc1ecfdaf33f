//! What is asked, and what its answer says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::dialect::{Operation, Promise, Refusal, Report, Verb};
use super::claims::Owned;
use super::known::{Known, Moment, Verdict, plain};
use super::links::Asked;
use super::versions::Odds;
use crate::invariants::Invariant;

/// For how long an ask may be under way when everybody is back.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// What an answer says of a registration.
struct Told<'a> {
    version: Option<u64>,
    resumed: Option<bool>,
    topics: Option<&'a BTreeSet<String>>,
}

impl Known {
    /// A client asks for something.
    pub fn ask(&mut self, link: usize, operation: &Arc<Operation>) {
        let (asked, at) = (self.asked.len(), self.now);
        let acts = self.acts(link, operation);
        let operation = Arc::clone(operation);
        let (about, taken) = (BTreeSet::new(), self.said.saturating_sub(self.loose));
        self.asked.push(Asked { link, operation, at, acts, about, taken, answered: false });
        self.said(asked);
        let operation = self.operation(asked);
        let known = &mut self.links[link];
        if known.stale {
            return;
        }
        let waiting = known.by_id.entry(operation.id.clone()).or_default();
        waiting.last = asked;
        if !matches!(operation.verb, Verb::Tell { .. }) {
            waiting.open.push_back(asked);
        } else if self.keeps(Promise::QuietTell) {
            self.told_quietly(link);
        }
        let wants = operation.verb.wants_answer() && !self.excused.contains(&operation.id);
        if wants && self.keeps(Promise::AskOutcome) {
            self.links[link].open.push_back(asked);
        }
        self.under_way(link, &operation);
        let mut about = self.possibly_about(asked);
        about.retain(|name| match topic_of(&operation.verb) {
            Some((topic, wanted)) => {
                self.topic_asked(name, topic, wanted);
                true
            }
            None => self.give_up_asked(name, link),
        });
        self.asked[asked].about = about;
    }

    /// The addresses that it may give up, or subscribe or unsubscribe: whoever speaks for one that is not its own does
    /// it for another that is.
    fn possibly_about(&self, asked: usize) -> BTreeSet<String> {
        let Asked { link, operation, acts, .. } = &self.asked[asked];
        let (ever, speaker) = (&self.links[*link].ever, plain(&operation.speaker).to_owned());
        match &operation.verb {
            Verb::Unregister { address } => [plain(address).to_owned()].into(),
            Verb::Disconnect => ever.clone(),
            Verb::Subscribe { .. } | Verb::Unsubscribe { .. } if *acts => [speaker].into(),
            Verb::Subscribe { .. } | Verb::Unsubscribe { .. } => ever | &[speaker].into(),
            _ => BTreeSet::new(),
        }
    }

    /// What it was about is over: carried out, or not; or nobody will ever know.
    pub fn ended(&mut self, asked: usize, carried_out: Option<bool>) {
        let (link, operation) = (self.asked[asked].link, self.operation(asked));
        let about = std::mem::take(&mut self.asked[asked].about);
        let Some((topic, wanted)) = topic_of(&operation.verb) else {
            about.iter().for_each(|name| self.give_up_ended(name, link, carried_out));
            return;
        };
        let done = carried_out == Some(true);
        let is_own = self.surely_acted(asked);
        for name in &about {
            self.topic_ended(name, topic, wanted, Some(link).filter(|_| done && is_own));
        }
        if done && !is_own {
            let others = &self.links[link].ever | &about;
            others.iter().for_each(|name| self.touch(name, topic, wanted));
        }
    }

    /// Returns whether it was done by the address that it names.
    pub fn surely_acted(&self, asked: usize) -> bool {
        let Asked { link, operation, at, acts, .. } = &self.asked[asked];
        *acts && self.is_surely(plain(&operation.speaker), *link, *at)
    }

    /// Returns whether the connection surely has the address that the operation needs.
    fn acts(&self, link: usize, operation: &Operation) -> bool {
        let name = match &operation.verb {
            Verb::Unregister { address } | Verb::Renew { address, .. } => plain(address),
            _ => plain(&operation.speaker),
        };
        let is_free = || self.addresses.get(name).is_some_and(|address| address.is_calm(link));
        let is_renewal = matches!(operation.verb, Verb::Renew { .. });
        self.is_surely(name, link, self.now) && (!is_renewal || is_free())
    }

    /// What may happen from now on.
    fn under_way(&mut self, link: usize, operation: &Operation) {
        match &operation.verb {
            Verb::Register { address, .. } => self.register_asked(plain(address), link),
            Verb::Renew { address, .. } => self.renew(plain(address), link, self.now, None),
            Verb::Heartbeat => {
                for name in self.renewed_by_heartbeat(link) {
                    self.renew(&name, link, self.now, None);
                }
            }
            _ => {}
        }
    }

    /// Nobody knows what became of what was under way.
    pub fn settle_operations(&mut self, link: usize) {
        let all: Vec<usize> =
            self.links[link].by_id.values().flat_map(|waiting| &waiting.open).copied().collect();
        all.into_iter().for_each(|asked| self.ended(asked, None));
    }

    /// I24, I26: an answer comes.
    pub fn answered(&mut self, link: usize, id: &str, report: &Report) -> Verdict {
        let Some(waiting) = self.links[link].by_id.get_mut(id) else {
            return self.odd_answer(link, id, "which was never asked on it");
        };
        let last = waiting.last;
        let Some(asked) = waiting.open.pop_front() else {
            if matches!(self.asked[last].operation.verb, Verb::Tell { .. }) {
                return self.tell_answered(link, last, report);
            }
            return self.odd_answer(link, id, "which was answered before");
        };
        self.asked[asked].answered = true;
        if self.asked[asked].operation.verb.wants_answer() && self.keeps(Promise::AskOutcome) {
            self.count(Invariant::I24, true);
        }
        self.outcome(link, asked, report)?;
        self.round_trip(link, asked)
    }

    fn odd_answer(&mut self, link: usize, id: &str, why: &str) -> Verdict {
        if !self.keeps(Promise::AskOutcome) || self.wild.contains(&self.links[link].client) {
            return Ok(());
        }
        self.decide(Invariant::I24, false, |known| {
            format!("{} got an answer to {id}, {why}", known.text(link))
        })
    }

    /// I26.
    fn tell_answered(&mut self, link: usize, asked: usize, report: &Report) -> Verdict {
        let is_too_much = matches!(report, Report::Refused { why: Refusal::RateLimited, .. });
        if is_too_much || !self.keeps(Promise::QuietTell) {
            return Ok(());
        }
        self.decide(Invariant::I26, false, |known| {
            let (who, id) = (known.text(link), known.operation(asked).id.clone());
            format!("{who} told {id} and got an answer: {}", report.word())
        })
    }

    fn outcome(&mut self, link: usize, asked: usize, report: &Report) -> Verdict {
        let operation = self.operation(asked);
        match report {
            Report::Connected { .. } => {
                self.links[link].connected = Some(self.now);
                Ok(())
            }
            Report::Owned { address: told, version, resumed, topics, .. } => {
                match &operation.verb {
                    Verb::Register { address, ttl, renew_on_heartbeat, .. } => {
                        let (asked, heard) = (self.asked[asked].at, self.now);
                        let owned = Owned {
                            asked,
                            heard,
                            version: *version,
                            ttl: *ttl,
                            renews: *renew_on_heartbeat,
                            alive_asked: asked.at,
                            alive_heard: heard.at,
                        };
                        let (version, resumed) = (*version, *resumed);
                        let told = Told { version, resumed, topics: topics.as_ref() };
                        self.registered(link, plain(address), owned, &told)
                    }
                    Verb::Renew { address, .. } => {
                        let at = self.asked[asked].at;
                        let is_meant = plain(address) == plain(told);
                        self.renew(plain(address), link, at, Some(is_meant));
                        if !is_meant {
                            self.renew(plain(told), link, at, Some(true));
                        }
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Report::Done { delivered, failed, addresses, more, .. } => {
                if let Some(listed) = addresses {
                    return self.listed(link, asked, listed, *more);
                }
                self.done(link, asked);
                self.handed_over(asked, *delivered, *failed)
            }
            Report::Refused { why, .. } => self.refused(link, asked, *why),
            _ => Ok(()),
        }
    }

    /// What is carried out for sure.
    fn done(&mut self, link: usize, asked: usize) {
        let at = self.asked[asked].at;
        self.ended(asked, Some(true));
        if matches!(self.operation(asked).verb, Verb::Heartbeat) {
            for name in self.renewed_by_heartbeat(link) {
                self.renew(&name, link, at, Some(true));
            }
        }
    }

    /// I2, I3, I14: the address is the connection's.
    fn registered(&mut self, link: usize, name: &str, owned: Owned, told: &Told<'_>) -> Verdict {
        let is_known = self.is_known(name);
        self.check_version(link, name, owned, told.version, is_known)?;
        let resumes = self.keeps(Promise::Resume);
        let survives = resumes
            && (self.keeps(Promise::SubscriptionsSurviveTakeover) || told.resumed == Some(true));
        if let Some(topics) = told.topics.filter(|_| resumes) {
            self.check_topics(link, name, owned.asked, topics, is_known && survives)?;
        }
        self.register_ended(name, link, Some(owned));
        let is_owner = self.is_surely(name, link, self.now);
        if self.keeps(Promise::Takeover) {
            self.count(Invariant::I3, is_owner);
        }
        match told.topics {
            Some(topics) if is_owner => self.topics_told(name, link, topics),
            _ if is_known && survives => {}
            _ => self.doubt_topics(name),
        }
        Ok(())
    }

    fn check_version(
        &mut self,
        link: usize,
        name: &str,
        owned: Owned,
        version: Option<u64>,
        is_known: bool,
    ) -> Verdict {
        let Some(version) = version.filter(|_| self.keeps(Promise::Versions)) else {
            return Ok(());
        };
        let Some(address) = self.addresses.get_mut(name) else { return Ok(()) };
        if !is_known {
            address.era.gap(owned.asked);
        }
        let (is_compared, odds) = address.era.add(owned, version);
        if !is_compared {
            self.count(Invariant::I2, false);
            return Ok(());
        }
        self.decide(Invariant::I2, odds.is_none(), |known| {
            let (who, asked) = (known.text(link), owned.asked.at);
            match odds {
                Some(Odds::Same(other)) => {
                    let other = other.asked.at;
                    format!("{name} has version {version} twice: asked for at {other:?}, and by {who} at {asked:?}")
                }
                Some(Odds::Back(earlier)) => {
                    format!("{who} got version {version} of {name}, asked for at {asked:?}, after version {earlier} was told")
                }
                None => String::new(),
            }
        })
    }

    /// I14: what the hub says of its subscriptions.
    fn check_topics(
        &mut self,
        link: usize,
        name: &str,
        asked: Moment,
        listed: &BTreeSet<String>,
        survive: bool,
    ) -> Verdict {
        let Some(address) = self.addresses.get(name) else { return Ok(()) };
        let mut subscribed = address.topics.iter().filter(|(_, topic)| topic.is_sure_at(asked));
        let missing = subscribed.find(|(topic, _)| !listed.contains(*topic));
        let missing = missing.map(|(topic, _)| topic.clone()).filter(|_| survive);
        let added = listed.iter().find(|topic| !address.may_hear(topic, asked)).cloned();
        let any = !address.topics.is_empty();
        if let Some(topic) = added {
            return self.decide(Invariant::I14, false, |known| {
                let who = known.text(link);
                format!("{who} got {name} subscribed to {topic}, which it is not")
            });
        }
        if any && !survive {
            self.count(Invariant::I14, false);
            return Ok(());
        }
        let Some(topic) = missing else {
            return self.decide(Invariant::I14, true, |_| String::new());
        };
        self.decide(Invariant::I14, false, |known| {
            let who = known.text(link);
            format!("{who} got {name} without its subscription to {topic}; listed were {listed:?}")
        })
    }

    /// I24, L3: everybody is back, and nobody waits for an answer.
    pub fn check_waiting(&mut self) -> Verdict {
        let within = self.patience.max(ANSWERED_WITHIN);
        for link in self.open_links(|_| true) {
            if self.links[link].excused {
                continue;
            }
            self.check_unanswered(link, self.links[link].answered)?;
            let open = self.links[link].open.iter().copied();
            let first = open.into_iter().find(|asked| !self.asked[*asked].answered);
            let late = first.filter(|first| self.asked[*first].at.at + within <= self.now.at);
            self.decide(Invariant::L3, late.is_none(), |known| {
                let who = known.text(link);
                let (id, at) = late.map_or_else(Default::default, |late| {
                    (known.operation(late).id.clone(), known.asked[late].at.at)
                });
                format!("{who} asked {id} at {at:?} and waits for the answer still")
            })?;
        }
        Ok(())
    }
}

/// Which topic it subscribes to, or unsubscribes from.
pub(super) fn topic_of(verb: &Verb) -> Option<(&str, bool)> {
    match verb {
        Verb::Subscribe { topic } => Some((topic, true)),
        Verb::Unsubscribe { topic, .. } => Some((topic, false)),
        _ => None,
    }
}
