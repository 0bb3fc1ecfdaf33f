//! The hub that the client talks to: it knows what it is told, and does nothing by itself.

use anyhow::{Context, Result};
use signal_hub::protocol::codec::HubBody;
use signal_hub::protocol::{
    ActorAddress, Connected, DeliveryAck, DeliveryStatus, Details, DisconnectNotice, Disconnected,
    ErrorCode, HubCapabilities, Notice, Refusal, Registered, RenewalToken, Renewed, Reply, Request,
    SessionId, Subscribed, Subscription, SubscriptionId, UnregisterReason, Unregistered,
    UnregisteredNotice, Unsubscribed, Verb,
};
use uuid::Uuid;

use super::{TTL, World};
use crate::client_model::Cause;

impl World {
    /// But for its rate limit, a hub refuses nobody what is so already, nor the end of what is there.
    pub fn may_refuse(&self, request: &Request, refusal: &Refusal) -> bool {
        let has = |topic| self.known.get(&request.from).is_some_and(|known| known.contains(topic));
        let so_already = match &request.verb {
            Ok(Verb::Register(_)) => self.registered.contains_key(&request.from),
            Ok(Verb::Subscribe(subscribe)) => has(&subscribe.topic),
            Ok(Verb::Unsubscribe(unsubscribe)) => match &unsubscribe.subscription {
                Subscription::Topic(topic) => has(topic),
                Subscription::Id(_) => false,
            },
            Ok(_) | Err(_) => false,
        };
        matches!(refusal.details, Details::RetryAfter { .. }) || !so_already
    }

    pub fn carry_out(&mut self, request: &Request) -> Result<Reply> {
        let from = &request.from;
        Ok(match request.verb.as_ref().ok().context("a request")? {
            Verb::Connect(_) => Reply::Connected(connected()),
            Verb::Register(_) => {
                self.registered.insert(from.clone(), self.now + TTL);
                let topics = self.known.entry(from.clone()).or_default();
                self.tokens += 1;
                Reply::Registered(Registered {
                    actor_address: from.clone(),
                    expires_at: self.now + TTL,
                    renewal_token: RenewalToken::new(Uuid::from_u128(self.tokens)),
                    version: 1,
                    resumed: false,
                    subscriptions: topics.iter().cloned().collect(),
                    subscription_count: None,
                    recovery: None,
                })
            }
            Verb::Unregister(_) => {
                self.registered.remove(from);
                self.known.remove(from);
                let (actor_address, unregistered_at) = (from.clone(), self.now);
                Reply::Unregistered(Unregistered { actor_address, unregistered_at })
            }
            Verb::Disconnect(_) => {
                self.inbox.clear();
                self.registered.keys().for_each(|address| drop(self.known.remove(address)));
                self.registered.clear();
                Reply::Disconnected(Disconnected { acknowledged: true })
            }
            _ if !self.registered.contains_key(from) => Reply::Error(Box::new(Refusal::new(
                ErrorCode::Unauthorized,
                "register first",
                "Send hub:register.",
            ))),
            Verb::Renew(_) => {
                self.tokens += 1;
                self.registered.insert(from.clone(), self.now + TTL);
                Reply::Renewed(Renewed {
                    actor_address: from.clone(),
                    expires_at: self.now + TTL,
                    renewal_token: RenewalToken::new(Uuid::from_u128(self.tokens)),
                })
            }
            Verb::Subscribe(subscribe) => {
                let topic = subscribe.topic.clone();
                self.known.entry(from.clone()).or_default().insert(topic.clone());
                let subscription_id = SubscriptionId::new(Uuid::nil());
                Reply::Subscribed(Subscribed { topic, subscription_id, durable: None })
            }
            Verb::Unsubscribe(unsubscribe) => {
                let Subscription::Topic(topic) = unsubscribe.subscription.clone() else {
                    anyhow::bail!("no client keeps ids");
                };
                self.known.entry(from.clone()).or_default().remove(&topic);
                Reply::Unsubscribed(Unsubscribed { topic, unsubscribed_at: self.now })
            }
            Verb::Send(_) => Reply::DeliveryAck(DeliveryAck {
                message_id: request.id.clone(),
                delivered_at: self.now,
                status: DeliveryStatus::Delivered,
            }),
            _ => {
                let refusal = Refusal::new(ErrorCode::InternalError, "what?", "Ask another.");
                Reply::Error(Box::new(refusal))
            }
        })
    }

    /// The hub keeps what it knows of whoever lets a registration expire, and says so.
    pub fn expire(&mut self) -> Result<()> {
        let now = self.now;
        let due = self.registered.iter().filter(|(_, expires_at)| **expires_at <= now);
        let due: Vec<ActorAddress> = due.map(|(address, _)| address.clone()).collect();
        for address in due {
            self.registered.remove(&address);
            let notice = lost(&address, UnregisterReason::Expired);
            self.hear(HubBody::Notice(notice), Cause::Expired(address))?;
        }
        Ok(())
    }

    pub fn take_over(&mut self, address: ActorAddress) -> Result<()> {
        if self.registered.remove(&address).is_none() {
            return Ok(());
        }
        let notice = lost(&address, UnregisterReason::DuplicateConnection);
        self.hear(HubBody::Notice(notice), Cause::TakenOver(address))
    }

    pub fn replace(&mut self) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        // It was the hub's last word.
        self.inbox.clear();
        self.registered.clear();
        let notice = DisconnectNotice {
            reason: DisconnectNotice::DUPLICATE_CONNECTION.to_owned(),
            message: String::new(),
        };
        self.hear(HubBody::Notice(Notice::Disconnect(notice)), Cause::Replaced)
    }
}

fn lost(address: &ActorAddress, reason: UnregisterReason) -> Notice {
    Notice::Unregistered(UnregisteredNotice { actor_address: address.clone(), reason })
}

fn connected() -> Connected {
    Connected {
        session_id: SessionId::new(Uuid::nil()),
        server_version: String::new(),
        server_time: None,
        token_expires_at: None,
        max_message_size: 1_048_576,
        heartbeat_interval: 25_000,
        capabilities: HubCapabilities {
            max_actors_per_instance: 1,
            supports_backpressure: true,
            supports_recovery: true,
            supported_content_types: Vec::new(),
        },
        actor_identity: None,
    }
}
