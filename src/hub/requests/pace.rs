//! How fast a session may ask (protocol, section 6). Every envelope counts, be its payload right or
//! wrong, except what opens a session, keeps it alive or ends it: nobody may fall silent, or fail to
//! leave, because it talks too much.

use crate::hub::{Hub, SessionKey};
use crate::protocol::{Details, ErrorCode, Pattern, Refusal, Reply, Request};
use crate::time::Timestamp;

const FREE: [&str; 3] = ["hub:connect", "hub:heartbeat", "hub:disconnect"];

impl Hub {
    pub(super) fn check_pace(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
    ) -> Result<(), Refusal> {
        if FREE.contains(&request.type_name.as_ref()) {
            return Ok(());
        }
        let Some(session) = self.sessions.open_mut(key) else { return Ok(()) };
        session.pace.take(now, &self.config).map_err(|wait| {
            let limit = u64::from(self.config.rate_limit_per_second);
            Refusal::new(
                ErrorCode::RateLimited,
                format!("this session makes more than {limit} requests a second"),
                "Send it again after retryAfterMs, and fewer requests a second.",
            )
            .with(Details::RetryAfter { wait, limit })
        })
    }

    /// Refuses a request that came too soon. Even a teller hears of it, once a second.
    pub(super) fn refuse_haste(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        refusal: Refusal,
    ) {
        let told = request.pattern == Pattern::Tell
            && self.sessions.open_mut(key).is_some_and(|session| session.pace.may_tell(now));
        let error = Reply::Error(Box::new(refusal.clone()));
        self.refuse(now, key, request, refusal);
        if told {
            self.reply(now, key, request, error);
        }
    }
}
