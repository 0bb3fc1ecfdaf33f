//! Application data: who gets a copy of what (protocol, sections 4 and 6).

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::{Value, json};
use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, Body, Broadcast, BroadcastAck, Delivery, DeliveryAck, DeliveryStatus, Details,
    ErrorCode, Json, Outgoing, Publish, Published, Refusal, Reply, Request, Route, Send, Subscribe,
    Subscribed, Subscription, SubscriptionId, Topic, UnknownActor, Unsubscribe, Unsubscribed,
};
use uuid::Uuid;

use super::requests::refusal;
use super::speaking::Copied;
use super::{Model, Registration};

impl Model {
    pub(super) fn send(
        &mut self,
        key: SessionKey,
        request: &Request,
        send: &Send,
    ) -> Result<Reply, Refusal> {
        let delivery = self.delivery(key, request, &send.kind, &send.data, Route::Send)?;
        let to = send.to.address();
        if let Some(to) = &to {
            self.check_copy(&delivery, to, self.log(to).is_some())?;
        }
        let copied =
            to.map_or(Copied::NobodyThere, |to| self.deliver(key, &to, &delivery, send.queue));
        let (message_id, delivered_at) = (request.id.clone(), self.now);
        let done =
            |status| Ok(Reply::DeliveryAck(DeliveryAck { message_id, delivered_at, status }));
        match copied {
            Copied::Handed => done(DeliveryStatus::Delivered),
            Copied::Queued => done(DeliveryStatus::Queued),
            Copied::NobodyThere => Ok(Reply::UnknownActor(UnknownActor {
                actor_address: send.to.clone(),
                message: format!("Actor not registered: {}", send.to),
            })),
            Copied::QueueFull => {
                let wait = self.config.slow_consumer_timeout;
                let details =
                    Details::RetryAfter { wait, limit: self.config.queue_messages_max as u64 };
                Err(refusal(ErrorCode::RateLimited).with(details))
            }
        }
    }

    pub(super) fn publish(
        &mut self,
        key: SessionKey,
        request: &Request,
        publish: &Publish,
    ) -> Result<Reply, Refusal> {
        let topic = &publish.topic;
        let route = Route::Publication { topic: topic.clone() };
        let delivery = self.delivery(key, request, &publish.kind, &publish.data, route)?;
        self.check_copy(&delivery, &longest_address(), self.anybody_recovers())?;
        let subscribes = |(_, row): &(_, &Registration)| row.topics.contains_key(topic);
        let to = self.registrations.iter().filter(subscribes);
        let to: Vec<ActorAddress> = to.map(|(address, _)| address.clone()).collect();
        let (subscriber_count, queued_count) = self.deliver_all(key, &to, &delivery);
        Ok(Reply::Published(Published { topic: topic.clone(), subscriber_count, queued_count }))
    }

    pub(super) fn broadcast(
        &mut self,
        key: SessionKey,
        request: &Request,
        broadcast: &Broadcast,
    ) -> Result<Reply, Refusal> {
        let (kind, data) = (&broadcast.kind, &broadcast.data);
        let delivery = self.delivery(key, request, kind, data, Route::Broadcast)?;
        self.check_copy(&delivery, &longest_address(), self.anybody_recovers())?;
        let fit = |address: &ActorAddress, row: &Registration| {
            let target = broadcast.target_capability.as_ref();
            let excluded = broadcast.exclude_self && *address == delivery.from;
            !excluded && target.is_none_or(|target| row.capabilities.contains(target))
        };
        let away = self
            .registrations
            .iter()
            .filter(|(address, row)| row.owner.is_none() && row.log.is_some() && fit(address, row));
        let away = away.map(|(address, _)| address.clone());
        let to: Vec<ActorAddress> = self.those_who(fit).into_iter().chain(away).collect();
        let limit = self.config.broadcast_recipients_max;
        if to.len() > limit {
            let details = Details::Limit { limit };
            return Err(refusal(ErrorCode::BroadcastLimitExceeded).with(details));
        }
        let (delivered_count, queued_count) = self.deliver_all(key, &to, &delivery);
        Ok(Reply::BroadcastAck(BroadcastAck {
            message_id: request.id.clone(),
            delivered_count,
            failed_count: to.len() - delivered_count - queued_count,
            queued_count,
        }))
    }

    /// What is to be delivered, unless it comes from nobody or too late.
    pub(super) fn delivery(
        &self,
        key: SessionKey,
        request: &Request,
        kind: &str,
        data: &Json,
        route: Route,
    ) -> Result<Arc<Delivery>, Refusal> {
        let from = self.acting_identity(key, request)?;
        let in_time = |ttl| request.timestamp + ttl + self.config.clock_skew >= self.now;
        if !request.ttl.is_none_or(in_time) {
            return Err(refusal(ErrorCode::MessageExpired));
        }
        let metadata = self.metadata(request, &route);
        let (kind, data, id) = (kind.to_owned(), data.clone(), request.id.clone());
        Ok(Arc::new(Delivery::new(from, kind, data, metadata, route, id, request.ttl)))
    }

    /// The sender's, but for what is the hub's to say.
    fn metadata(&self, request: &Request, route: &Route) -> Json {
        let mut metadata: BTreeMap<String, Json> = request.metadata.to().expect("an object");
        for reserved in ["publication", "topic", "broadcast", "forwarded", "seq"] {
            metadata.remove(reserved);
        }
        let mut say = |key: &str, value: Value| metadata.insert(key.to_owned(), value.into());
        match route {
            Route::Send => drop(say("forwarded", json!(true))),
            Route::Publication { topic } => {
                say("publication", json!(true));
                say("topic", json!(topic));
            }
            Route::Broadcast => drop(say("broadcast", json!(true))),
        }
        say("via", json!(self.config.hub_address));
        say("originalMessageId", json!(request.id));
        Json::from_value(&metadata).expect("an object is JSON")
    }

    /// A copy that may get a number is measured with the longest one.
    fn check_copy(
        &self,
        delivery: &Arc<Delivery>,
        to: &ActorAddress,
        numbered: bool,
    ) -> Result<(), Refusal> {
        let message = self.message(to.clone(), Body::Delivery(Arc::clone(delivery)));
        let seq = numbered.then_some(NonZeroU64::MAX);
        self.check_length(&Outgoing { seq, ..message })
    }

    fn anybody_recovers(&self) -> bool {
        self.registrations.values().any(|row| row.log.is_some())
    }

    /// How many copies were handed over, and how many are kept.
    pub(super) fn deliver_all(
        &mut self,
        key: SessionKey,
        to: &[ActorAddress],
        delivery: &Arc<Delivery>,
    ) -> (usize, usize) {
        let copied: Vec<Copied> =
            to.iter().map(|to| self.deliver(key, to, delivery, true)).collect();
        let count = |what| copied.iter().filter(|copied| **copied == what).count();
        (count(Copied::Handed), count(Copied::Queued))
    }

    /// Of those who are registered, in the order of addresses.
    pub(super) fn those_who(
        &self,
        fit: impl Fn(&ActorAddress, &Registration) -> bool,
    ) -> Vec<ActorAddress> {
        let live = self.registrations.iter().filter(|(_, row)| row.owner.is_some());
        live.filter(|(address, row)| fit(address, row))
            .map(|(address, _)| address.clone())
            .collect()
    }

    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        request: &Request,
        subscribe: &Subscribe,
    ) -> Result<Reply, Refusal> {
        let (address, topic) = (self.acting_identity(key, request)?, subscribe.topic.clone());
        let own = self.sessions[&key].addresses.iter();
        let held: usize = own.map(|own| self.registrations[own].topics.len()).sum();
        let limit = self.config.subscriptions_per_session_max;
        let row = self.registrations.get_mut(&address).expect("whoever acts is registered");
        if !row.topics.contains_key(&topic) && held >= limit {
            return Err(refusal(ErrorCode::RateLimited).with(Details::Limit { limit }));
        }
        let id = row.topics.entry(topic.clone()).or_default();
        if id.is_none() {
            *id = self.drawn.subscription;
        }
        let unseen = || SubscriptionId::new(Uuid::nil());
        let subscription_id = id.unwrap_or_else(unseen);
        // Nothing is stored here.
        let durable = subscribe.durable.then_some(false);
        Ok(Reply::Subscribed(Subscribed { topic, subscription_id, durable }))
    }

    pub(super) fn unsubscribe(
        &mut self,
        key: SessionKey,
        request: &Request,
        unsubscribe: &Unsubscribe,
    ) -> Result<Reply, Refusal> {
        let address = self.acting_identity(key, request)?;
        let row = self.registrations.get_mut(&address).expect("whoever acts is registered");
        let named = |(topic, id): &(&_, &Option<SubscriptionId>)| match &unsubscribe.subscription {
            Subscription::Topic(wanted) => *topic == wanted,
            Subscription::Id(wanted) => id.as_ref() == Some(wanted),
        };
        let found = row.topics.iter().find(named).map(|(topic, _)| topic.clone());
        let topic = found.unwrap_or_else(|| match &unsubscribe.subscription {
            Subscription::Topic(topic) => topic.clone(),
            Subscription::Id(id) => Topic::parse(&id.to_string()).expect("an id is short"),
        });
        row.topics.remove(&topic);
        Ok(Reply::Unsubscribed(Unsubscribed { topic, unsubscribed_at: self.now }))
    }
}

fn longest_address() -> ActorAddress {
    ActorAddress::from_path(&"a".repeat(255)).expect("255 bytes are a path")
}
