//! Application data for all registered actors.

use std::sync::Arc;

use crate::hub::sending::{Destination, Handover};
use crate::hub::{Hub, SessionKey};
use crate::protocol::{
    ADDRESS_BYTES_MAX, ActorAddress, Broadcast, BroadcastAck, Delivery, Details, ErrorCode,
    Refusal, Reply, Request, Route,
};
use crate::time::Timestamp;

impl Hub {
    /// Hands out one copy for each registered address that the broadcast is for, and keeps one for
    /// each that is away and recovers.
    pub(super) fn broadcast(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        from: ActorAddress,
        broadcast: &Broadcast,
    ) -> Result<Reply, Refusal> {
        self.check_expiry(now, request, &request.to)?;
        let delivery = Arc::new(Delivery::new(
            from.clone(),
            broadcast.kind.clone(),
            broadcast.data.clone(),
            self.forwarded_metadata(request, &Route::Broadcast),
            Route::Broadcast,
            request.id.clone(),
            request.ttl,
        ));
        self.check_copy(now, &delivery, ADDRESS_BYTES_MAX, !self.logs.is_empty())?;
        let recipients = self.recipients(&from, broadcast)?;
        let (mut delivered_count, mut queued_count) = (0, 0);
        let at_node = self.cluster.is_some();
        for to in &recipients {
            let destination = Destination::of(self.registry.get(to), true);
            if at_node && self.gathers(to, true, &delivery) {
                continue;
            }
            match self.deliver(now, key, (to, destination), &delivery) {
                Handover::Delivered => delivered_count += 1,
                Handover::Queued => queued_count += 1,
                Handover::Dropped(_) => {}
            }
        }
        Ok(Reply::BroadcastAck(BroadcastAck {
            message_id: request.id.clone(),
            delivered_count,
            failed_count: recipients.len() - delivered_count - queued_count,
            queued_count,
        }))
    }

    fn recipients(
        &self,
        from: &ActorAddress,
        broadcast: &Broadcast,
    ) -> Result<Vec<ActorAddress>, Refusal> {
        let limit = self.config.broadcast_recipients_max;
        let target = broadcast.target_capability.as_deref();
        let left_out =
            Some(from).filter(|from| broadcast.exclude_self && self.registry.has(from, target));
        if self.registry.count(target) - left_out.iter().len() <= limit {
            let addresses = self.registry.recipients(target);
            Ok(addresses.filter(|address| Some(*address) != left_out).cloned().collect())
        } else {
            Err(Refusal::new(
                ErrorCode::BroadcastLimitExceeded,
                format!("a broadcast goes to at most {limit} actors, and more are registered"),
                "Name a targetCapability that fewer actors have, or publish on a topic.",
            )
            .with(Details::Limit { limit }))
        }
    }
}
