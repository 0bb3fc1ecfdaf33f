//! What addresses are subscribed to: sure, possible, or not.

use std::collections::BTreeSet;

use super::claims::Address;
use super::known::{Known, Moment};

/// One address and one topic.
#[derive(Default)]
pub struct Topic {
    /// Operations under way about it.
    pending: u32,
    /// Since when it is surely subscribed, and by which connection.
    sure: Option<(Moment, usize)>,
    /// Since when it surely is not; none while it may be.
    never: Option<Moment>,
}

impl Topic {
    /// The hub may have forgotten it, or has: then since when.
    pub fn forget(&mut self, forgotten: Option<Moment>) {
        self.sure = None;
        if self.pending == 0 {
            self.never = self.never.or(forgotten);
        }
    }

    /// Whether it was subscribed at each moment since then; by which connection.
    pub fn sure_since(&self, since: Moment) -> Option<usize> {
        self.sure.filter(|(from, _)| *from <= since).map(|(_, by)| by)
    }

    /// Returns whether it was subscribed then, and nothing is under way about it.
    pub fn is_sure_at(&self, moment: Moment) -> bool {
        self.pending == 0 && self.sure.is_some_and(|(from, _)| from <= moment)
    }

    /// Returns whether it was subscribed at no moment since then.
    pub fn never_since(&self, since: Moment) -> bool {
        self.never.is_some_and(|from| from <= since)
    }
}

impl Address {
    /// Returns whether it may have been subscribed at some moment since then.
    pub fn may_hear(&self, topic: &str, since: Moment) -> bool {
        self.topics.get(topic).is_some_and(|topic| !topic.never_since(since))
    }
}

impl Known {
    fn topic(&mut self, name: &str, topic: &str) -> &mut Topic {
        let wanted_by = self.topics.entry(topic.to_owned()).or_default();
        if !wanted_by.contains(name) {
            wanted_by.insert(name.to_owned());
        }
        let address = self.addresses.entry(name.to_owned()).or_default();
        address.topics.entry(topic.to_owned()).or_default()
    }

    /// A subscription is asked for, or its end.
    pub fn topic_asked(&mut self, name: &str, topic: &str, wanted: bool) {
        self.topic(name, topic).pending += 1;
        self.touch(name, topic, wanted);
    }

    /// That is answered, or never will be; `surely_by` is the connection by which it surely is done.
    pub fn topic_ended(&mut self, name: &str, topic: &str, wanted: bool, surely_by: Option<usize>) {
        let now = self.now;
        let known = self.topic(name, topic);
        known.pending = known.pending.saturating_sub(1);
        match surely_by.filter(|_| known.pending == 0) {
            Some(link) if wanted => known.sure = known.sure.or(Some((now, link))),
            Some(_) => (known.sure, known.never) = (None, Some(now)),
            None => {}
        }
    }

    /// It may have happened.
    pub fn touch(&mut self, name: &str, topic: &str, wanted: bool) {
        let known = self.topic(name, topic);
        if wanted {
            known.never = None;
        } else {
            known.sure = None;
        }
    }

    /// Nothing is sure any more of what the address is subscribed to.
    pub fn doubt_topics(&mut self, name: &str) {
        let Some(address) = self.addresses.get_mut(name) else { return };
        address.topics.values_mut().for_each(|topic| topic.forget(None));
    }

    /// The hub says what the address is subscribed to, and that is all.
    pub fn topics_told(&mut self, name: &str, link: usize, told: &BTreeSet<String>) {
        let now = self.now;
        for topic in told {
            let known = self.topic(name, topic);
            if known.pending == 0 {
                (known.sure, known.never) = (known.sure.or(Some((now, link))), None);
            }
        }
        let Some(address) = self.addresses.get_mut(name) else { return };
        for (topic, known) in &mut address.topics {
            if !told.contains(topic) {
                known.forget(Some(now));
            }
        }
    }
}
