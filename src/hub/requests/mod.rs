//! The verbs: what the hub does with each input, one file per domain. This one reads frames and
//! answers them.

mod access;
mod at_node;
mod broadcast;
mod connection;
mod dedupe;
mod directory;
mod expiry;
mod figures;
mod forwarding;
mod identity;
mod messaging;
mod pubsub;
mod rate_limit;
mod recovery;
mod registration;
mod sizes;
mod takeover;

pub(super) use registration::Claim;

use super::{Hub, Phase, Record, SessionKey};
use crate::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, Details, ErrorCode, Malformed, Pattern, Refusal,
    Reply, Request, Verb,
};
use crate::time::Timestamp;

impl Hub {
    pub(super) fn frame(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        frame: Result<ClientFrame, Malformed>,
    ) {
        self.counters.frames_received += 1;
        let lived = self.deadlines.lived(now);
        let Some(session) = self.sessions.open_mut(key) else {
            self.counters.frames_ignored += 1;
            return;
        };
        session.last_seen = lived;
        match frame {
            Ok(ClientFrame::Ping) => self.ping(now, key),
            Ok(ClientFrame::Request(request)) => {
                if session.claimed.as_ref() != Some(&request.from) {
                    session.claimed = Some(request.from.clone());
                }
                if self.cluster.is_none() {
                    self.request(now, key, &request)
                } else {
                    self.request_at_node(now, key, &request)
                }
            }
            Err(malformed) => self.malformed(now, key, malformed),
        }
    }

    fn ping(&mut self, now: Timestamp, key: SessionKey) {
        if !self.admits_ping(now, key) {
            return;
        }
        self.counters.requests_handled += 1;
        let to = self.reply_address(key);
        self.send_own(now, key, to, Body::Pong);
    }

    fn request(&mut self, now: Timestamp, key: SessionKey, request: &Request) {
        if let Err(refusal) = self.check_rate_limit(now, key, request) {
            return self.refuse_rate_limited(now, key, request, refusal);
        }
        let before = self.copies();
        let decided = self.decide(now, key, request);
        self.answer(now, key, request, decided);
        self.pay(key, request, before);
    }

    /// The request is decided.
    #[inline(always)]
    pub(in crate::hub) fn answer(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        decided: Result<Reply, Refusal>,
    ) {
        match decided {
            Ok(reply) => {
                self.counters.requests_handled += 1;
                let replayed = match &reply {
                    Reply::Registered(registered) => Some(registered.actor_address.clone()),
                    Reply::Recovered(recovered) => Some(recovered.actor_address.clone()),
                    _ => None,
                };
                if matches!(reply, Reply::Disconnected(_)) {
                    self.reply_last(now, key, request, reply, CloseReason::ClientDisconnect);
                } else if request.pattern == Pattern::Ask || matches!(reply, Reply::HeartbeatAck(_))
                {
                    self.reply(now, key, request, reply);
                }
                if let Some(address) = replayed {
                    self.replay(now, key, &address);
                }
            }
            Err(refusal) => self.refuse(now, key, request, refusal),
        }
    }

    /// Applies the request unless it was applied before, or changes nothing and says why (I11).
    fn decide(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
    ) -> Result<Reply, Refusal> {
        self.check_phase(key, request)?;
        self.check_echo(now, request)?;
        let ask = self.dedupe_key(key, request);
        if let Some(outcome) =
            ask.as_ref().and_then(|ask| self.cached_outcome(now, key, request, ask))
        {
            return Ok(outcome);
        }
        let from = ask.as_ref().map(|ask| &ask.from);
        let outcome = self.apply(now, key, request, from)?;
        if let Some(ask) = ask {
            self.remember_outcome(now, key, ask, &outcome);
        }
        Ok(outcome)
    }

    /// `from` is the acting identity, if it is known.
    fn apply(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        from: Option<&ActorAddress>,
    ) -> Result<Reply, Refusal> {
        match request.verb.as_ref().map_err(Refusal::clone)? {
            Verb::Connect(connect) => self.connect(now, key, connect),
            Verb::Heartbeat(heartbeat) => Ok(self.heartbeat(now, key, heartbeat)),
            Verb::Disconnect(_) => Ok(self.disconnect()),
            Verb::Register(register) => self.register(now, key, register, None),
            Verb::Unregister(unregister) => self.unregister(now, key, request, unregister),
            Verb::Renew(renew) => self.renew(now, key, request, renew),
            Verb::Recover(recover) => self.recover(now, key, request, recover),
            Verb::Discover(discover) => Ok(self.discover(key, request, discover)),
            Verb::ListActors(list) => Ok(self.list_actors(now, key, request, list)),
            Verb::Send(send) => {
                let from = self.sender(key, request, from)?;
                self.send(now, key, request, from, send)
            }
            Verb::Broadcast(broadcast) => {
                let from = self.sender(key, request, from)?;
                self.broadcast(now, key, request, from, broadcast)
            }
            Verb::Subscribe(subscribe) => self.subscribe(key, request, subscribe),
            Verb::Unsubscribe(unsubscribe) => self.unsubscribe(now, key, request, unsubscribe),
            Verb::Publish(publish) => {
                let from = self.sender(key, request, from)?;
                self.publish(now, key, request, from, publish)
            }
            Verb::RefreshToken(refresh) => self.refresh_token(now, key, refresh),
            Verb::QueueStats => Ok(self.queue_stats(now, key)),
            Verb::Metrics => Ok(self.metrics(now)),
        }
    }

    /// The acting identity, if it is not known yet.
    fn sender(
        &self,
        key: SessionKey,
        request: &Request,
        from: Option<&ActorAddress>,
    ) -> Result<ActorAddress, Refusal> {
        from.cloned().map_or_else(|| self.acting_identity(key, request), Ok)
    }

    pub(in crate::hub) fn refuse(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        request: &Request,
        refusal: Refusal,
    ) {
        let code = refusal.code;
        self.counters.count_refusal(code);
        self.audit(Record::RequestRefused {
            session: key,
            code,
            kind: request.type_name.clone(),
            pattern: request.pattern,
        });
        let connecting = self.sessions.open(key).is_some_and(|s| s.phase == Phase::Connecting);
        let ends = connecting && request.type_name == "hub:connect";
        let error = Reply::Error(Box::new(refusal));
        match (request.pattern, ends) {
            (Pattern::Ask, true) => {
                self.turn_away(now, key, request, error, code.closes_connect());
            }
            (Pattern::Ask, false) => self.reply(now, key, request, error),
            (Pattern::Tell, true) => self.close(now, key, code.closes_connect()),
            (Pattern::Tell, false) => {}
        }
    }

    fn malformed(&mut self, now: Timestamp, key: SessionKey, malformed: Malformed) {
        self.counters.frames_malformed += 1;
        let to = self.reply_address(key);
        match malformed {
            Malformed::Frame { id, refusal } => {
                let error = Body::Reply {
                    correlation: id,
                    trace_id: None,
                    reply: Box::new(Reply::Error(refusal)),
                };
                if self.count_malformed(now, key) {
                    self.send_and_close(now, key, to, error, CloseReason::TooManyMalformed)
                } else {
                    self.send_own(now, key, to, error)
                }
            }
            Malformed::TooLarge { actual, max } => {
                let refusal = Refusal::new(
                    ErrorCode::MessageTooLarge,
                    format!("a message of {actual} bytes is larger than {max}"),
                    "Send less in one message.",
                );
                let error = Reply::Error(Box::new(refusal.with(Details::Size { actual, max })));
                let error =
                    Body::Reply { correlation: None, trace_id: None, reply: Box::new(error) };
                self.send_and_close(now, key, to, error, CloseReason::MessageTooLarge);
            }
        }
    }

    /// Counts a malformed frame, and returns whether it is one too many within a minute.
    fn count_malformed(&mut self, now: Timestamp, key: SessionKey) -> bool {
        const WINDOW: std::time::Duration = std::time::Duration::from_secs(60);
        let max = self.config.malformed_per_minute_max as usize;
        let Some(session) = self.sessions.open_mut(key) else { return false };
        while session.malformed.front().is_some_and(|at| now.since(*at) >= WINDOW) {
            session.malformed.pop_front();
        }
        session.malformed.push_back(now);
        session.malformed.len() >= max
    }
}
