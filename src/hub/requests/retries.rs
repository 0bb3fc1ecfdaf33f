//! Asks that come again, on this connection or on the next one: they get their first outcome and are
//! not carried out twice (protocol, section 7).
//!
//! That concerns what delivers: send, publish, broadcast. Everything else that is asked twice may
//! well be done twice. A refusal is no outcome: it left nothing behind, so its ask may be tried
//! again under the same id.

use std::time::Duration;

use crate::hub::state::AskKey;
use crate::hub::{Deadline, Hub, Record, SessionKey};
use crate::protocol::{Pattern, Reply, Request, Verb};
use crate::time::Timestamp;

/// Old outcomes are forgotten together, this often at most.
const FORGET_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// What names the ask, if it is one that must not be carried out twice.
    pub(super) fn ask_key(&self, key: SessionKey, request: &Request) -> Option<AskKey> {
        if request.pattern == Pattern::Tell || self.config.dedupe_window.is_zero() {
            return None;
        }
        match request.verb.as_ref().ok()? {
            verb @ (Verb::Send(_) | Verb::Publish(_) | Verb::Broadcast(_)) => {
                let from = self.acting_identity(key, request).ok()?;
                Some(AskKey { from, id: request.id.clone(), kind: verb.type_name() })
            }
            Verb::Connect(_)
            | Verb::Heartbeat(_)
            | Verb::Disconnect(_)
            | Verb::Register(_)
            | Verb::Unregister(_)
            | Verb::Renew(_)
            | Verb::Discover(_)
            | Verb::ListActors(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::QueueStats
            | Verb::Metrics
            | Verb::RefreshToken(_) => None,
        }
    }

    /// What became of the ask when it came first.
    pub(super) fn first_outcome(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        ask: &AskKey,
    ) -> Option<Reply> {
        self.outcomes.expire(now, self.config.dedupe_window);
        let reply = self.outcomes.first(ask)?.clone();
        self.audit(Record::RetryAnswered {
            actor_address: ask.from.clone(),
            session: key,
            message: ask.id.clone(),
            kind: ask.kind.to_owned(),
        });
        Some(reply)
    }

    pub(super) fn remember_outcome(&mut self, now: Timestamp, ask: AskKey, outcome: &Reply) {
        self.outcomes.insert(now, ask, outcome.clone(), self.config.dedupe_entries_max);
        if self.deadlines.of_outcomes().is_none() {
            self.deadlines.arm(Deadline::Outcomes, now + self.config.dedupe_window);
        }
    }

    pub(in crate::hub) fn outcomes_due(&mut self, now: Timestamp) {
        self.outcomes.expire(now, self.config.dedupe_window);
        if let Some(oldest) = self.outcomes.oldest() {
            let due = (oldest + self.config.dedupe_window).max(now + FORGET_EVERY);
            self.deadlines.arm(Deadline::Outcomes, due);
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
            hub.remember_outcome(
                now,
                AskKey { from: from.clone(), id, kind: "hub:send" },
                &outcome,
            );
        }
        assert_eq!(hub.next_deadline(), Some(first + hub.config.dedupe_window));
    }
}
