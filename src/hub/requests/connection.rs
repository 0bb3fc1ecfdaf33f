//! How sessions begin, live and end. A late input about a session touches only what that session
//! owns at that moment (I4).

use crate::hub::state::Session;
use crate::hub::{
    CloseCause, Deadline, EndReason, ForgetReason, Hub, Output, Peer, Phase, Record, SessionKey,
    Storage, Written,
};
use crate::protocol::{
    ActorAddress, Body, CloseReason, Connect, Connected, DisconnectNotice, Disconnected, Heartbeat,
    HeartbeatAck, HubCapabilities, Notice, Refusal, Reply, SessionId, check_version,
};
use crate::time::Timestamp;

impl Hub {
    pub(in crate::hub) fn opened(&mut self, now: Timestamp, key: SessionKey, peer: Peer) {
        let id = SessionId::new(self.ids.fresh());
        let full = self.sessions.len() >= self.config.sessions_max;
        let lived = self.deadlines.lived(now);
        self.sessions.insert(key, Session::new(id, peer, lived));
        self.counters.sessions_opened += 1;
        self.audit(Record::SessionOpened { session: key, session_id: id, peer: peer.address });
        if self.stopping {
            self.close(now, key, CloseReason::ServerShutdown);
        } else if full {
            self.close(now, key, CloseReason::HubFull);
        } else {
            self.deadlines.arm(Deadline::Connect(key), now + self.config.connect_timeout);
            self.deadlines.arm(Deadline::Idle(key), now + self.config.idle_timeout);
        }
    }

    pub(super) fn connect(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        connect: &Connect,
    ) -> Result<Reply, Refusal> {
        check_version(&connect.protocol_version)?;
        let grant = self.admit(now, connect.auth_token.as_ref())?;
        let actor_identity = grant.as_ref().map(|grant| grant.principal.actor.clone());
        let sub = grant.as_ref().map(|grant| grant.principal.subject.clone());
        let token_expires_at = grant.as_ref().map(|grant| grant.expires_at);
        self.deadlines.disarm(&Deadline::Connect(key));
        if let Some(grant) = &grant {
            self.deadlines.arm(Deadline::Token(key), grant.expires_at);
        }
        let session = self.sessions.open_mut(key).expect("a request comes from an open session");
        session.phase = Phase::Connected;
        session.grant = grant.map(Box::new);
        let session_id = session.id;
        self.audit(Record::SessionConnected { session: key, session_id, sub });
        Ok(Reply::Connected(Connected {
            session_id,
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: Some(now),
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

    pub(super) fn heartbeat(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        heartbeat: &Heartbeat,
    ) -> Reply {
        let lived = self.deadlines.lived(now);
        if let Some(session) = self.sessions.open_mut(key) {
            session.last_heartbeat = lived;
        }
        let timestamp = heartbeat.timestamp.clone();
        Reply::HeartbeatAck(HeartbeatAck { timestamp, server_time: now })
    }

    pub(super) fn disconnect(&self) -> Reply {
        Reply::Disconnected(Disconnected { acknowledged: true })
    }

    pub(in crate::hub) fn alive(&mut self, now: Timestamp, key: SessionKey) {
        let lived = self.deadlines.lived(now);
        if let Some(session) = self.sessions.open_mut(key) {
            session.last_seen = lived;
        }
    }

    /// Signs of life do not move the deadline; when it is due, it moves itself if it finds one. If
    /// the hub was called late, deadlines that were due before the silence was long enough come
    /// first.
    pub(in crate::hub) fn idle(&mut self, now: Timestamp, due: Timestamp, key: SessionKey) {
        let Some(session) = self.sessions.open(key) else { return };
        let silent_until = self.deadlines.passed(session.last_seen + self.config.idle_timeout);
        if silent_until <= due {
            self.close(now, key, CloseReason::IdleTimeout)
        } else {
            self.deadlines.arm(Deadline::Idle(key), silent_until)
        }
    }

    pub(in crate::hub) fn drained(&mut self, now: Timestamp, key: SessionKey, written: Written) {
        self.record_expired(&written.expired);
        let lived = self.deadlines.lived(now);
        let Some(mut session) = self.sessions.open_mut(key) else { return };
        let was_timed = session.queue.is_timed();
        session.queue.drain(now, &written);
        session.queue.note_drained(lived, &self.config);
        if !session.replaying.is_empty() {
            self.replay_more(now, key);
            let Some(still_open) = self.sessions.open_mut(key) else { return };
            session = still_open;
        }
        let is_short = session.queue.messages < self.config.resume_threshold;
        let resumes = is_short && !session.pausing.is_empty();
        if was_timed || session.queue.is_timed() {
            self.time_slow_consumer(key);
        }
        if resumes {
            self.resume_feeders(now, key);
        }
    }

    /// The connection is gone: what the session still owns is detached.
    pub(in crate::hub) fn closed(&mut self, now: Timestamp, key: SessionKey, cause: CloseCause) {
        if self.sessions.open(key).is_some() {
            self.end(now, key, EndReason::Connection(cause));
        }
        if self.sessions.remove(key).is_some() {
            self.counters.sessions_closed += 1;
        }
    }

    /// Closes a session because the hub wants it; the connection's end is reported later.
    pub(in crate::hub) fn close(&mut self, now: Timestamp, key: SessionKey, reason: CloseReason) {
        if self.sessions.open(key).is_none() {
            return;
        }
        self.outputs.push(Output::Close(key, reason));
        self.end(now, key, EndReason::Closed(reason));
    }

    /// The same, but the connection may linger.
    pub(in crate::hub) fn let_go(&mut self, now: Timestamp, key: SessionKey, reason: CloseReason) {
        self.outputs.push(Output::Linger(key, reason));
        self.end(now, key, EndReason::Closed(reason));
    }

    /// From now on the session owns nothing and has nothing queued (I9).
    fn end(&mut self, now: Timestamp, key: SessionKey, why: EndReason) {
        let removed = self.sessions.addresses_of(key);
        for address in &removed {
            match self.forget_reason(why) {
                Some(why) => self.forget(address, why),
                None => self.detach(now, address, key, why),
            }
        }
        self.unpark(key);
        self.deadlines.disarm_session(key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.phase = Phase::Disconnecting;
        session.addresses = Default::default();
        session.replaying.clear();
        session.queue = Default::default();
        session.malformed.clear();
        let session_id = session.id;
        let code = close_code(why);
        self.release(now, key);
        self.audit(Record::SessionClosed { session: key, session_id, code, why, removed });
    }

    pub(in crate::hub) fn shutdown(&mut self, now: Timestamp) {
        self.stopping = true;
        let notice = DisconnectNotice {
            reason: DisconnectNotice::SERVER_SHUTDOWN.to_owned(),
            message: "The hub is shutting down. Connect again later.".to_owned(),
        };
        for key in self.sessions.keys() {
            if self.sessions.open(key).is_none() {
                continue;
            }
            let body = Body::Notice(Notice::Disconnect(notice.clone()));
            let (to, why) = (self.reply_address(key), CloseReason::ServerShutdown);
            self.send_and_close(now, key, to, body, why);
        }
        if self.forgets_at_shutdown() {
            self.forget_detached(ForgetReason::Shutdown);
        }
        self.leave_cluster(now);
    }

    /// Whatever keeps the addresses beyond it, a store or a cluster, lets them come back.
    fn forgets_at_shutdown(&self) -> bool {
        self.storage == Storage::Off && self.cluster.is_none()
    }

    /// Why the addresses of a session that ends like this are forgotten at once; none: they are
    /// detached.
    fn forget_reason(&self, why: EndReason) -> Option<ForgetReason> {
        match why {
            EndReason::Closed(CloseReason::ClientDisconnect) => Some(ForgetReason::Disconnected),
            EndReason::Closed(CloseReason::ServerShutdown) if self.forgets_at_shutdown() => {
                Some(ForgetReason::Shutdown)
            }
            EndReason::Closed(_)
            | EndReason::Connection(_)
            | EndReason::Expired
            | EndReason::TokenNarrowed => None,
        }
    }

    fn forget_detached(&mut self, why: ForgetReason) {
        let detached: Vec<ActorAddress> = self
            .registry
            .iter()
            .filter(|(_, registration)| registration.state.owner().is_none())
            .map(|(address, _)| address.clone())
            .collect();
        for address in detached {
            self.forget(&address, why);
        }
    }
}

/// The close code of an ended session; if the hub did not close it, the one that it would have
/// given.
fn close_code(why: EndReason) -> u16 {
    match why {
        EndReason::Closed(reason) => reason.code(),
        EndReason::Connection(CloseCause::Client | CloseCause::Hub)
        | EndReason::Expired
        | EndReason::TokenNarrowed => 1000,
        EndReason::Connection(CloseCause::Lost) => 1006,
        EndReason::Connection(CloseCause::Protocol) => 1002,
    }
}
