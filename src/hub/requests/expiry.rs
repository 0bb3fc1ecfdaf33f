//! Messages whose time to live ended (I27): before arrival, or in a queue.

use crate::hub::{DropReason, Expired, Hub, Record};
use crate::protocol::{ErrorCode, Recipient, Refusal, Request};
use crate::time::Timestamp;

impl Hub {
    /// Records copies that expired before they could be written (I27).
    pub(super) fn record_expired(&mut self, expired: &[Expired]) {
        for Expired { to, message } in expired {
            self.counters.messages_expired += 1;
            let (to, message) = (to.clone().into(), message.clone());
            self.audit(Record::MessageDropped { to, message, why: DropReason::Expired });
        }
    }

    /// Refuses a message that expired before arrival (I27).
    pub(super) fn check_expiry(
        &mut self,
        now: Timestamp,
        request: &Request,
        to: &(impl Into<Recipient> + Clone),
    ) -> Result<(), Refusal> {
        let Some(ttl) = request.ttl else { return Ok(()) };
        if now <= request.timestamp + ttl + self.config.clock_skew {
            return Ok(());
        }
        self.record_drop(to.clone(), &request.id, DropReason::Expired);
        Err(Refusal::new(
            ErrorCode::MessageExpired,
            "the message's time to live was over when it arrived",
            "Send it again with a later timestamp or a longer ttl.",
        ))
    }
}
