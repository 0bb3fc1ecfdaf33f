//! Asks that are repeated, on the same connection or a later one, get their first outcome and are
//! not carried out twice (protocol, section 6).
//!
//! This is only for asks that deliver: send, publish, broadcast. All others may be carried out
//! twice. A refusal is no outcome, nor is an unknown recipient: they changed nothing, so the ask
//! may be tried again under the same id. The same id with other content is another ask.

use std::hash::Hash;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::hub::state::DedupeKey;
use crate::hub::{Deadline, Hub, Record, SessionKey};
use crate::protocol::{ActorAddress, Pattern, Reply, Request, Verb};
use crate::time::Timestamp;

/// The least time between two clean-ups of old outcomes.
const FORGET_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// The key of the ask, if it must not be carried out twice.
    pub(super) fn dedupe_key(&self, key: SessionKey, request: &Request) -> Option<DedupeKey> {
        if request.pattern == Pattern::Tell || self.config.dedupe_window.is_zero() {
            return None;
        }
        let verb = request.verb.as_ref().ok()?;
        let content = match verb {
            Verb::Send(send) => self.digest_of(send),
            Verb::Publish(publish) => self.digest_of(publish),
            Verb::Broadcast(broadcast) => self.digest_of(broadcast),
            _ => return None,
        };
        let from = self.acting_identity(key, request).ok()?;
        Some(DedupeKey { from, id: request.id.clone(), kind: verb.type_name(), content })
    }

    fn digest_of(&self, content: &impl Hash) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.digest_key);
        content.hash(&mut hasher);
        hasher.finish128().as_u128()
    }

    /// The outcome of the ask when it came first.
    pub(super) fn cached_outcome(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        ask: &DedupeKey,
    ) -> Option<Reply> {
        self.dedupe.expire(now, self.config.dedupe_window);
        let reply = self.dedupe.get(ask)?.clone();
        self.audit(Record::RetryAnswered {
            actor_address: ask.from.clone(),
            session: key,
            message: ask.id.clone(),
            kind: ask.kind,
        });
        Some(reply)
    }

    pub(super) fn remember_outcome(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        ask: DedupeKey,
        outcome: &Reply,
    ) {
        if matches!(outcome, Reply::UnknownActor(_)) {
            return;
        }
        let principal = self.principal(key);
        self.dedupe.insert(now, ask, principal, outcome.clone(), &self.config);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Config, Ids};
    use crate::protocol::{ActorAddress, Disconnected, MessageId};

    #[test]
    fn the_oldest_outcome_says_when_to_forget() {
        let mut hub = Hub::new(Config::default(), Ids::new([0; 32]));
        let from = ActorAddress::parse("@(a)").expect("an address");
        let outcome = Reply::Disconnected(Disconnected { acknowledged: true });
        let [first, second] = [0, 30_000].map(Timestamp::from_millis);
        for (now, id) in [(first, "1"), (second, "2")] {
            let id = MessageId::parse(id).expect("an id");
            let ask = DedupeKey { from: from.clone(), id, kind: "hub:send", content: 0 };
            hub.remember_outcome(now, SessionKey(1), ask, &outcome);
        }
        assert_eq!(hub.next_deadline(), Some(first + hub.config.dedupe_window));
    }
}
