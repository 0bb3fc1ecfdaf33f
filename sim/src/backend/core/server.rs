//! The hub's process by messages: what the server's shell does with the hub and its sessions.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use signal_hub::hub::Sizes as Left;
use signal_hub::hub::{CloseCause, Config, Hub, Ids, Input, LATE_MIN, Output, Peer, SessionKey};
use signal_hub::protocol::{CloseReason, Malformed, Outgoing};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::alarm::Alarm;
use super::message::Message;
use super::network::{HostId, Read};
use super::session::{Answer, Parts, Phase, ServerEnd, Session};
use super::world::World;
use crate::history::{HubEvent, What};
use crate::net::{ConnectionId, End};

/// One life of the hub.
pub struct Server {
    life: u32,
    hub: Hub,
    /// Never goes back, whatever the wall clock does.
    pub(super) now: Timestamp,
    alarm: Alarm,
    pub(super) ends: BTreeMap<ConnectionId, ServerEnd>,
    /// The connection of each session, by its key.
    pub(super) keys: Vec<ConnectionId>,
    closing_all: bool,
    /// Nobody new gets in.
    pub(super) stopping: bool,
    inputs: u64,
    /// Empty; kept for its room.
    outputs: Vec<Output>,
    /// Whoever waits for the last connection to be gone.
    alone: Option<oneshot::Sender<()>>,
}

impl Server {
    pub fn new(life: u32, config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        Self {
            life,
            hub: Hub::new(config, Ids::new(seed)),
            now,
            alarm: Alarm::default(),
            ends: BTreeMap::new(),
            keys: Vec::new(),
            closing_all: false,
            stopping: false,
            inputs: 0,
            outputs: Vec::new(),
            alone: None,
        }
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    /// What is left in the hub.
    pub fn left(&self) -> Left {
        self.hub.sizes()
    }

    pub(super) fn session(&mut self, id: ConnectionId) -> Option<&mut Session> {
        match self.ends.get_mut(&id)? {
            ServerEnd::Session(session) => Some(session),
            ServerEnd::Shaking => None,
        }
    }
}

/// What there is to be read, seen from the server.
pub(super) enum Step {
    Go,
    Stop,
}

impl World {
    /// Something may have arrived for this end, or there is room to write.
    pub(super) fn poll_server(&mut self, id: ConnectionId) {
        if self.server.is_none() || self.hub_paused {
            return;
        }
        let server = self.server.as_mut().expect("it was just there");
        if let std::collections::btree_map::Entry::Vacant(vacant) = server.ends.entry(id) {
            if !self.network.accept(id) {
                return;
            }
            vacant.insert(ServerEnd::Shaking);
            let timeout = self.scenario.hub.connect_timeout;
            self.plan(timeout, Event::HandshakeTimeout(id));
        }
        while let Step::Go = self.read_as_server(id) {}
        self.write_as_server(id);
    }

    fn read_as_server(&mut self, id: ConnectionId) -> Step {
        let Some(end) = self.server.as_mut().and_then(|server| server.ends.get_mut(&id)) else {
            return Step::Stop;
        };
        let phase = match end {
            ServerEnd::Shaking => None,
            ServerEnd::Session(session) => Some((session.key, session.phase)),
        };
        if let Some((
            _,
            Phase::Parting | Phase::LettingGo(_) | Phase::Closing { answer: Answer::Came, .. },
        )) = phase
        {
            return Step::Stop;
        }
        match (phase, self.network.read(self.now, id, End::Server)) {
            (_, Read::Nothing) => Step::Stop,
            (None, Read::Data(Message::Upgrade)) => {
                self.upgrade(id);
                Step::Go
            }
            (None, _) => {
                self.drop_server_end(id);
                Step::Stop
            }
            (Some((key, Phase::Talking)), Read::Data(message)) => self.hear(id, key, message),
            (Some((key, Phase::Talking)), Read::Ended | Read::Failed(_)) => {
                self.end_session(id, key, CloseCause::Lost);
                Step::Stop
            }
            (
                Some((_, Phase::Lingering(reason))),
                Read::Data(Message::Close(_)) | Read::Ended | Read::Failed(_),
            ) => {
                self.close_refused(id, reason, Answer::Came);
                Step::Stop
            }
            (
                Some((_, Phase::Lingering(reason))),
                Read::Data(Message::Said(Err(Malformed::TooLarge { .. }))),
            ) => {
                self.close_refused(id, reason, Answer::Awaited);
                Step::Go
            }
            (Some((_, Phase::Closing { .. })), Read::Data(Message::Close(_)))
            | (Some((_, Phase::Closing { .. })), Read::Ended | Read::Failed(_)) => {
                if let Some(session) = self.server.as_mut().and_then(|server| server.session(id))
                    && let Phase::Closing { answer, .. } = &mut session.phase
                {
                    *answer = Answer::Came;
                }
                Step::Stop
            }
            (
                Some((
                    _,
                    Phase::Closing { .. }
                    | Phase::Parting
                    | Phase::LettingGo(_)
                    | Phase::Lingering(_),
                )),
                _,
            ) => Step::Go,
        }
    }

    fn hear(&mut self, id: ConnectionId, key: SessionKey, message: Message) -> Step {
        match message {
            Message::Said(frame) => self.handle(Input::Frame(key, frame)),
            Message::Ping | Message::Pong => self.handle(Input::Alive(key)),
            Message::Part { first, of } => self.hear_part(id, key, first, of),
            Message::Close(_) => {
                let close_due = self.now.saturating_add(self.scenario.hub.close_timeout);
                if let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) {
                    session.phase = Phase::Parting;
                    session.close_due = close_due;
                    session.outbox.clear();
                    session.report = None;
                    session.staged.push_back(Message::Close(None));
                }
                self.plan(self.scenario.hub.close_timeout, Event::HubCloseTimeout(id));
                self.handle(Input::Closed(key, CloseCause::Client));
                return Step::Stop;
            }
            Message::Upgrade | Message::Upgraded | Message::Sent(_) => {
                unreachable!("a client sends frames once it has a WebSocket")
            }
        }
        Step::Go
    }

    fn upgrade(&mut self, id: ConnectionId) {
        let Some(server) = &mut self.server else { return };
        let key = SessionKey(server.keys.len() as u64);
        server.keys.push(id);
        let session = Session {
            key,
            outbox: VecDeque::new(),
            staged: VecDeque::from([Message::Upgraded]),
            report: None,
            ping_due: false,
            phase: Phase::Talking,
            close_due: Duration::ZERO,
            parts: Parts::default(),
        };
        server.ends.insert(id, ServerEnd::Session(Box::new(session)));
        let closing_all = server.closing_all;
        self.plan(self.scenario.hub.ping_interval, Event::PingDue(id));
        let client = self.network.place(id, End::Client);
        let host = client.map_or(HostId::HUB, |client| client.host);
        let address = SocketAddr::new(host.address(), 49152);
        self.handle(Input::Opened(key, Peer { address }));
        if closing_all {
            self.close(key, CloseReason::ServerShutdown);
        }
    }

    /// The hub closes a session behind what is queued.
    fn close(&mut self, key: SessionKey, reason: CloseReason) {
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if session.phase != Phase::Talking {
            return;
        }
        let (said, answer, told) = (false, Answer::Awaited, false);
        session.phase = Phase::Closing { reason, said, answer, told };
        self.time_close(id);
    }

    pub(super) fn end_session(&mut self, id: ConnectionId, key: SessionKey, cause: CloseCause) {
        let session = self.server.as_mut().and_then(|server| server.session(id));
        let told = session
            .is_some_and(|session| matches!(session.phase, Phase::Closing { told: true, .. }));
        self.drop_server_end(id);
        if !told {
            self.handle(Input::Closed(key, cause));
        }
    }

    pub(super) fn drop_server_end(&mut self, id: ConnectionId) {
        let Some(server) = &mut self.server else { return };
        server.ends.remove(&id);
        if server.ends.is_empty()
            && let Some(waiting) = server.alone.take()
        {
            let _ = waiting.send(());
        }
        self.network.release(self.now, id, End::Server);
    }

    pub(super) fn handle(&mut self, input: Input) {
        let wall = self.wall(HostId::HUB);
        let Some(server) = &mut self.server else { return };
        server.now = server.now.max(wall);
        let recorded = input.clone();
        let mut outputs = std::mem::take(&mut server.outputs);
        outputs.extend(server.hub.handle(server.now, input));
        let (now, touched, work) = (server.now, server.hub.touched(), server.hub.work());
        let event = HubEvent { now, input: recorded, outputs, touched, work };
        let told = self.recorder.record_and_return(self.now, What::Hub(Box::new(event)));
        let What::Hub(event) = told else { unreachable!("it is what was recorded") };
        let mut outputs = event.outputs;
        server.inputs += 1;
        self.recorder.audit(&server.hub, server.inputs);
        for output in outputs.drain(..) {
            match output {
                Output::Send(key, message) => self.queue(key, message),
                Output::Close(key, reason) => self.close(key, reason),
                Output::Linger(key, reason) => self.let_go(key, reason),
                Output::Audit(_) => {}
            }
        }
        if let Some(server) = &mut self.server {
            server.outputs = outputs;
        }
        self.set_hub_alarm();
    }

    fn queue(&mut self, key: SessionKey, message: Outgoing) {
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if session.phase == Phase::Talking {
            session.outbox.push_back(message);
            self.network.wake(id, End::Server);
        }
    }

    /// The hub's process stood still for so long: the hub hears it before what came meanwhile.
    pub(super) fn hub_was_late(&mut self, by: Duration) {
        let by = Duration::from_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        let Some(server) = &self.server else { return };
        if by > LATE_MIN && server.hub.next_deadline().is_some() {
            self.handle(Input::Late(by));
        }
    }

    fn set_hub_alarm(&mut self) {
        let Some(server) = &mut self.server else { return };
        if let Some((pause, number)) = server.alarm.set(server.now, server.hub.next_deadline()) {
            let life = server.life;
            self.plan(pause, Event::HubAlarm { life, number });
        }
    }

    pub(super) fn hub_alarm(&mut self, life: u32, number: u64) {
        let wall = self.wall(HostId::HUB);
        let Some(server) = self.server.as_mut().filter(|server| server.life == life) else {
            return;
        };
        if !server.alarm.ring(number) {
            return;
        }
        server.now = server.now.max(wall);
        match server.hub.next_deadline().is_some_and(|deadline| deadline <= server.now) {
            true => self.handle(Input::Tick),
            false => self.set_hub_alarm(),
        }
    }

    pub(super) fn handshake_timeout(&mut self, id: ConnectionId) {
        let end = self.server.as_ref().and_then(|server| server.ends.get(&id));
        if let Some(ServerEnd::Shaking) = end {
            self.drop_server_end(id);
        }
    }

    pub(super) fn ping_due(&mut self, id: ConnectionId) {
        if let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) {
            session.ping_due = true;
            self.write_as_server(id);
        }
    }

    pub(super) fn hub_close_timeout(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(session) = self.server.as_mut().and_then(|server| server.session(id)) else {
            return;
        };
        let key = session.key;
        if now < session.close_due {
            return;
        }
        match session.phase {
            Phase::Talking | Phase::Lingering(_) => {}
            Phase::LettingGo(_) | Phase::Closing { .. } => {
                self.end_session(id, key, CloseCause::Hub)
            }
            Phase::Parting => self.drop_server_end(id),
        }
    }

    /// The hub is told that it must end, and nobody new gets in.
    pub(super) fn shut_down(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.network.unlisten(self.now, listener);
        }
        let Some(server) = &mut self.server else { return };
        server.stopping = true;
        let shaking = server.ends.iter().filter(|(_, end)| matches!(end, ServerEnd::Shaking));
        for id in shaking.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_server_end(id);
        }
        for (id, reason) in self.lingering() {
            self.close_refused(id, reason, Answer::Came);
        }
        self.handle(Input::Shutdown);
    }

    /// Closes whatever session the hub left open, and every later one.
    pub(super) fn close_all(&mut self) {
        let Some(server) = &mut self.server else { return };
        server.closing_all = true;
        for key in 0..server.keys.len() as u64 {
            self.close(SessionKey(key), CloseReason::ServerShutdown);
        }
    }

    /// Ends when the hub has no connection left; at once if it has none.
    pub(super) fn alone(&mut self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        if let Some(server) = self.server.as_mut().filter(|server| !server.ends.is_empty()) {
            server.alone = Some(end);
        }
        ended
    }
}
