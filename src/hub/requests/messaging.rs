//! Application data from one actor to another.

use std::sync::Arc;

use crate::hub::sending::{Destination, Handover};
use crate::hub::{DropReason, Hub, SessionKey};
use crate::protocol::{
    ActorAddress, Delivery, DeliveryAck, DeliveryStatus, Details, ErrorCode, Recipient, Refusal,
    Reply, Request, Route, Send, UnknownActor,
};
use crate::time::Timestamp;

impl Hub {
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        from: ActorAddress,
        send: &Send,
    ) -> Result<Reply, Refusal> {
        self.check_expiry(now, request, &send.to)?;
        let delivery = Arc::new(Delivery::new(
            from,
            send.kind.clone(),
            send.data.clone(),
            self.forwarded_metadata(request, &Route::Send),
            Route::Send,
            request.id.clone(),
            request.ttl,
        ));
        self.work.bytes += delivery.metadata.len();
        let handover = match self.destination(key, send) {
            Some((to, destination)) => {
                self.check_copy(now, &delivery, to.as_str().len(), destination.recovers)?;
                if self.cluster.is_some() && self.gathers(&to, send.queue, &delivery) {
                    // The other node says what becomes of it.
                    Handover::Delivered
                } else {
                    self.deliver(now, key, (&to, destination), &delivery)
                }
            }
            None => {
                self.record_drop(send.to.clone(), &request.id, DropReason::UnknownActor);
                Handover::Dropped(DropReason::UnknownActor)
            }
        };
        let (message_id, delivered_at) = (request.id.clone(), now);
        let done =
            |status| Ok(Reply::DeliveryAck(DeliveryAck { message_id, delivered_at, status }));
        match handover {
            Handover::Delivered => done(DeliveryStatus::Delivered),
            Handover::Queued => done(DeliveryStatus::Queued),
            Handover::Dropped(DropReason::QueueFull) => Err(self.queue_full(&send.to)),
            Handover::Dropped(DropReason::StoreFull) => Err(Refusal::store_full()),
            Handover::Dropped(_) => Ok(Reply::UnknownActor(UnknownActor {
                actor_address: send.to.clone(),
                message: format!("Actor not registered: {}", send.to),
            })),
        }
    }

    /// Where a send goes, unless its recipient can be nobody.
    fn destination(&mut self, key: SessionKey, send: &Send) -> Option<(ActorAddress, Destination)> {
        let sender = self.sessions.unchanged_mut(key).expect("a request comes from a session");
        match self.registry.addressed(sender.addressed, &send.to) {
            Some((seat, to, known)) => {
                sender.addressed = seat;
                Some((to.clone(), Destination::of(Some(known), send.queue)))
            }
            None => Some((send.to.address()?, Destination::of(None, send.queue))),
        }
    }

    fn queue_full(&self, to: &Recipient) -> Refusal {
        let (wait, limit) = (self.config.slow_consumer_timeout, self.config.queue_messages_max);
        Refusal::new(
            ErrorCode::RateLimited,
            format!("the queue of {to} is full; the message was dropped"),
            "Send again after a pause.",
        )
        .with(Details::RetryAfter { wait, limit: limit as u64 })
    }
}
