//! Asks that are repeated, on the same connection or a later one, get their first outcome and are
//! not carried out twice (protocol, section 6).
//!
//! This is only for asks that deliver: send, publish, broadcast. All others may be carried out
//! twice. A refusal is no outcome, nor is an unknown recipient: they changed nothing, so the ask
//! may be tried again under the same id. The same id with other content is another ask.

use std::time::Duration;

use highway::{HighwayHash, HighwayHasher, Key};

use crate::hub::state::{DedupeKey, Outcome};
use crate::hub::{Deadline, Hub, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Broadcast, BroadcastAck, DeliveryAck, DeliveryStatus, MessageId, Pattern,
    Publish, Published, Reply, Request, Verb,
};
use crate::time::Timestamp;

/// The least time between two clean-ups of old outcomes.
const FORGET_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// What tells the ask from others, if it must not be carried out twice.
    pub(super) fn dedupe_key(&mut self, key: SessionKey, request: &Request) -> Option<DedupeKey> {
        if request.pattern == Pattern::Tell || self.config.dedupe_window.is_zero() {
            return None;
        }
        let verb = request.verb.as_ref().ok()?;
        let (kind, data) = verb.carries_data()?;
        let (from, id) = (self.acting_identity(key, request).ok()?, request.id.clone());
        let (to, more) = match verb {
            Verb::Send(send) => (send.to.as_str(), None),
            Verb::Publish(publish) => (publish.topic.as_str(), None),
            Verb::Broadcast(Broadcast { exclude_self, target_capability, .. }) => {
                (if *exclude_self { "others" } else { "all" }, target_capability.as_deref())
            }
            _ => return None,
        };
        // Hashed in two pieces, which costs half as much as in ten. No text has the byte between.
        let parts = [from.as_str(), id.as_str(), verb.type_name(), kind, to];
        for part in parts.into_iter().chain(more) {
            self.digested.extend_from_slice(part.as_bytes());
            self.digested.push(0xff);
        }
        let mut hasher = HighwayHasher::new(Key(self.digest_key));
        hasher.append(&self.digested);
        hasher.append(data.as_str().as_bytes());
        self.digested.clear();
        let [low, high] = hasher.finalize128().map(u128::from);
        Some(DedupeKey { from, id, digest: high << 64 | low })
    }

    /// The reply to the ask when it came first.
    pub(super) fn cached_outcome(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        ask: &DedupeKey,
    ) -> Option<Reply> {
        self.dedupe.expire(now, self.config.dedupe_window);
        let (at, outcome) = self.dedupe.get(ask)?;
        let verb = request.verb.as_ref().ok()?;
        let reply = told_again(&ask.id, verb, at, outcome)?;
        self.audit(Record::RetryAnswered {
            actor_address: ask.from.clone(),
            session: key,
            message: ask.id.clone(),
            kind: verb.type_name(),
        });
        Some(reply)
    }

    pub(in crate::hub) fn remember_outcome(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        ask: DedupeKey,
        reply: &Reply,
    ) {
        let outcome = match reply {
            Reply::DeliveryAck(told) => match told.status {
                DeliveryStatus::Delivered | DeliveryStatus::Other => Outcome::Delivered,
                DeliveryStatus::Queued => Outcome::Queued,
            },
            Reply::Published(told) => Outcome::Published {
                copies: told.subscriber_count as u32,
                queued: told.queued_count as u32,
            },
            Reply::BroadcastAck(told) => Outcome::Broadcast {
                delivered: told.delivered_count as u32,
                failed: told.failed_count as u32,
                queued: told.queued_count as u32,
            },
            _ => return,
        };
        let session = self.sessions.get(key);
        let hint = session.map(|session| session.asked).unwrap_or_default();
        let grant = session.and_then(|session| session.grant.as_ref());
        let principal = grant.map(|grant| &grant.principal);
        let seat = self.dedupe.insert(now, (ask, hint), principal, outcome, &self.config);
        if let Some(session) = self.sessions.unchanged_mut(key) {
            session.asked = seat;
        }
        if self.deadlines.of_dedupe().is_none() {
            self.deadlines.arm(Deadline::Dedupe, now + self.config.dedupe_window);
        }
    }

    /// Forgets the address's outcomes: from now on it is somebody else's, or begins afresh.
    pub(super) fn forget_outcomes(&mut self, address: &ActorAddress) {
        self.dedupe.forget(address);
        if self.dedupe.oldest().is_none() {
            self.deadlines.disarm(&Deadline::Dedupe);
        }
    }

    pub(in crate::hub) fn dedupe_due(&mut self, now: Timestamp) {
        self.dedupe.expire(now, self.config.dedupe_window);
        if let Some(oldest) = self.dedupe.oldest() {
            let due = (oldest + self.config.dedupe_window).max(now + FORGET_EVERY);
            self.deadlines.arm(Deadline::Dedupe, due);
        }
    }
}

/// The first reply, from the ask and the outcome of `at`.
fn told_again(id: &MessageId, verb: &Verb, at: Timestamp, outcome: Outcome) -> Option<Reply> {
    let message_id = id.clone();
    let acked = |status| Reply::DeliveryAck(DeliveryAck { message_id, delivered_at: at, status });
    Some(match (outcome, verb) {
        (Outcome::Delivered, _) => acked(DeliveryStatus::Delivered),
        (Outcome::Queued, _) => acked(DeliveryStatus::Queued),
        (Outcome::Published { copies, queued }, Verb::Publish(Publish { topic, .. })) => {
            let (subscriber_count, queued_count) = (copies as usize, queued as usize);
            Reply::Published(Published { topic: topic.clone(), subscriber_count, queued_count })
        }
        (Outcome::Published { .. }, _) => return None,
        (Outcome::Broadcast { delivered, failed, queued }, _) => {
            Reply::BroadcastAck(BroadcastAck {
                message_id: id.clone(),
                delivered_count: delivered as usize,
                failed_count: failed as usize,
                queued_count: queued as usize,
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::hub::{Config, Ids};

    #[test]
    fn the_oldest_outcome_says_when_to_forget() {
        let mut hub = Hub::new(Config::default(), Ids::new([0; 32]));
        let from = ActorAddress::parse("@(a)").expect("an address");
        let [first, second] = [0, 30_000].map(Timestamp::from_millis);
        for (delivered_at, digest) in [(first, 1), (second, 2)] {
            let (message_id, status) = (MessageId::from(Uuid::nil()), DeliveryStatus::Delivered);
            let ask = DedupeKey { from: from.clone(), id: message_id.clone(), digest };
            let reply = Reply::DeliveryAck(DeliveryAck { message_id, delivered_at, status });
            hub.remember_outcome(delivered_at, SessionKey(1), ask, &reply);
        }
        assert_eq!(hub.next_deadline(), Some(first + hub.config.dedupe_window));
    }
}
