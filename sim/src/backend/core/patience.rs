//! Sessions that need time by messages: whose hub:connect was refused, and whose message is still on
//! its way.

use signal_hub::hub::{CloseCause, Input, SessionKey};
use signal_hub::protocol::{CloseReason, FrameMeter};

use super::agenda::Event;
use super::session::{Answer, Parts, Phase, ServerEnd};
use super::world::World;
use crate::net::{ConnectionId, End};

impl World {
    pub(super) fn time_close(&mut self, id: ConnectionId) {
        let close_timeout = self.scenario.hub.close_timeout;
        let close_due = self.now.saturating_add(close_timeout);
        if let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) {
            session.close_due = close_due;
        }
        self.plan(close_timeout, Event::HubCloseTimeout(id));
        self.network.wake(id, End::Server);
    }

    /// The hub refused the hub:connect: what is queued says so, and the close can wait.
    pub(super) fn let_go(&mut self, key: SessionKey, reason: CloseReason) {
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if session.phase == Phase::Talking {
            session.phase = Phase::LettingGo(reason);
            self.time_close(id);
        }
    }

    pub(super) fn begin_to_linger(&mut self, id: ConnectionId, key: SessionKey) {
        let Some(server) = &mut self.server else { return };
        let stopping = server.stopping;
        let Some(session) = server.session(id) else { return };
        let Phase::LettingGo(reason) = session.phase else { return };
        session.phase = Phase::Lingering(reason);
        self.handle(Input::Closed(key, CloseCause::Hub));
        match stopping {
            true => self.close_refused(id, reason, Answer::Came),
            false => {
                self.plan(self.scenario.hub.refusal_linger, Event::LingerTimeout(id));
                self.network.wake(id, End::Server);
            }
        }
    }

    pub(super) fn close_refused(&mut self, id: ConnectionId, reason: CloseReason, answer: Answer) {
        if let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) {
            session.phase = Phase::Closing { reason, said: false, answer, told: true };
            self.time_close(id);
        }
    }

    pub(super) fn linger_timeout(&mut self, id: ConnectionId) {
        let session = self.server.as_mut().and_then(|server| server.session(id));
        if let Some(Phase::Lingering(reason)) = session.map(|session| session.phase) {
            self.close_refused(id, reason, Answer::Awaited);
        }
    }

    pub(super) fn lingering(&self) -> Vec<(ConnectionId, CloseReason)> {
        let ends = self.server.iter().flat_map(|server| &server.ends);
        ends.filter_map(|(id, end)| match end {
            ServerEnd::Session(session) => match session.phase {
                Phase::Lingering(reason) => Some((*id, reason)),
                Phase::Talking | Phase::LettingGo(_) | Phase::Closing { .. } | Phase::Parting => {
                    None
                }
            },
            ServerEnd::Shaking => None,
        })
        .collect()
    }

    /// Bytes of a message that is on its way, as the server's session takes them.
    pub(super) fn hear_part(&mut self, id: ConnectionId, key: SessionKey, first: bool, of: usize) {
        let now = self.now;
        let pause = (self.scenario.hub.ping_interval / 4).min(FrameMeter::patience(of as u64));
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return;
        };
        let parts = &mut session.parts;
        if first {
            *parts = Parts { told_at: None, began: Some(now) };
        }
        let lasted = now.saturating_sub(parts.began.unwrap_or(now));
        let patient = lasted <= FrameMeter::patience(of as u64);
        if patient && parts.told_at.is_none_or(|at| now.saturating_sub(at) >= pause) {
            parts.told_at = Some(now);
            self.handle(Input::Alive(key));
        }
    }
}
