//! Requests at a node of a cluster: what other nodes or the engine have to say first, they wait for. A hub alone never
//! comes here.

use std::sync::Arc;

use crate::hub::{Hub, SessionKey};
use crate::protocol::{Refusal, Reply, Request, Verb};
use crate::time::Timestamp;

impl Hub {
    /// Decides and answers a request, now or later, unless its session waits for an address.
    pub(in crate::hub) fn request_at_node(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
    ) {
        if self.parks(now, key, request) {
            return;
        }
        if let Err(refusal) = self.check_rate_limit(now, key, request) {
            return self.refuse_rate_limited(now, key, request, refusal);
        }
        let before = self.copies();
        match self.decide_at_node(now, key, request) {
            Ok(Some(reply)) if self.withholds(now, key, request, &reply) => {}
            Ok(Some(reply)) => self.answer(now, key, request, Ok(reply)),
            Ok(None) => {}
            Err(refusal) => self.answer(now, key, request, Err(refusal)),
        }
        self.pay(key, request, before);
    }

    /// As [`Hub::decide`]. None: it waits.
    fn decide_at_node(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Arc<Request>,
    ) -> Result<Option<Reply>, Refusal> {
        self.check_phase(key, request)?;
        self.check_cluster(now, key, request)?;
        if let Ok(Verb::Register(register)) = &request.verb {
            return self.claim(now, key, request, register).map(|()| None);
        }
        self.check_echo(now, request)?;
        let ask = self.dedupe_key(key, request);
        if let Some(outcome) =
            ask.as_ref().and_then(|ask| self.cached_outcome(now, key, request, ask))
        {
            return Ok(Some(outcome));
        }
        if self.joins_relay(key, request, ask.as_ref()) {
            return Ok(None);
        }
        let from = ask.as_ref().map(|ask| &ask.from);
        let outcome = self.apply(now, key, request, from)?;
        if self.begin_relay(now, key, request, &ask, &outcome) {
            return Ok(None);
        }
        if let Some(ask) = ask {
            self.remember_outcome(now, key, ask, &outcome);
        }
        Ok(Some(outcome))
    }
}
