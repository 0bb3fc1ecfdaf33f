//! A session at the hub by messages: the state that the server's shell drives, on the network that
//! carries messages.

use std::time::Duration;

use signal_hub::hub::{Input, SessionKey};
use signal_hub::protocol::Malformed;
use signal_hub::runtime::Alarm;
use signal_hub::server::{Heard, Next, Reads, SessionState, Write};

use super::agenda::Event;
use super::network::{Messages, Read, Sending, Unsent};
use super::websocket::Message;
use super::world::World;
use crate::net::{ConnectionId, End};

pub(super) enum ServerEnd {
    /// There may be a WebSocket soon.
    Shaking,
    Session(Box<Session>),
}

pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) state: SessionState,
    /// What the codec holds: as with bytes, it leaves when the state says so.
    encoded: Unsent,
    /// The hub's last message for it is decided.
    pub(super) is_closing: bool,
    /// It got something since the last write.
    pub(super) is_dirty: bool,
    /// The hub was told that it is over.
    told: bool,
    /// Messages that came in parts.
    parts: u64,
    alarm: Alarm<Duration, Duration>,
}

impl Session {
    /// A session whose upgrade is being answered.
    pub(super) fn new(key: SessionKey, state: SessionState) -> Self {
        let mut encoded = Unsent::default();
        encoded.push(Message::Upgraded);
        Self {
            key,
            state,
            encoded,
            is_closing: false,
            is_dirty: false,
            told: false,
            parts: 0,
            alarm: Alarm::default(),
        }
    }

    fn heard(&mut self, read: Read) -> Heard {
        match read {
            Read::Data(Message::Said(Err(Malformed::TooLarge { actual, max }))) => {
                Heard::TooLarge { actual, max }
            }
            Read::Data(Message::Said(frame)) => Heard::Frame(frame),
            Read::Data(Message::Ping) => Heard::Ping,
            Read::Data(Message::Pong) => Heard::Pong,
            Read::Data(Message::Part { first, of }) => {
                self.parts += u64::from(first);
                Heard::Part { message: self.parts, declared: of as u64 }
            }
            Read::Data(Message::Close(_)) => Heard::Close,
            Read::Ended | Read::Failed(_) => Heard::Lost,
            Read::Nothing | Read::Data(Message::Upgrade | Message::Upgraded | Message::Sent(_)) => {
                unreachable!("a client sends frames once it has a WebSocket")
            }
        }
    }
}

impl World {
    /// Does all that the session can do now.
    pub(super) fn drive_session(&mut self, id: ConnectionId) {
        loop {
            // As in the session's task: a stream that takes no more is not read, and the hub is told all
            // that came before its answers are written.
            let mut is_done = !self.write_session(id);
            while self.read_session(id) {
                is_done = false;
            }
            let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
                return;
            };
            if let (Some(cause), false) = (session.state.closed(), session.told) {
                session.told = true;
                let key = session.key;
                self.tell_hub(Input::Closed(key, cause));
            } else if session.state.is_over() {
                return self.drop_server_end(id);
            } else if is_done {
                return self.set_session_alarm(id);
            }
        }
    }

    /// Reads on; returns whether anything was read.
    fn read_session(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return false;
        };
        if session.state.reads() == Reads::Nothing {
            return false;
        }
        let read = self.network.read(now, id, End::Server);
        if matches!(read, Read::Nothing) {
            return false;
        }
        let heard = match session.heard(read) {
            Heard::Frame(frame) => Heard::Frame(frame.map(|frame| self.dated_for_hub(frame))),
            heard => heard,
        };
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return false;
        };
        // The codec answers the first close frame.
        if matches!(heard, Heard::Close) && !session.is_closing {
            session.encoded.push(Message::Close(None));
        }
        if let Some(told) = session.state.hear(now, heard) {
            self.tell_hub(told);
        }
        true
    }

    /// As the server's owner does: writes what it can, and returns what has left; the session sees to the rest.
    pub(super) fn write_as_owner(&mut self, id: ConnectionId) -> Option<Input> {
        let reads = self.server.as_mut()?.session(id)?.state.reads();
        while self.write_on(id) {}
        let session = self.server.as_mut()?.session(id)?;
        session.is_dirty = false;
        let (told, has_rest) = session.state.report_to_owner(reads);
        if has_rest {
            self.network.wake(id, End::Server);
        }
        self.set_session_alarm(id);
        told
    }

    /// Tells what has left, or writes on; returns whether anything was done.
    fn write_session(&mut self, id: ConnectionId) -> bool {
        let (now, Some(server)) = (self.now, &mut self.server) else { return false };
        let is_stopping = server.stopping;
        let Some(session) = server.session(id) else { return false };
        if is_stopping {
            session.state.give_way(now);
        }
        if let Some(told) = session.state.report() {
            self.tell_hub(told);
            return true;
        }
        self.write_on(id)
    }

    fn write_on(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(clock) = self.read_hub_clock().map(|(clock, _)| clock.timestamp()) else {
            return false;
        };
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return false;
        };
        let next = loop {
            match session.state.next(now, || clock) {
                Next::Write(write) => session.encoded.push(match write {
                    Write::Message(message) => Message::Sent(message),
                    Write::Ping => Message::Ping,
                    Write::Close(reason) => Message::Close(Some(reason)),
                }),
                next => break next,
            }
        };
        match self.network.send(now, id, End::Server, &mut session.encoded) {
            Sending::Sent => {}
            Sending::Full => return false,
            Sending::Broken => {
                session.encoded = Unsent::default();
                session.state.cannot_write();
                return true;
            }
        }
        match next {
            Next::Flush => session.state.flushed(),
            Next::End => session.state.ended(),
            Next::Write(_) | Next::Wait => return false,
        }
        true
    }

    fn set_session_alarm(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return;
        };
        let deadline = Some(session.state.next_deadline()).filter(|at| *at < Duration::MAX);
        session.alarm.set(deadline, |at| {
            self.agenda.plan(at.max(now), Event::SessionAlarm(id));
            at
        });
    }

    pub(super) fn session_alarm(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return;
        };
        // An earlier alarm may have taken its place.
        session.alarm.rings(|at| *at <= now);
        if now >= session.state.next_deadline()
            && let Some(told) = session.state.tick(now)
        {
            self.tell_hub(told);
        }
        self.drive_session(id);
    }
}
