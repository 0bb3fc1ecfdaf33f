//! The addresses that a client wants, and what the present session has of them.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::recovering::Progress;
use crate::client::{ActorConfig, CommandId};
use crate::protocol::{ActorAddress, RenewalToken, Topic};
use crate::time::Timestamp;

/// The wanted addresses, longest wanted first.
#[derive(Debug)]
pub(super) struct Actors(IndexMap<ActorAddress, Actor>);

#[derive(Debug)]
pub(super) struct Actor {
    pub(super) config: ActorConfig,
    pub(super) registration: Registration,
    pub(super) progress: Progress,
    /// Refusals since the last registration or renewal.
    pub(super) refusals: u32,
    /// Until then the session's request rate is reserved for the registration.
    pub(super) registration_rests_until: Timestamp,
    /// The topics that the user wants.
    pub(super) wanted: BTreeSet<Topic>,
    /// The last command that wanted each topic.
    wanted_by: BTreeMap<Topic, CommandId>,
    /// The subscriptions that the hub confirmed to this session.
    pub(super) confirmed: BTreeSet<Topic>,
    /// For each topic, its requests that are not answered yet.
    under_way: BTreeMap<Topic, usize>,
    /// Topics that the hub refused to change for now.
    refused: BTreeMap<Topic, Refused>,
    /// Until then the hub wants no request about any topic.
    topics_rest_until: Timestamp,
}

#[derive(Debug, Default)]
struct Refused {
    /// Refusals in a row.
    times: u32,
    again_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    /// This session has not registered it.
    Absent,
    /// `hub:register` is under way.
    Asked,
    Held(RenewalToken),
}

impl Actors {
    pub(super) fn new(configs: &[ActorConfig]) -> Self {
        let mut actors = Self(IndexMap::new());
        for config in configs {
            actors.want(config.clone());
        }
        actors
    }

    /// Wants the address, and keeps what is known if it was wanted before.
    pub(super) fn want(&mut self, config: ActorConfig) {
        let topics = config.topics.iter().cloned();
        match self.0.get_mut(&config.address) {
            Some(actor) => {
                actor.wanted.extend(topics);
                actor.config = config;
            }
            None => {
                let wanted = topics.collect();
                self.0.insert(config.address.clone(), Actor::new(config, wanted));
            }
        }
    }

    pub(super) fn forget(&mut self, address: &ActorAddress) -> Option<Actor> {
        self.0.shift_remove(address)
    }

    pub(super) fn find(&mut self, address: &ActorAddress) -> Option<&mut Actor> {
        self.0.get_mut(address)
    }

    pub(super) fn is_wanted(&self, address: &ActorAddress) -> bool {
        self.0.contains_key(address)
    }

    pub(super) fn is_held(&self, address: &ActorAddress) -> bool {
        self.0.get(address).is_some_and(|actor| matches!(actor.registration, Registration::Held(_)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address that has been wanted longest.
    pub(super) fn first(&self) -> Option<&ActorAddress> {
        self.0.first().map(|(address, _)| address)
    }

    pub(super) fn addresses(&self) -> Vec<ActorAddress> {
        self.0.keys().cloned().collect()
    }

    /// Until then requests about topics must not use up the rate that registrations need.
    pub(super) fn registrations_rest_until(&self) -> Timestamp {
        let rests = self.0.values().map(|actor| actor.registration_rests_until);
        rests.max().unwrap_or_default()
    }

    /// The session is over: what the user wants stays, what the hub confirmed goes.
    pub(super) fn connection_lost(&mut self) {
        for actor in self.0.values_mut() {
            actor.registration = Registration::Absent;
            actor.registration_accepted();
            actor.progress.stop_asking();
            actor.confirmed.clear();
            actor.under_way.clear();
            actor.refused.clear();
            actor.topics_rest_until = Timestamp::default();
        }
    }
}

impl Actor {
    fn new(config: ActorConfig, wanted: BTreeSet<Topic>) -> Self {
        Self {
            config,
            registration: Registration::Absent,
            progress: Progress::default(),
            refusals: 0,
            registration_rests_until: Timestamp::default(),
            wanted,
            wanted_by: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            under_way: BTreeMap::new(),
            refused: BTreeMap::new(),
            topics_rest_until: Timestamp::default(),
        }
    }

    /// The user wants the topic.
    pub(super) fn want(&mut self, topic: &Topic, command: CommandId) {
        self.wanted.insert(topic.clone());
        self.wanted_by.insert(topic.clone(), command);
        self.topic_accepted(topic);
    }

    /// The user no longer wants the topic, or the hub refuses it.
    pub(super) fn want_no_more(&mut self, topic: &Topic) {
        self.wanted.remove(topic);
        self.wanted_by.remove(topic);
        self.topic_accepted(topic);
    }

    /// Returns whether the user wanted the topic again after this command.
    pub(super) fn is_wanted_since(&self, topic: &Topic, command: CommandId) -> bool {
        self.wanted_by.get(topic).is_some_and(|last| *last > command)
    }

    /// Earlier refusals of the registration no longer count.
    pub(super) fn registration_accepted(&mut self) {
        self.refusals = 0;
        self.registration_rests_until = Timestamp::default();
    }

    /// A request about the topic was written.
    pub(super) fn begin(&mut self, topic: &Topic) {
        *self.under_way.entry(topic.clone()).or_default() += 1;
    }

    /// A request about the topic was answered, or never will be.
    pub(super) fn finish(&mut self, topic: &Topic) {
        if let Some(count) = self.under_way.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(topic);
            }
        }
    }

    pub(super) fn is_under_way(&self, topic: &Topic) -> bool {
        self.under_way.contains_key(topic)
    }

    /// The refusals in a row to change the topic.
    pub(super) fn refusals_of(&self, topic: &Topic) -> u32 {
        self.refused.get(topic).map_or(0, |refused| refused.times)
    }

    /// The hub refused to change the topic for now.
    pub(super) fn topic_refused(&mut self, topic: Topic, again_at: Timestamp) {
        let refused = self.refused.entry(topic).or_default();
        *refused = Refused { times: refused.times.saturating_add(1), again_at };
    }

    /// Earlier refusals of the topic no longer count.
    pub(super) fn topic_accepted(&mut self, topic: &Topic) {
        self.refused.remove(topic);
    }

    pub(super) fn rest_topics(&mut self, until: Timestamp) {
        self.topics_rest_until = self.topics_rest_until.max(until);
    }

    /// Topics on which the hub and the user differ and that may be asked about now, each with
    /// whether the user wants it. With the requests under way they are `under_way_max` at most.
    pub(super) fn unsettled(&self, now: Timestamp, under_way_max: usize) -> Vec<(Topic, bool)> {
        self.differing()
            .filter(|topic| self.again_at(topic) <= now)
            .take(under_way_max.saturating_sub(self.under_way.len()))
            .map(|topic| (topic.clone(), self.wanted.contains(topic)))
            .collect()
    }

    /// When the next differing topic may be asked about that may not be now.
    pub(super) fn next_unsettled(&self, now: Timestamp, earliest: Timestamp) -> Option<Timestamp> {
        let moments = self.differing().map(|topic| self.again_at(topic).max(earliest));
        moments.filter(|at| *at > now).min()
    }

    /// Topics on which the hub and the user differ and that no request is about.
    fn differing(&self) -> impl Iterator<Item = &Topic> {
        let differing = self.wanted.symmetric_difference(&self.confirmed);
        differing.filter(|topic| !self.is_under_way(topic))
    }

    fn again_at(&self, topic: &Topic) -> Timestamp {
        let rests_until = self.refused.get(topic).map_or_else(Timestamp::default, |r| r.again_at);
        rests_until.max(self.topics_rest_until)
    }
}
