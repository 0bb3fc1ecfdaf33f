//! Application data from one actor to another.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;

use crate::hub::sending::Handover;
use crate::hub::{DropReason, Expired, Hub, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Delivery, DeliveryAck, DeliveryStatus, Details, ErrorCode, Json, MessageId,
    Refusal, Reply, Request, Route, Send, UnknownActor,
};
use crate::time::Timestamp;

impl Hub {
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        send: &Send,
    ) -> Result<Reply, Refusal> {
        let from = self.acting_identity(key, request)?;
        self.check_expiry(now, request, &send.to)?;
        let hub_keys = HubKeys { forwarded: true, original_message_id: &request.id, via: "hub" };
        let metadata = with_hub_keys(&request.metadata, &hub_keys);
        let delivery = Arc::new(Delivery::new(
            from,
            send.kind.clone(),
            send.data.clone(),
            metadata,
            Route::Send,
            request.id.clone(),
            request.ttl,
        ));
        match self.deliver(now, key, &send.to, &delivery) {
            Handover::Delivered => Ok(Reply::DeliveryAck(DeliveryAck {
                message_id: request.id.clone(),
                delivered_at: now,
                status: DeliveryStatus::Delivered,
            })),
            Handover::Dropped(DropReason::QueueFull) => Err(self.queue_full(&send.to)),
            Handover::Dropped(_) => Ok(Reply::UnknownActor(UnknownActor {
                actor_address: send.to.clone(),
                message: format!("Actor not registered: {}", send.to),
            })),
        }
    }

    fn queue_full(&self, to: &ActorAddress) -> Refusal {
        let (wait, limit) = (self.config.slow_consumer_timeout, self.config.queue_messages_max);
        Refusal::new(
            ErrorCode::RateLimited,
            format!("the queue of {to} is full; the message was dropped"),
            "Send again after a pause.",
        )
        .with(Details::RetryAfter { wait, limit: limit as u64 })
    }

    /// Copies whose time to live was over before they could be written (I27).
    pub(super) fn record_expired(&mut self, expired: &[Expired]) {
        for Expired { to, message } in expired {
            self.counters.messages_expired += 1;
            let (to, message) = (to.clone(), message.clone());
            self.audit(Record::MessageDropped { to, message, why: DropReason::Expired });
        }
    }

    /// A message whose time to live was over on arrival goes nowhere (I27).
    pub(super) fn check_expiry(
        &mut self,
        now: Timestamp,
        request: &Request,
        to: &ActorAddress,
    ) -> Result<(), Refusal> {
        let Some(ttl) = request.ttl else { return Ok(()) };
        if now <= request.timestamp + ttl + self.config.clock_skew {
            return Ok(());
        }
        self.counters.count_drop(DropReason::Expired);
        let (to, message) = (to.clone(), request.id.clone());
        self.audit(Record::MessageDropped { to, message, why: DropReason::Expired });
        Err(Refusal::new(
            ErrorCode::MessageExpired,
            "the message's time to live was over when it arrived",
            "Send it again with a later timestamp or a longer ttl.",
        ))
    }
}

/// What the hub says of a message that it forwards.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HubKeys<'a> {
    forwarded: bool,
    original_message_id: &'a MessageId,
    via: &'static str,
}

/// `metadata`, its own keys first, and the hub's keys, which win.
fn with_hub_keys(metadata: &Json, hub_keys: &HubKeys<'_>) -> Json {
    let hub_keys = Json::from_value(hub_keys).expect("texts and flags are JSON");
    if metadata.as_str() == "{}" {
        return hub_keys;
    }
    let keys = |json: &Json| json.to::<IndexMap<String, Json>>();
    let mut merged = keys(metadata).expect("an envelope's metadata is an object");
    merged.extend(keys(&hub_keys).expect("a struct is an object"));
    Json::from_value(&merged).expect("an object of JSON values is JSON")
}
