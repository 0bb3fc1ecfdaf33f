//! From one attempt to the next: connect, greet, stay alive, lose, pause, end.

use std::time::Duration;

use super::registration::refusal_in;
use super::{ClientState, Output, Owner, Phase, Purpose, Session};
use crate::client::{ClientError, CommandId, DisconnectReason, Ending, Event, NoToken, Outcome};
use crate::protocol::framing::FrameMeter;
use crate::protocol::{
    CloseReason, Connect, Connected, Disconnect, Heartbeat, Json, PROTOCOL_VERSION, Reply,
    SessionId, Verb,
};
use crate::time::Timestamp;

/// The least time between two heartbeats, whatever interval the hub asks for.
const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The least pause between an attempt that failed and the next one.
const PAUSE_MIN: Duration = Duration::from_millis(1);

impl ClientState {
    pub(super) fn connect(&mut self, now: Timestamp) {
        if !self.needs_token(now) {
            return self.dial(now);
        }
        self.phase = Phase::Authorizing;
        self.deadlines.set(Owner::Phase, now + self.config.connect_timeout);
        self.outputs.push(Output::RequestToken);
    }

    pub(super) fn dial(&mut self, now: Timestamp) {
        self.phase = Phase::Connecting;
        self.deadlines.set(Owner::Phase, now + self.config.connect_timeout);
        self.outputs.push(Output::Connect);
    }

    pub(super) fn opened(&mut self, now: Timestamp) {
        if !matches!(self.phase, Phase::Connecting) {
            return;
        }
        self.phase = Phase::Greeting;
        self.deadlines.clear(&Owner::Phase);
        let from = self.first_address();
        let connect = Connect {
            protocol_version: PROTOCOL_VERSION.to_owned(),
            capabilities: self.config.capabilities.clone(),
            auth_token: self.config.auth_token.clone(),
            client_metadata: self.config.client_metadata.clone(),
        };
        self.ask_hub(now, from, Verb::Connect(connect), Purpose::Connect);
    }

    pub(super) fn greeted(&mut self, now: Timestamp, hub_now: Timestamp, reply: Reply) {
        match reply {
            Reply::Connected(connected) => {
                let expires_at = connected.token_expires_at;
                self.connected(now, connected);
                self.token_accepted(now, hub_now, expires_at);
            }
            other => self.abandon(now, DisconnectReason::Refused(refusal_in(&other))),
        }
    }

    fn connected(&mut self, now: Timestamp, connected: Connected) {
        let heartbeat_interval =
            Duration::from_millis(connected.heartbeat_interval).max(HEARTBEAT_INTERVAL_MIN);
        let silence_timeout =
            self.config.silence_timeout.unwrap_or(heartbeat_interval.saturating_mul(5) / 2);
        let session = Session {
            id: connected.session_id,
            heartbeat_interval,
            max_message_size: connected.max_message_size,
            supports_recovery: connected.capabilities.supports_recovery,
            silence_timeout,
            heard: now,
            part_began: now,
            settled: self.actors.is_empty().then_some(now),
            is_paused: false,
        };
        self.phase = Phase::Connected(session);
        self.deadlines.set(Owner::Heartbeat, now + heartbeat_interval);
        self.deadlines.set(Owner::Silence, now + silence_timeout);
        self.emit(Event::Connected {
            session: connected.session_id,
            identity: connected.actor_identity,
        });
        for address in self.actors.addresses() {
            self.register(now, &address);
        }
        self.session_open(now);
    }

    pub(super) fn heartbeat(&mut self, now: Timestamp) {
        let Phase::Connected(session) = &self.phase else { return };
        self.deadlines.set(Owner::Heartbeat, now + session.heartbeat_interval);
        let from = self.first_address();
        let timestamp = Json::from(serde_json::Value::from(now.as_millis()));
        self.ask_hub(now, from, Verb::Heartbeat(Heartbeat { timestamp }), Purpose::Heartbeat);
    }

    pub(super) fn heard(&mut self, now: Timestamp) {
        if let Phase::Connected(session) = &mut self.phase {
            session.heard = now;
        }
    }

    /// A frame that comes too slowly is no sign of life: it is whole within its patience and the
    /// silence timeout, or never.
    pub(super) fn part(&mut self, now: Timestamp, first: bool, declared: u64) {
        let Phase::Connected(session) = &mut self.phase else { return };
        if first {
            session.part_began = now;
        }
        if now <= session.part_began + FrameMeter::patience(declared) {
            session.heard = now;
        }
    }

    pub(super) fn silence_expired(&mut self, now: Timestamp) {
        let Phase::Connected(session) = &self.phase else { return };
        let at = session.heard + session.silence_timeout;
        if at > now {
            self.deadlines.set(Owner::Silence, at);
        } else {
            self.abandon(now, DisconnectReason::Silent);
        }
    }

    /// Says goodbye; the hub's acknowledgement and its close frame follow.
    pub(super) fn disconnect(&mut self, now: Timestamp, id: CommandId, reason: Option<String>) {
        let Phase::Connected(session) = &self.phase else {
            self.resolve(id, Ok(Outcome::Disconnected { acknowledged: false }));
            self.close_transport();
            return self.end(Ending::Requested);
        };
        let session = session.id;
        let from = self.first_address();
        let purpose = Purpose::Disconnect(id);
        self.ask_hub(now, from, Verb::Disconnect(Disconnect { reason }), purpose);
        self.await_close(now, session, Ending::Requested);
    }

    /// The session is over for good; only the hub's close frame is still to come.
    pub(super) fn await_close(&mut self, now: Timestamp, session: SessionId, why: Ending) {
        self.phase = Phase::Closing { session, why };
        self.actors.connection_lost();
        self.deadlines.clear(&Owner::Heartbeat);
        self.deadlines.clear(&Owner::Silence);
        self.deadlines.set(Owner::Phase, now + self.config.disconnect_timeout);
    }

    pub(super) fn phase_expired(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Pausing => self.connect(now),
            Phase::Authorizing => {
                let why = "the token's source does not answer".to_owned();
                self.lost(now, DisconnectReason::NoToken(NoToken::Unavailable(why)));
            }
            Phase::Connecting | Phase::Closing { .. } => {
                self.abandon(now, DisconnectReason::NoAnswer)
            }
            Phase::New | Phase::Greeting | Phase::Connected(_) | Phase::Ended(_) => {}
        }
    }

    /// Gives the transport up before the hub does.
    pub(super) fn abandon(&mut self, now: Timestamp, why: DisconnectReason) {
        self.close_transport();
        self.lost(now, why);
    }

    pub(super) fn lost(&mut self, now: Timestamp, why: DisconnectReason) {
        if matches!(self.phase, Phase::New | Phase::Pausing | Phase::Ended(_)) {
            return;
        }
        let ending = self.ending_after(&why);
        let was_paused = matches!(&self.phase, Phase::Connected(session) if session.is_paused);
        let (session, ending) = match &self.phase {
            Phase::New | Phase::Pausing | Phase::Ended(_) => return,
            Phase::Authorizing | Phase::Connecting | Phase::Greeting => (None, ending),
            Phase::Connected(session) => {
                let lasted = session.settled.map(|settled| now.since(settled));
                if lasted >= Some(self.config.backoff_reset_after) {
                    self.failures = 0;
                }
                (Some(session.id), ending)
            }
            Phase::Closing { session, why } => (Some(*session), Some(*why)),
        };
        self.deadlines.clear_connection();
        self.actors.connection_lost();
        self.fail_asks(&ClientError::ConnectionLost);
        let retry_in = ending.is_none().then(|| self.pause(now));
        self.emit(match session {
            Some(session) => Event::Disconnected { session, why, retry_in },
            None => Event::ConnectFailed { why, retry_in },
        });
        if was_paused {
            self.emit(Event::Resumed);
        }
        if let Some(why) = ending {
            self.end(why);
        }
    }

    fn pause(&mut self, now: Timestamp) -> Duration {
        let pause = self.backoff(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Pausing;
        self.deadlines.set(Owner::Phase, now + pause);
        pause
    }

    /// The pause after `failures`: it doubles up to its bound, then jitter takes up to half.
    fn backoff(&mut self, failures: u32) -> Duration {
        self.doubled(self.config.backoff_min, failures)
    }

    /// The pause before asking again for what the hub refused for now, after `refusals` earlier
    /// ones: as above, but never shorter than the hub says.
    pub(super) fn retry_pause(&mut self, asked: Option<Duration>, refusals: u32) -> Duration {
        match asked {
            Some(asked) => self.doubled(asked.max(PAUSE_MIN), refusals).max(asked),
            None => self.backoff(refusals),
        }
    }

    fn doubled(&mut self, pause: Duration, times: u32) -> Duration {
        let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        let most = pause.saturating_mul(factor).min(self.config.backoff_max);
        self.dice.jitter(most).max(PAUSE_MIN)
    }

    pub(super) fn stop(&mut self) {
        self.close_transport();
        self.end(Ending::Stopped);
    }

    fn close_transport(&mut self) {
        match self.phase {
            Phase::New | Phase::Authorizing | Phase::Pausing | Phase::Ended(_) => {}
            Phase::Connecting | Phase::Greeting | Phase::Connected(_) | Phase::Closing { .. } => {
                self.outputs.push(Output::CloseTransport);
            }
        }
    }

    fn end(&mut self, why: Ending) {
        self.fail_asks(&ClientError::Ended);
        self.fail_all_waiting(&ClientError::Ended);
        self.deadlines.clear_connection();
        self.phase = Phase::Ended(why);
        self.emit(Event::Ended { why });
    }
}

/// Why a client must not come back after `why`, if it must not (protocol, section 3).
pub(super) fn ending_of(why: &DisconnectReason) -> Option<Ending> {
    match why {
        DisconnectReason::Closed { code, .. } => ending_of_close((*code)?),
        // The close frame would say the same, but may not have come.
        DisconnectReason::Refused(refusal) => ending_of_close(refusal.code.closes_connect().code()),
        DisconnectReason::NoToken(NoToken::Denied(_)) => Some(Ending::Unauthorized),
        DisconnectReason::NoToken(NoToken::Unavailable(_))
        | DisconnectReason::ConnectFailed(_)
        | DisconnectReason::Broken(_)
        | DisconnectReason::Silent
        | DisconnectReason::NoAnswer
        | DisconnectReason::Dropped => None,
    }
}

/// Returns whether something that was written is larger than the hub takes.
pub(super) fn is_too_large(why: &DisconnectReason) -> bool {
    const MESSAGE_TOO_LARGE: u16 = CloseReason::MessageTooLarge.code();
    matches!(why, DisconnectReason::Closed { code: Some(MESSAGE_TOO_LARGE), .. })
}

fn ending_of_close(code: u16) -> Option<Ending> {
    const UNAUTHORIZED: u16 = CloseReason::Unauthorized.code();
    const VERSION_MISMATCH: u16 = CloseReason::VersionMismatch.code();
    const DUPLICATE_CONNECTION: u16 = CloseReason::DuplicateConnection.code();
    const TOO_MANY_MALFORMED: u16 = CloseReason::TooManyMalformed.code();
    match code {
        UNAUTHORIZED => Some(Ending::Unauthorized),
        VERSION_MISMATCH => Some(Ending::VersionMismatch),
        DUPLICATE_CONNECTION => Some(Ending::DuplicateConnection),
        TOO_MANY_MALFORMED => Some(Ending::TooManyMalformed),
        _ => None,
    }
}
