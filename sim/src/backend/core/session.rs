//! A session at the hub by messages: what is queued for it, and how that is written.

use std::collections::VecDeque;
use std::time::Duration;

use signal_hub::hub::{CloseCause, Expired, Input, SessionKey, Written};
use signal_hub::protocol::{Body, CloseReason, Outgoing};
use signal_hub::server::Limits;
use signal_hub::time::Timestamp;

use super::agenda::Event;
use super::message::Message;
use super::network::Sending;
use super::server::Step;
use super::world::World;
use crate::net::{ConnectionId, End};

pub(super) enum ServerEnd {
    /// There may be a WebSocket soon.
    Shaking,
    Session(Box<Session>),
}

pub(super) struct Session {
    pub(super) key: SessionKey,
    /// What the hub sent and the writer has not taken.
    pub(super) outbox: VecDeque<Outgoing>,
    /// What the writer has taken and the network has not.
    pub(super) staged: VecDeque<Message>,
    /// To be reported once nothing is staged.
    pub(super) report: Option<Written>,
    pub(super) ping_due: bool,
    pub(super) phase: Phase,
    /// When its close handshake has lasted too long.
    pub(super) close_due: Duration,
    /// The message in the making whose bytes count as signs of life, and for how long they did.
    pub(super) parts: Parts,
}

/// As in the server's session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) told_at: Option<Duration>,
    pub(super) began: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Talking,
    /// Its hub:connect was refused, and it is being told so.
    LettingGo(CloseReason),
    /// It was told so, and the hub that the session is gone.
    Lingering(CloseReason),
    /// The hub closes it: whether its close frame is staged, what came of the peer, and whether the
    /// hub believes that the session is gone.
    Closing {
        reason: CloseReason,
        said: bool,
        answer: Answer,
        told: bool,
    },
    /// The client closed it: the answer to its close frame is staged, then the stream ends.
    Parting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Awaited,
    /// The peer's close frame, or the end of its stream.
    Came,
}

impl World {
    pub(super) fn write_as_server(&mut self, id: ConnectionId) {
        loop {
            let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
                return;
            };
            if let Some(message) = session.staged.pop_front() {
                match self.network.send(self.now, id, End::Server, message) {
                    Sending::Sent => {}
                    Sending::Full(message) => return session.staged.push_front(message),
                    Sending::Broken => return self.cannot_write(id),
                }
            } else if let Some(written) = session.report.take() {
                let key = session.key;
                self.handle(Input::Drained(key, written));
            } else if let Step::Stop = self.stage_next(id) {
                return;
            }
        }
    }

    /// Stages what is to be written next, or ends what has nothing left to write.
    fn stage_next(&mut self, id: ConnectionId) -> Step {
        let now = self.read_hub_clock().map(|(clock, _)| clock.timestamp());
        let (Some(now), Some(server)) = (now, &mut self.server) else { return Step::Stop };
        let Some(session) = server.session(id) else { return Step::Stop };
        let key = session.key;
        match &mut session.phase {
            Phase::Parting => {
                self.drop_server_end(id);
                return Step::Stop;
            }
            Phase::Closing { said: true, answer, .. } => {
                if *answer == Answer::Came {
                    self.end_session(id, key, CloseCause::Hub);
                }
                return Step::Stop;
            }
            Phase::LettingGo(_) if session.outbox.is_empty() => {
                self.begin_to_linger(id, key);
                return Step::Stop;
            }
            Phase::Lingering(_) => return Step::Stop,
            Phase::Closing { reason, said, .. } if session.outbox.is_empty() => {
                *said = true;
                session.staged.push_back(Message::Close(Some(*reason)));
            }
            Phase::Talking | Phase::LettingGo(_) | Phase::Closing { .. } if session.ping_due => {
                session.ping_due = false;
                session.staged.push_back(Message::Ping);
                self.plan(self.scenario.hub.ping_interval, Event::PingDue(id));
            }
            Phase::Talking | Phase::Closing { .. } if session.outbox.is_empty() => {
                return Step::Stop;
            }
            Phase::Talking | Phase::LettingGo(_) | Phase::Closing { .. } => {
                session.stage_batch(now, &self.limits);
            }
        }
        Step::Go
    }

    /// The stream takes no more: whoever talks is lost, whoever closes waits for the peer.
    fn cannot_write(&mut self, id: ConnectionId) {
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return;
        };
        let key = session.key;
        session.staged.clear();
        match &mut session.phase {
            Phase::Talking => self.end_session(id, key, CloseCause::Lost),
            Phase::LettingGo(_) => self.end_session(id, key, CloseCause::Hub),
            Phase::Lingering(_) => self.drop_server_end(id),
            Phase::Parting => self.drop_server_end(id),
            Phase::Closing { said, answer, .. } => {
                *said = true;
                session.outbox.clear();
                session.report = None;
                if *answer == Answer::Came {
                    self.end_session(id, key, CloseCause::Hub);
                }
            }
        }
    }
}

impl Session {
    /// Takes what is queued, up to a bound. What nobody wants any more is left out.
    fn stage_batch(&mut self, now: Timestamp, limits: &Limits) {
        let mut written = Written::default();
        while let Some(message) = self.outbox.pop_front() {
            written.messages += 1;
            written.bytes += message.weight();
            match &message.body {
                Body::Delivery(delivery) if message.is_overdue(now) => {
                    let (to, message) = (message.to.clone(), delivery.origin.clone());
                    written.expired.push(Expired { to, message });
                }
                Body::Delivery(_) | Body::Pong | Body::Reply { .. } | Body::Notice(_) => {
                    self.staged.push_back(Message::Sent(message));
                }
            }
            if written.messages >= limits.batch_messages_max
                || written.bytes >= limits.batch_bytes_max
            {
                break;
            }
        }
        self.report = Some(written);
    }
}
