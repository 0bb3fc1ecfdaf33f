//! What the hub does with each frame (protocol, sections 2 to 6).

use std::collections::BTreeMap;
use std::time::Duration;

use signal_hub::hub::SessionKey;
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, CloseReason, Connect, Connected, Details, Disconnected,
    ErrorCode, HeartbeatAck, HubCapabilities, Malformed, Metrics, PROTOCOL_VERSION, Pattern,
    QueueStats, Refusal, Reply, Request, SessionId, Verb,
};
use signal_hub::time::Timestamp;
use uuid::Uuid;

use super::speaking::answer;
use super::{Model, Outcome};

/// What is paid for apart.
#[derive(Clone, Copy)]
enum Bucket {
    Requests,
    Pings,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Model {
    pub(super) fn frame(&mut self, key: SessionKey, frame: &Result<ClientFrame, Malformed>) {
        self.figures.received += 1;
        self.alive(key);
        if !self.sessions.contains_key(&key) {
            return;
        }
        match frame {
            Ok(ClientFrame::Ping) => {
                if self.check_bucket(key, Bucket::Pings).is_ok() {
                    self.pay(key, Bucket::Pings, 1);
                    self.send_own(key, self.reply_address(key), Body::Pong);
                }
            }
            Ok(ClientFrame::Request(request)) => self.request(key, request),
            Err(malformed) => self.malformed(key, malformed),
        }
    }

    fn malformed(&mut self, key: SessionKey, malformed: &Malformed) {
        self.figures.errors += 1;
        let (now, to) = (self.now, self.reply_address(key));
        let session = self.sessions.get_mut(&key).expect("frames come from open sessions");
        let (correlation, error, close) = match malformed {
            Malformed::TooLarge { actual, max } => {
                let details = Details::Size { actual: *actual, max: *max };
                let error = refusal(ErrorCode::MessageTooLarge).with(details);
                (None, error, Some(CloseReason::MessageTooLarge))
            }
            Malformed::Frame { id, refusal } => {
                session.malformed.retain(|at| now.since(*at) < MINUTE);
                session.malformed.push(now);
                let many = session.malformed.len() >= self.config.malformed_per_minute_max as usize;
                (id.clone(), wordless(refusal), many.then_some(CloseReason::TooManyMalformed))
            }
        };
        let body = Body::Reply {
            correlation,
            trace_id: None,
            reply: Box::new(Reply::Error(Box::new(error))),
        };
        match close {
            Some(why) => self.send_and_close(key, to, body, why),
            None => self.send_own(key, to, body),
        }
    }

    fn request(&mut self, key: SessionKey, request: &Request) {
        let session = self.sessions.get_mut(&key).expect("frames come from open sessions");
        session.claimed = Some(request.from.clone());
        let bucket = match request.type_name.as_ref() {
            "hub:connect" | "hub:disconnect" => None,
            "hub:heartbeat" => Some(Bucket::Pings),
            _ => Some(Bucket::Requests),
        };
        if let Some(Err(refusal)) = bucket.map(|bucket| self.check_bucket(key, bucket)) {
            return self.refuse_rate_limited(key, request, refusal);
        }
        (self.copies, self.scanned) = (0, 0);
        let answer = self.answer(key, request);
        let expired =
            answer.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::MessageExpired);
        self.copies += usize::from(expired);
        let comes_back = match &answer {
            Ok(Reply::Registered(told)) => Some(told.actor_address.clone()),
            Ok(Reply::Recovered(told)) => Some(told.actor_address.clone()),
            _ => None,
        };
        match answer {
            Ok(reply @ Reply::Disconnected(_)) => {
                self.reply_last(key, request, reply, CloseReason::ClientDisconnect);
            }
            Ok(reply @ Reply::HeartbeatAck(_)) => self.reply(key, request, reply),
            Ok(reply) => match request.pattern {
                Pattern::Ask => self.reply(key, request, reply),
                Pattern::Tell => {}
            },
            Err(refusal) => self.refuse(key, request, refusal),
        }
        if let Some(address) = comes_back {
            self.replay(&address);
        }
        if let Some(bucket) = bucket {
            self.pay(key, bucket, self.weight(request));
        }
    }

    /// A bucket that takes the burst, from which flows off at the rate what requests weigh. One more
    /// gets in while there is room for a light one.
    fn check_bucket(&self, key: SessionKey, bucket: Bucket) -> Result<(), Refusal> {
        let (rate, burst) = self.limit(bucket);
        if rate == 0 {
            return Ok(());
        }
        let now = rate * u128::from(self.now.as_millis());
        let full_until = self.level(key, bucket).max(now) + 1_000;
        match full_until.saturating_sub(now + 1_000 * burst) {
            0 => Ok(()),
            over => {
                let wait = Duration::from_millis(over.div_ceil(rate) as u64);
                let details = Details::RetryAfter { wait, limit: rate as u64 };
                Err(refusal(ErrorCode::RateLimited).with(details))
            }
        }
    }

    fn pay(&mut self, key: SessionKey, bucket: Bucket, weight: usize) {
        let (rate, _) = self.limit(bucket);
        let now = rate * u128::from(self.now.as_millis());
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let level = match bucket {
            Bucket::Requests => &mut session.requests,
            Bucket::Pings => &mut session.pings,
        };
        *level = (*level).max(now) + 1_000 * weight as u128;
    }

    fn level(&self, key: SessionKey, bucket: Bucket) -> u128 {
        match bucket {
            Bucket::Requests => self.sessions[&key].requests,
            Bucket::Pings => self.sessions[&key].pings,
        }
    }

    /// How much flows off in a second, and how much has room.
    fn limit(&self, bucket: Bucket) -> (u128, u128) {
        let config = &self.config;
        let (rate, burst) = match bucket {
            _ if config.rate_limit_per_second == 0 => (0, 1),
            Bucket::Requests => (config.rate_limit_per_second, config.rate_limit_burst),
            Bucket::Pings => (config.ping_limit_per_second, config.ping_limit_burst),
        };
        (rate.into(), burst.max(1).into())
    }

    /// What a request weighs by its bytes, and by those whom it was meant for or who were looked at.
    fn weight(&self, request: &Request) -> usize {
        let by = |amount: usize, unit: usize| amount.checked_div(unit).unwrap_or(0);
        let rows = self.copies + self.scanned;
        let config = &self.config;
        1 + by(request.frame_bytes.0, config.rate_limit_bytes) + by(rows, config.rate_limit_rows)
    }

    /// Of tells that come too fast one a second is answered.
    fn refuse_rate_limited(&mut self, key: SessionKey, request: &Request, refusal: Refusal) {
        self.refuse(key, request, refusal.clone());
        let now = self.now;
        if let (Pattern::Tell, Some(session)) = (request.pattern, self.sessions.get_mut(&key))
            && session.scolded.is_none_or(|at| now.since(at) >= Duration::from_secs(1))
        {
            session.scolded = Some(now);
            self.reply(key, request, Reply::Error(Box::new(refusal)));
        }
    }

    fn refuse(&mut self, key: SessionKey, request: &Request, refusal: Refusal) {
        self.figures.errors += 1;
        let fails_to_connect = !self.sessions[&key].connected && request.type_name == "hub:connect";
        let (why, error) = (refusal.code.closes_connect(), Reply::Error(Box::new(refusal)));
        match (request.pattern, fails_to_connect) {
            (Pattern::Ask, true) if self.config.refusal_linger.is_zero() => {
                self.reply_last(key, request, error, why);
            }
            (Pattern::Ask, true) => self.let_go(key, request, error, why),
            (Pattern::Ask, false) => self.reply(key, request, error),
            (Pattern::Tell, true) => self.close(key, why),
            (Pattern::Tell, false) => {}
        }
    }

    /// Carries the request out, unless it is the retry of an ask that delivers.
    fn answer(&mut self, key: SessionKey, request: &Request) -> Result<Reply, Refusal> {
        if self.sessions[&key].connected == (request.type_name == "hub:connect") {
            return Err(unauthorized());
        }
        let verb = request.verb.as_ref().map_err(wordless)?;
        let delivers = matches!(verb, Verb::Send(_) | Verb::Publish(_) | Verb::Broadcast(_));
        if !delivers || request.pattern == Pattern::Tell || self.config.dedupe_window.is_zero() {
            return self.carry_out(key, request, verb);
        }
        let (now, window) = (self.now, self.config.dedupe_window);
        let from = self.acting_identity(key, request)?;
        self.outcomes.retain(|outcome| now.since(outcome.at) < window);
        let same = |outcome: &&Outcome| {
            (&outcome.from, &outcome.id, &outcome.verb) == (&from, &request.id, verb)
        };
        if let Some(first) = self.outcomes.iter().find(same) {
            return Ok(first.reply.clone());
        }
        let reply = self.carry_out(key, request, verb)?;
        if !matches!(reply, Reply::UnknownActor(_)) {
            self.make_room_for_an_outcome_of(&from);
            let (id, verb) = (request.id.clone(), verb.clone());
            let (principal, reply) = (self.principal(key), reply.clone());
            self.outcomes.push(Outcome { from, principal, id, verb, at: now, reply });
        }
        Ok(reply)
    }

    /// Of who has enough of its own, else, where the hub has enough, of who has most.
    fn make_room_for_an_outcome_of(&mut self, newcomer: &ActorAddress) {
        let mut counts: BTreeMap<ActorAddress, usize> = BTreeMap::new();
        for outcome in &self.outcomes {
            *counts.entry(outcome.from.clone()).or_default() += 1;
        }
        let full = counts
            .get(newcomer)
            .is_some_and(|count| *count >= self.config.dedupe_entries_per_address_max.max(1));
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address);
        let gives_way = if full {
            Some(newcomer.clone())
        } else {
            most.filter(|_| self.outcomes.len() >= self.config.dedupe_entries_max.max(1))
        };
        if let Some(from) = gives_way
            && let Some(oldest) = self.outcomes.iter().position(|outcome| outcome.from == from)
        {
            self.outcomes.remove(oldest);
        }
    }

    fn carry_out(
        &mut self,
        key: SessionKey,
        request: &Request,
        verb: &Verb,
    ) -> Result<Reply, Refusal> {
        match verb {
            Verb::Connect(connect) => self.connect(key, connect),
            Verb::Heartbeat(heartbeat) => {
                let (timestamp, server_time) = (heartbeat.timestamp.clone(), self.now);
                let reply = Reply::HeartbeatAck(HeartbeatAck { timestamp, server_time });
                let echo = self.message(request.from.clone(), answer(request, reply.clone()));
                self.check_length(&echo)?;
                self.heartbeat(key);
                Ok(reply)
            }
            Verb::Disconnect(_) => Ok(Reply::Disconnected(Disconnected { acknowledged: true })),
            Verb::Register(register) => self.register(key, register),
            Verb::Unregister(unregister) => self.unregister(key, request, unregister),
            Verb::Renew(renew) => self.renew(key, request, renew),
            Verb::Recover(recover) => self.recover(key, request, recover),
            Verb::Discover(discover) => Ok(self.discover(key, request, discover)),
            Verb::ListActors(list) => Ok(self.list_actors(key, request, list)),
            Verb::Send(send) => self.send(key, request, send),
            Verb::Broadcast(broadcast) => self.broadcast(key, request, broadcast),
            Verb::Subscribe(subscribe) => self.subscribe(key, request, subscribe),
            Verb::Unsubscribe(unsubscribe) => self.unsubscribe(key, request, unsubscribe),
            Verb::Publish(publish) => self.publish(key, request, publish),
            Verb::QueueStats => Ok(self.queue_stats(key)),
            Verb::Metrics => Ok(self.metrics()),
            Verb::RefreshToken(refresh) => self.refresh_token(key, request, refresh),
        }
    }

    fn connect(&mut self, key: SessionKey, connect: &Connect) -> Result<Reply, Refusal> {
        let major = |version: &str| version.split(['.', '-']).next().map(str::to_owned);
        if major(&connect.protocol_version) != major(PROTOCOL_VERSION) {
            return Err(refusal(ErrorCode::VersionMismatch));
        }
        let grant = self.admit(connect.auth_token.as_ref())?;
        let actor_identity = grant.as_ref().map(|grant| grant.principal.actor.clone());
        let token_expires_at = grant.as_ref().map(|grant| grant.expires_at);
        let session = self.sessions.get_mut(&key).expect("frames come from open sessions");
        (session.connected, session.grant) = (true, grant);
        let nobody = || SessionId::new(Uuid::nil());
        Ok(Reply::Connected(Connected {
            session_id: self.drawn.session.unwrap_or_else(nobody),
            server_version: String::new(),
            server_time: Some(self.now),
            token_expires_at,
            max_message_size: self.config.message_bytes_max,
            heartbeat_interval: self.config.heartbeat_interval.as_millis() as u64,
            capabilities: HubCapabilities {
                max_actors_per_instance: self.config.registrations_max,
                supports_backpressure: true,
                supports_recovery: self.config.recovers(),
                supported_content_types: vec!["application/json".to_owned()],
            },
            actor_identity,
        }))
    }

    /// Who acts: the claimed address if it is the session's own, else, if it is nobody's, the
    /// session's earliest.
    pub(super) fn acting_identity(
        &self,
        key: SessionKey,
        request: &Request,
    ) -> Result<ActorAddress, Refusal> {
        match self.owner(&request.from) {
            Some(owner) if owner == key => Ok(request.from.clone()),
            Some(_) => Err(unauthorized()),
            None => self.sessions[&key].addresses.first().cloned().ok_or_else(unauthorized),
        }
    }

    fn queue_stats(&self, key: SessionKey) -> Reply {
        let session = &self.sessions[&key];
        let last_second = (self.now.as_millis() / 1_000).saturating_sub(1);
        Reply::QueueStats(QueueStats {
            queue_depth: session.messages,
            processing_rate: session.written.get(&last_second).map_or(0, |count| *count as u64),
            pause_threshold: self.config.pause_threshold,
            resume_threshold: self.config.resume_threshold,
        })
    }

    fn metrics(&self) -> Reply {
        let figures = &self.figures;
        Reply::Metrics(Metrics {
            messages_received: figures.received,
            messages_sent: figures.sent,
            errors: figures.errors,
            connections_opened: figures.opened,
            connections_closed: figures.closed,
            window_start: Timestamp::from_millis(60_000 * figures.minute),
            timestamp: self.now,
        })
    }
}

/// A refusal without the words that are for people.
pub fn refusal(code: ErrorCode) -> Refusal {
    Refusal::new(code, "", "")
}

pub fn unauthorized() -> Refusal {
    refusal(ErrorCode::Unauthorized)
}

pub fn wordless(told: &Refusal) -> Refusal {
    refusal(told.code).with(told.details.clone())
}
