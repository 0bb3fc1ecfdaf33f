//! Subscriptions belong to addresses, never to sessions (I7); publications go to every subscriber.

use std::sync::Arc;

use crate::hub::sending::{Destination, Handover};
use crate::hub::{Hub, Record, SessionKey, Storage, StoredSubscription};
use crate::protocol::{
    ADDRESS_BYTES_MAX, ActorAddress, Delivery, Details, ErrorCode, Publish, Published, Refusal,
    Reply, Request, Route, Subscribe, Subscribed, Subscription, SubscriptionId, Topic, Unsubscribe,
    Unsubscribed,
};
use crate::time::Timestamp;

impl Hub {
    /// Subscribes; a repeated request gives the same subscription, durable once it was asked for.
    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        request: &Request,
        subscribe: &Subscribe,
    ) -> Result<Reply, Refusal> {
        let address = self.acting_identity(key, request)?;
        let topic = subscribe.topic.clone();
        let durable = subscribe.durable && self.storage != Storage::Off;
        let known = self.topics.subscription(&address, &topic);
        let subscription = match known {
            Some(known) => StoredSubscription { durable: known.durable || durable, ..known },
            None => {
                self.check_subscriptions(key)?;
                self.check_topics(&address)?;
                self.check_store()?;
                StoredSubscription { id: SubscriptionId::new(self.ids.fresh()), durable }
            }
        };
        if known != Some(subscription) {
            let seat = self.registry.find(&address).map(|(seat, _)| seat).unwrap_or_default();
            self.topics.add(&address, seat, &topic, subscription);
        }
        if known.is_none() {
            self.note_subscribed(key, address, topic.clone(), subscription.id);
        }
        let (subscription_id, durable) = (subscription.id, subscription.durable);
        let durable = subscribe.durable.then_some(durable);
        Ok(Reply::Subscribed(Subscribed { topic, subscription_id, durable }))
    }

    fn note_subscribed(
        &mut self,
        key: SessionKey,
        actor_address: ActorAddress,
        topic: Topic,
        subscription_id: SubscriptionId,
    ) {
        if let Some(session) = self.sessions.open_mut(key) {
            session.addresses.subscribed();
        }
        let subscriber_count = self.topics.subscriber_count(&topic);
        self.audit(Record::SubscriptionAdded {
            actor_address,
            topic,
            subscription_id,
            subscriber_count,
        });
    }

    /// In a cluster the topics of an address stand in its row, which has a bound.
    fn check_topics(&self, address: &ActorAddress) -> Result<(), Refusal> {
        let Some(limit) = self.topics_max().filter(|max| self.topics.count_of(address) >= *max)
        else {
            return Ok(());
        };
        Err(Refusal::new(
            ErrorCode::RateLimited,
            format!("{address} has {limit} subscriptions and gets no more in a cluster"),
            "Unsubscribe from a topic first, or register another address for others.",
        )
        .with(Details::Limit { limit }))
    }

    fn check_subscriptions(&self, key: SessionKey) -> Result<(), Refusal> {
        let limit = self.config.subscriptions_per_session_max;
        let session = self.sessions.open(key).expect("a request comes from an open session");
        if session.addresses.subscriptions() < limit {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::RateLimited,
                format!("this session holds {limit} subscriptions and gets no more"),
                "Unsubscribe from a topic first.",
            )
            .with(Details::Limit { limit }))
        }
    }

    /// Unsubscribes; if there was no subscription, that is no error.
    pub(super) fn unsubscribe(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        unsubscribe: &Unsubscribe,
    ) -> Result<Reply, Refusal> {
        let address = self.acting_identity(key, request)?;
        let topic = self.named_topic(&address, &unsubscribe.subscription);
        if self.topics.subscription(&address, &topic).is_some() {
            self.topics.remove(&address, &topic);
            if let Some(session) = self.sessions.open_mut(key) {
                session.addresses.unsubscribed();
            }
            self.audit_unsubscribed(&address, topic.clone());
        }
        Ok(Reply::Unsubscribed(Unsubscribed { topic, unsubscribed_at: now }))
    }

    /// The topic that the request names; for an id that the address does not have, the id's text.
    fn named_topic(&self, address: &ActorAddress, subscription: &Subscription) -> Topic {
        match subscription {
            Subscription::Topic(topic) => topic.clone(),
            Subscription::Id(id) => self.topics.topic(address, id).cloned().unwrap_or_else(|| {
                Topic::parse(&id.to_string()).expect("a subscription id is as short as a topic")
            }),
        }
    }

    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        from: ActorAddress,
        publish: &Publish,
    ) -> Result<Reply, Refusal> {
        self.check_expiry(now, request, &request.to)?;
        let route = Route::Publication { topic: publish.topic.clone() };
        let delivery = Arc::new(Delivery::new(
            from,
            publish.kind.clone(),
            publish.data.clone(),
            self.forwarded_metadata(request, &route),
            route,
            request.id.clone(),
            request.ttl,
        ));
        self.check_copy(now, &delivery, ADDRESS_BYTES_MAX, !self.logs.is_empty())?;
        let audience = self.topics.audience(&publish.topic);
        let (mut subscriber_count, mut queued_count) = (0, 0);
        let at_node = self.cluster.is_some();
        for (to, seat) in audience.iter() {
            let destination = Destination::of(self.registry.at(*seat, to), true);
            if at_node && self.gathers(to, true, &delivery) {
                continue;
            }
            match self.deliver(now, key, (to, destination), &delivery) {
                Handover::Delivered => subscriber_count += 1,
                Handover::Queued => queued_count += 1,
                Handover::Dropped(_) => {}
            }
        }
        let topic = publish.topic.clone();
        Ok(Reply::Published(Published { topic, subscriber_count, queued_count }))
    }
}
