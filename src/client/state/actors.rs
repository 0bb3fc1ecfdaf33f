//! The addresses that a client wants, and how far the present session agrees.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::client::ActorConfig;
use crate::protocol::{ActorAddress, RenewalToken, Topic};

/// In the order in which they were wanted.
#[derive(Debug)]
pub(super) struct Actors(IndexMap<ActorAddress, Actor>);

#[derive(Debug)]
pub(super) struct Actor {
    pub(super) config: ActorConfig,
    pub(super) registration: Registration,
    /// Refusals since the last registration.
    pub(super) refusals: u32,
    /// What the user wants.
    pub(super) wanted: BTreeSet<Topic>,
    /// What the hub has confirmed to this session.
    pub(super) confirmed: BTreeSet<Topic>,
    /// Topics in requests that are not answered yet, and in how many.
    under_way: BTreeMap<Topic, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    /// Not by this session.
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

    /// Wants the address, keeping what is known of it if it was wanted before.
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

    /// The session is over: wishes stay, knowledge goes.
    pub(super) fn connection_lost(&mut self) {
        for actor in self.0.values_mut() {
            actor.registration = Registration::Absent;
            actor.refusals = 0;
            actor.confirmed.clear();
            actor.under_way.clear();
        }
    }
}

impl Actor {
    fn new(config: ActorConfig, wanted: BTreeSet<Topic>) -> Self {
        Self {
            config,
            registration: Registration::Absent,
            refusals: 0,
            wanted,
            confirmed: BTreeSet::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// A request about the topic was written.
    pub(super) fn begin(&mut self, topic: &Topic) {
        *self.under_way.entry(topic.clone()).or_default() += 1;
    }

    /// A request about the topic was answered, or will not be.
    pub(super) fn finish(&mut self, topic: &Topic) {
        if let Some(count) = self.under_way.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(topic);
            }
        }
    }

    /// Topics on which the hub and the user differ, and whether the user wants them: as many as
    /// may be asked about beside those that are being asked about.
    pub(super) fn unsettled(&self, under_way_max: usize) -> Vec<(Topic, bool)> {
        let differing = self.wanted.symmetric_difference(&self.confirmed);
        differing
            .filter(|topic| !self.under_way.contains_key(*topic))
            .take(under_way_max.saturating_sub(self.under_way.len()))
            .map(|topic| (topic.clone(), self.wanted.contains(topic)))
            .collect()
    }
}
