//! The subscriptions, in two indexes that agree (I13): topics of an address, and subscribers of a
//! topic. Neither has an empty set. A third finds a topic by the subscription's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Few, Seat, Table, Touched};
use crate::hub::{StoredSubscription, Visits};
use crate::protocol::{ActorAddress, SubscriptionId, Topic};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Topics {
    of: Table<ActorAddress, Few<Topic, StoredSubscription>>,
    /// Each with the seat of its registration. A publication shares the list while it is handed out.
    subscribers: BTreeMap<Topic, Arc<Few<ActorAddress, Seat>>>,
    /// Whose subscription an id is, and to which topic.
    ids: Table<SubscriptionId, (ActorAddress, Topic)>,
    pub touched: Touched<(ActorAddress, Topic)>,
    pub visits: Visits,
}

impl Topics {
    /// `secret` is the hub's key for the places of rows.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            of: Table::new(secret),
            subscribers: BTreeMap::new(),
            ids: Table::new(secret),
            touched: Touched::default(),
            visits: Visits::default(),
        }
    }

    pub fn subscription(
        &self,
        address: &ActorAddress,
        topic: &Topic,
    ) -> Option<StoredSubscription> {
        self.of.get(address)?.get(topic).copied()
    }

    /// The topic that the address subscribed to under this id.
    pub fn topic(&self, address: &ActorAddress, id: &SubscriptionId) -> Option<&Topic> {
        self.ids.get(id).filter(|(owner, _)| owner == address).map(|(_, topic)| topic)
    }

    /// Adds a subscription, or changes it.
    pub fn add(
        &mut self,
        address: &ActorAddress,
        seat: Seat,
        topic: &Topic,
        subscription: StoredSubscription,
    ) {
        self.touched.note((address.clone(), topic.clone()));
        self.of.or_default(address).insert(topic.clone(), subscription);
        let subscribers = self.subscribers.entry(topic.clone()).or_default();
        Arc::make_mut(subscribers).insert(address.clone(), seat);
        self.ids.insert(subscription.id, (address.clone(), topic.clone()));
    }

    pub fn remove(&mut self, address: &ActorAddress, topic: &Topic) {
        self.touched.note((address.clone(), topic.clone()));
        if let Some(of) = self.of.get_mut(address) {
            if let Some(subscription) = of.remove(topic) {
                self.ids.remove(&subscription.id);
            }
            if of.len() == 0 {
                self.of.remove(address);
            }
        }
        if let Some(subscribers) = self.subscribers.get_mut(topic) {
            Arc::make_mut(subscribers).remove(address);
            if subscribers.len() == 0 {
                self.subscribers.remove(topic);
            }
        }
    }

    /// Ends all subscriptions of an address; returns their topics.
    pub fn remove_all(&mut self, address: &ActorAddress) -> Vec<Topic> {
        self.remove_which(address, |_| true)
    }

    /// The same, but the durable ones stay.
    pub fn remove_passing(&mut self, address: &ActorAddress) -> Vec<Topic> {
        self.remove_which(address, |subscription| !subscription.durable)
    }

    /// Returns whether one of them outlives the resume window.
    pub fn any_durable(&self, address: &ActorAddress) -> bool {
        let mut rows = self.of.get(address).into_iter().flat_map(Few::iter);
        rows.any(|(_, subscription)| subscription.durable)
    }

    fn remove_which(
        &mut self,
        address: &ActorAddress,
        which: impl Fn(&StoredSubscription) -> bool,
    ) -> Vec<Topic> {
        let rows = self.visits.of(self.of.get(address).into_iter().flat_map(Few::iter));
        let topics: Vec<Topic> =
            rows.filter(|(_, row)| which(row)).map(|(topic, _)| topic.clone()).collect();
        for topic in &topics {
            self.remove(address, topic);
        }
        topics
    }

    pub fn of(&self, address: &ActorAddress) -> impl Iterator<Item = &Topic> {
        self.visits.of(self.of.get(address).into_iter().flat_map(Few::keys))
    }

    pub fn count_of(&self, address: &ActorAddress) -> usize {
        self.of.get(address).map_or(0, Few::len)
    }

    pub fn subscribers(&self, topic: &Topic) -> impl Iterator<Item = &ActorAddress> {
        self.visits.of(self.subscribers.get(topic).into_iter().flat_map(|all| all.keys()))
    }

    /// The subscribers for a publication.
    pub fn audience(&self, topic: &Topic) -> Arc<Few<ActorAddress, Seat>> {
        let audience = self.subscribers.get(topic).cloned().unwrap_or_default();
        self.visits.count(audience.len());
        audience
    }

    pub fn subscriber_count(&self, topic: &Topic) -> usize {
        self.subscribers.get(topic).map_or(0, |all| all.len())
    }

    /// The number of rows of the larger index.
    pub fn len(&self) -> usize {
        self.of.len().max(self.subscribers.len())
    }

    /// Every address with a subscription.
    pub fn addresses(&self) -> impl Iterator<Item = &ActorAddress> {
        self.visits.of(self.of.sorted().into_iter().map(|(address, _)| address))
    }

    /// Every topic with a subscriber.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.visits.of(self.subscribers.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_empty_set_stays_behind() {
        let mut topics = Topics::new([0; 16]);
        let address = ActorAddress::parse("@(a)").expect("an address");
        let [one, two] = ["one", "two"].map(|name| Topic::parse(name).expect("a topic"));
        let [first, second] = [1, 2].map(|id| SubscriptionId::new(uuid::Uuid::from_u128(id)));
        let durable = false;
        topics.add(&address, Seat::default(), &one, StoredSubscription { id: first, durable });
        topics.add(&address, Seat::default(), &two, StoredSubscription { id: second, durable });
        assert_eq!(topics.topic(&address, &second), Some(&two));
        topics.remove(&address, &one);
        assert_eq!(topics.topic(&address, &first), None);
        assert_eq!(topics.of(&address).collect::<Vec<_>>(), [&two]);
        assert_eq!(topics.remove_all(&address), [two]);
        assert_eq!(topics, Topics::new([0; 16]));
    }
}
