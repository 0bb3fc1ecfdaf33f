//! The rate limit of a session (protocol, section 6). Every envelope counts, whether its payload is
//! valid or not, except those that open or end a session. Signs of life count apart, so that nobody
//! falls silent because it talks too much. A request weighs what it was and what it did, so it goes
//! through if anything is left, and is paid for afterwards.

use crate::hub::state::RateLimit;
use crate::hub::{Counters, Hub, SessionKey};
use crate::protocol::{Details, ErrorCode, Pattern, Refusal, Reply, Request};
use crate::time::Timestamp;

/// The bucket that a request is paid from.
enum Bucket {
    Free,
    Requests,
    Pings,
}

fn bucket(request: &Request) -> Bucket {
    match request.type_name.as_ref() {
        "hub:connect" | "hub:disconnect" => Bucket::Free,
        "hub:heartbeat" => Bucket::Pings,
        _ => Bucket::Requests,
    }
}

impl Hub {
    pub(super) fn check_rate_limit(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.open_mut(key) else { return Ok(()) };
        let (limiter, limit, what) = match bucket(request) {
            Bucket::Free => return Ok(()),
            Bucket::Requests => {
                (&mut session.requests, RateLimit::of_requests(&self.config), "requests")
            }
            Bucket::Pings => (&mut session.pings, RateLimit::of_pings(&self.config), "heartbeats"),
        };
        limiter.check(now, limit).map_err(|wait| {
            let limit = u64::from(limit.per_second);
            Refusal::new(
                ErrorCode::RateLimited,
                format!("this session makes more than {limit} {what} a second"),
                "Send it again after retryAfterMs, and less in a second.",
            )
            .with(Details::RetryAfter { wait, limit })
        })
    }

    /// Copies of messages until now, handed over or not, and those replayed.
    pub(super) fn copies(&self) -> u64 {
        let Counters {
            messages_delivered,
            messages_dropped,
            messages_queued,
            messages_replayed,
            ..
        } = self.counters;
        messages_delivered + messages_dropped + messages_queued + messages_replayed
    }

    /// Debits a request that went through; `before` is the number of copies before it.
    pub(super) fn pay(&mut self, key: SessionKey, request: &Request, before: u64) {
        let rows = self.copies() - before + self.work.scanned as u64;
        let by = |amount: u64, unit: usize| amount.checked_div(unit as u64).unwrap_or(0);
        let of_bytes = by(request.frame_bytes.0 as u64, self.config.rate_limit_bytes);
        let of_rows = by(rows, self.config.rate_limit_rows);
        let Some(session) = self.sessions.open_mut(key) else { return };
        let weight = 1 + of_bytes + of_rows;
        match bucket(request) {
            Bucket::Free => {}
            Bucket::Requests => {
                session.requests.debit(weight, RateLimit::of_requests(&self.config))
            }
            Bucket::Pings => session.pings.debit(weight, RateLimit::of_pings(&self.config)),
        }
    }

    /// Returns whether the session may send a text ping now; if not, the ping is dropped and
    /// counted.
    pub(super) fn admits_ping(&mut self, now: Timestamp, key: SessionKey) -> bool {
        let limit = RateLimit::of_pings(&self.config);
        let Some(session) = self.sessions.open_mut(key) else { return false };
        let admitted = session.pings.check(now, limit).is_ok();
        if admitted {
            session.pings.debit(1, limit)
        } else {
            self.counters.pings_dropped += 1
        }
        admitted
    }

    /// Refuses a request that came too soon. Even for a tell the sender hears of it, at most once a
    /// second.
    pub(super) fn refuse_rate_limited(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        refusal: Refusal,
    ) {
        let told = request.pattern == Pattern::Tell
            && self.sessions.open_mut(key).is_some_and(|session| session.requests.may_tell(now));
        let error = Reply::Error(Box::new(refusal.clone()));
        self.refuse(now, key, request, refusal);
        if told {
            self.reply(now, key, request, error);
        }
    }
}
