//! The subscriptions, in two indexes that agree (I13): topics of an address, and subscribers of a
//! topic. Neither has an empty set. A third finds a topic by the subscription's id.

use std::collections::BTreeMap;

use super::Touched;
use crate::hub::Visits;
use crate::protocol::{ActorAddress, SubscriptionId, Topic};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Topics {
    of: BTreeMap<ActorAddress, BTreeMap<Topic, SubscriptionId>>,
    subscribers: BTreeMap<Topic, BTreeMap<ActorAddress, SubscriptionId>>,
    /// The topic of each address's subscription ids.
    ids: BTreeMap<(ActorAddress, SubscriptionId), Topic>,
    pub touched: Touched<(ActorAddress, Topic)>,
    pub visits: Visits,
}

impl Topics {
    pub fn subscription(&self, address: &ActorAddress, topic: &Topic) -> Option<&SubscriptionId> {
        self.of.get(address)?.get(topic)
    }

    /// The topic that the address subscribed to under this id.
    pub fn topic(&self, address: &ActorAddress, id: &SubscriptionId) -> Option<&Topic> {
        self.ids.get(&(address.clone(), id.clone()))
    }

    pub fn add(&mut self, address: &ActorAddress, topic: &Topic, id: SubscriptionId) {
        self.touched.note((address.clone(), topic.clone()));
        self.ids.insert((address.clone(), id.clone()), topic.clone());
        self.of.entry(address.clone()).or_default().insert(topic.clone(), id.clone());
        self.subscribers.entry(topic.clone()).or_default().insert(address.clone(), id);
    }

    pub fn remove(&mut self, address: &ActorAddress, topic: &Topic) {
        self.touched.note((address.clone(), topic.clone()));
        if let Some(id) = remove_pair(&mut self.of, address, topic) {
            self.ids.remove(&(address.clone(), id));
        }
        remove_pair(&mut self.subscribers, topic, address);
    }

    /// Ends all subscriptions of an address; returns their topics.
    pub fn remove_all(&mut self, address: &ActorAddress) -> Vec<Topic> {
        let topics: Vec<Topic> = self.of(address).cloned().collect();
        for topic in &topics {
            self.remove(address, topic);
        }
        topics
    }

    pub fn of(&self, address: &ActorAddress) -> impl Iterator<Item = &Topic> {
        self.visits.of(self.of.get(address).into_iter().flat_map(BTreeMap::keys))
    }

    pub fn count_of(&self, address: &ActorAddress) -> usize {
        self.of.get(address).map_or(0, BTreeMap::len)
    }

    pub fn subscribers(&self, topic: &Topic) -> impl Iterator<Item = &ActorAddress> {
        self.visits.of(self.subscribers.get(topic).into_iter().flat_map(BTreeMap::keys))
    }

    pub fn subscriber_count(&self, topic: &Topic) -> usize {
        self.subscribers.get(topic).map_or(0, BTreeMap::len)
    }

    /// The number of rows of the larger index.
    pub fn len(&self) -> usize {
        self.of.len().max(self.subscribers.len())
    }

    /// Every address with a subscription.
    pub fn addresses(&self) -> impl Iterator<Item = &ActorAddress> {
        self.visits.of(self.of.keys())
    }

    /// Every topic with a subscriber.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.visits.of(self.subscribers.keys())
    }
}

fn remove_pair<A: Ord, B: Ord>(
    index: &mut BTreeMap<A, BTreeMap<B, SubscriptionId>>,
    outer: &A,
    inner: &B,
) -> Option<SubscriptionId> {
    let set = index.get_mut(outer)?;
    let removed = set.remove(inner);
    if set.is_empty() {
        index.remove(outer);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_empty_set_stays_behind() {
        let mut topics = Topics::default();
        let address = ActorAddress::parse("@(a)").expect("an address");
        let [one, two] = ["one", "two"].map(|name| Topic::parse(name).expect("a topic"));
        let [first, second] = [1, 2].map(|id| SubscriptionId::new(uuid::Uuid::from_u128(id)));
        topics.add(&address, &one, first.clone());
        topics.add(&address, &two, second.clone());
        assert_eq!(topics.topic(&address, &second), Some(&two));
        topics.remove(&address, &one);
        assert_eq!(topics.topic(&address, &first), None);
        assert_eq!(topics.of(&address).collect::<Vec<_>>(), [&two]);
        assert_eq!(topics.remove_all(&address), [two]);
        assert_eq!(topics, Topics::default());
    }
}
