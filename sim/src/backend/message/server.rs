//! The hub's process by messages: what the server's shell does with the hub and its sessions.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::auth::Access;
use signal_hub::hub::{Config, Hub, Ids, Input, Output, Peer, SessionKey, Sizes};
use signal_hub::protocol::{ClientFrame, CloseReason, Outgoing};
use signal_hub::runtime::{Alarm, Reading};
use signal_hub::server::{Farewell, Keeper, OwnerState, SessionState};
use signal_hub::store::StoreError;
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::network::{HostId, Messages, Read};
use super::session::{ServerEnd, Session};
use super::websocket::Message;
use super::world::World;
use crate::history::{HubEvent, Stop, What};
use crate::net::{ById, ConnectionId, End};
use crate::run;

/// One life of the hub.
pub struct Server {
    life: u32,
    state: OwnerState,
    clock: Reading,
    /// By the hub's clock, and when that is.
    alarm: Alarm<Timestamp, Duration>,
    pub(super) ends: ById<ServerEnd>,
    /// The connection of each session, by its key.
    pub(super) keys: Vec<ConnectionId>,
    /// Nobody new gets in.
    pub(super) stopping: bool,
    inputs: u64,
    /// What its sessions said and the hub has not heard yet.
    events: VecDeque<Input>,
    /// Sessions that got something since the last write, in the order in which they got it.
    dirty: Vec<ConnectionId>,
    /// Empty; kept for its room.
    outputs: Vec<Output>,
    /// Whoever waits for the last connection to be gone.
    alone: Option<oneshot::Sender<()>>,
    /// Its store has failed, and it ends once its sessions have.
    fails: bool,
    /// It has ended for that.
    has_failed: bool,
}

impl Server {
    pub fn new(
        life: u32,
        (config, access): (Config, Access),
        keeper: Option<Keeper>,
        seed: [u8; 32],
        clock: Reading,
        looked: Duration,
    ) -> Self {
        let hub = Hub::with_access(config, Ids::new(seed), access);
        Self {
            life,
            state: OwnerState::new(hub, keeper, clock.timestamp(), looked),
            clock,
            alarm: Alarm::default(),
            ends: ById::default(),
            keys: Vec::new(),
            stopping: false,
            inputs: 0,
            events: VecDeque::new(),
            dirty: Vec::new(),
            outputs: Vec::new(),
            alone: None,
            fails: false,
            has_failed: false,
        }
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    /// What is left in the hub.
    pub fn left(&self) -> Sizes {
        self.state.hub.sizes()
    }

    pub(super) fn session(&mut self, id: ConnectionId) -> Option<&mut Session> {
        match self.ends.get_mut(id)? {
            ServerEnd::Session(session) => Some(session),
            ServerEnd::Shaking => None,
        }
    }
}

impl World {
    /// Something may have arrived for this end, or there is room to write.
    pub(super) fn poll_server(&mut self, id: ConnectionId) {
        if self.server.is_none() || self.hub_paused {
            return;
        }
        let server = self.server.as_mut().expect("it was just there");
        if !server.ends.contains(id) {
            if !self.network.accept(id) {
                return;
            }
            server.ends.insert(id, ServerEnd::Shaking);
            let timeout = self.scenario.hub.connect_timeout;
            self.plan(timeout, Event::HandshakeTimeout(id));
        }
        self.shake_hands(id);
        self.drive_session(id);
    }

    /// What comes before there is a session.
    fn shake_hands(&mut self, id: ConnectionId) {
        while let Some(ServerEnd::Shaking) =
            self.server.as_ref().and_then(|server| server.ends.get(id))
        {
            match self.network.read(self.now, id, End::Server) {
                Read::Nothing => return,
                Read::Data(Message::Part { .. }) => {}
                Read::Data(Message::Upgrade) => self.upgrade(id),
                Read::Data(_) | Read::Ended | Read::Failed(_) => self.drop_server_end(id),
            }
        }
    }

    /// As the server's session does.
    pub(super) fn dated_for_hub(&mut self, mut frame: ClientFrame) -> ClientFrame {
        if let ClientFrame::Request(request) = &mut frame
            && request.ttl.is_some()
            && let Some((clock, wall)) = self.read_hub_clock()
        {
            let timestamp = clock.from_wall(wall, request.timestamp);
            Arc::make_mut(request).timestamp = timestamp;
        }
        frame
    }

    fn upgrade(&mut self, id: ConnectionId) {
        let Some(server) = &mut self.server else { return };
        let key = SessionKey(server.keys.len() as u64);
        server.keys.push(id);
        let state = SessionState::new(key, &self.config, &self.limits, self.now);
        let session = Session::new(key, state);
        server.ends.insert(id, ServerEnd::Session(Box::new(session)));
        let client = self.network.place(id, End::Client);
        let host = client.map_or(HostId::FIRST, |client| client.host);
        let address = SocketAddr::new(host.address(), 49152);
        self.tell_hub(Input::Opened(key, Peer { address }));
    }

    /// The last message of a session is decided.
    fn close(&mut self, key: SessionKey, farewell: Farewell) {
        let now = self.now;
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if !std::mem::replace(&mut session.is_closing, true) {
            session.state.farewell(now, farewell);
            self.network.wake(id, End::Server);
        }
    }

    pub(super) fn drop_server_end(&mut self, id: ConnectionId) {
        let Some(server) = &mut self.server else { return };
        server.ends.remove(id);
        if server.ends.is_empty()
            && let Some(waiting) = server.alone.take()
        {
            let _ = waiting.send(());
        }
        self.network.release(self.now, id, End::Server);
        self.give_up();
    }

    /// The hub hears it in its owner's next turn.
    pub(super) fn tell_hub(&mut self, input: Input) {
        if let Some(server) = &mut self.server {
            server.events.push_back(input);
        }
    }

    /// As the server's owner does: the hub hears some of what waits for it, and then all that comes of that is written.
    /// Returns whether there was anything to do.
    pub(super) fn take_turn(&mut self) -> bool {
        let Some(server) = self.server.as_ref().filter(|_| !self.hub_paused) else { return false };
        if server.events.is_empty() {
            return self.write_all();
        }
        let events_max = server.state.events_max();
        self.look_at_hub_clock();
        for _ in 0..events_max {
            let event = self.server.as_mut().and_then(|server| server.events.pop_front());
            let Some(event) = event else { break };
            let opened = if let Input::Opened(key, _) = &event { Some(*key) } else { None };
            self.note_report(&event);
            self.hand_to_hub(event);
            let farewell = self.server.as_ref().and_then(|server| server.state.farewell());
            opened.zip(farewell).into_iter().for_each(|(key, farewell)| self.close(key, farewell));
        }
        self.settle_hub();
        self.write_all();
        true
    }

    fn note_report(&mut self, event: &Input) {
        if let (Input::Drained(key, _), Some(server)) = (event, &mut self.server)
            && let Some(session) = server.session(server.keys[key.0 as usize])
        {
            session.heard += 1;
        }
    }

    /// Writes to each session that got something, and tells the hub what left; returns whether any did.
    fn write_all(&mut self) -> bool {
        let mut is_done = false;
        while let Some(server) = self.server.as_mut().filter(|server| !server.dirty.is_empty()) {
            is_done = true;
            let dirty = std::mem::take(&mut server.dirty);
            let left: Vec<_> = dirty.into_iter().filter_map(|id| self.write_as_owner(id)).collect();
            if !left.is_empty() {
                left.into_iter().for_each(|input| self.hand_to_hub(input));
                self.settle_hub();
            }
        }
        is_done
    }

    /// What the hub's clock shows; and the wall clock of its host.
    pub(super) fn read_hub_clock(&mut self) -> Option<(Reading, Timestamp)> {
        let (at, wall) = (self.now, self.wall(HostId::FIRST));
        let server = self.server.as_mut()?;
        server.clock.advance(at, wall);
        Some((server.clock, wall))
    }

    /// As the server's owner does: a look that is much too late is told before anything else.
    fn look_at_hub_clock(&mut self) {
        let (at, reading) = (self.now, self.read_hub_clock());
        let (Some((clock, _)), Some(server)) = (reading, &mut self.server) else { return };
        if let Some(input) = server.state.look(clock.timestamp(), at) {
            self.hand_to_hub(input);
        }
    }

    pub(super) fn hand_to_hub(&mut self, input: Input) {
        let Some(server) = self.server.as_mut().filter(|server| !server.fails) else { return };
        let recorded = input.clone();
        let mut outputs = std::mem::take(&mut server.outputs);
        let now = server.state.now();
        outputs.extend(server.state.hub.handle(now, input));
        let (touched, work) = (server.state.hub.touched(), server.state.hub.work());
        let event = HubEvent { now, input: recorded, outputs: outputs.clone(), touched, work };
        self.recorder.record(self.now, What::Hub(Box::new(event)));
        server.inputs += 1;
        run::audit(&self.recorder, &server.state.hub, server.inputs);
        let mut outputs = server.state.pass(outputs);
        outputs.drain(..).for_each(|output| self.carry_out_for_hub(output));
        if let Some(server) = &mut self.server {
            server.outputs = outputs;
        }
    }

    /// What the hub has heard is all that it hears for now.
    pub(super) fn settle_hub(&mut self) {
        let Some(server) = self.server.as_ref().filter(|server| !server.fails) else { return };
        if server.state.keeper().is_some() {
            self.settle_store(|state| state.settle(Keeper::settle));
        } else {
            self.set_hub_alarm();
        }
    }

    /// Writes rows, then does what waited for them.
    fn settle_store(
        &mut self,
        settle: impl FnOnce(&mut OwnerState) -> Result<Vec<Output>, StoreError>,
    ) {
        let Some(server) = &mut self.server else { return };
        match settle(&mut server.state) {
            Ok(outputs) => {
                outputs.into_iter().for_each(|output| self.carry_out_for_hub(output));
                self.set_hub_alarm();
            }
            Err(_) => self.fail_hub(),
        }
    }

    fn carry_out_for_hub(&mut self, output: Output) {
        match output {
            Output::Send(key, message) => self.queue(key, message),
            other => {
                let closed = Farewell::of(&other);
                closed.into_iter().for_each(|(key, farewell)| self.close(key, farewell));
            }
        }
    }

    /// The server ends because its store has failed: what waited for that leaves no more.
    fn fail_hub(&mut self) {
        let Some(server) = &mut self.server else { return };
        server.fails = true;
        drop(server.state.take_keeper());
        self.let_nobody_in();
        self.close_sessions(CloseReason::InternalError);
        self.give_up();
    }

    /// A server whose store has failed ends with its last connection.
    fn give_up(&mut self) {
        let Some(server) = &mut self.server else { return };
        if server.fails
            && server.ends.is_empty()
            && !std::mem::replace(&mut server.has_failed, true)
        {
            self.recorder.record(self.now, What::HubStopped { how: Stop::Failed });
        }
    }

    /// The store ends in order.
    pub(super) fn close_store(&mut self) {
        let keeper = self.server.as_mut().and_then(|server| server.state.take_keeper());
        if keeper.is_some_and(|keeper| keeper.close().is_err()) {
            self.fail_hub();
        }
    }

    fn queue(&mut self, key: SessionKey, message: Outgoing) {
        let Some(server) = &mut self.server else { return };
        let id = server.keys[key.0 as usize];
        let Some(session) = server.session(id) else { return };
        if !session.is_closing {
            session.state.queue(message);
            if !std::mem::replace(&mut session.is_dirty, true) {
                server.dirty.push(id);
            }
        }
    }

    fn set_hub_alarm(&mut self) {
        let Some(server) = &mut self.server else { return };
        server.alarm.set(server.state.next_look(), |at| {
            let rings = self.now.saturating_add(at.since(server.state.now()));
            self.agenda.plan(rings, Event::HubAlarm(server.life));
            rings
        });
    }

    pub(super) fn hub_alarm(&mut self, life: u32) {
        let server = self.server.as_mut().filter(|server| server.life == life);
        if !server.is_some_and(|server| server.alarm.rings(|at| *at <= self.now)) {
            return;
        }
        self.look_at_hub_clock();
        if let Some(tick) = self.server.as_ref().and_then(|server| server.state.tick()) {
            self.hand_to_hub(tick);
        }
        self.settle_hub();
        self.write_all();
    }

    pub(super) fn handshake_timeout(&mut self, id: ConnectionId) {
        let end = self.server.as_ref().and_then(|server| server.ends.get(id));
        if let Some(ServerEnd::Shaking) = end {
            self.drop_server_end(id);
        }
    }

    /// The hub is told that it must end, and nobody new gets in.
    pub(super) fn shut_down(&mut self) {
        self.let_nobody_in();
        self.tell_hub(Input::Shutdown);
    }

    /// Whoever waits to be let go gives way, too.
    fn let_nobody_in(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.network.unlisten(self.now, listener);
        }
        let Some(server) = &mut self.server else { return };
        server.stopping = true;
        let mut shaking = Vec::new();
        for (id, end) in server.ends.iter() {
            match end {
                ServerEnd::Shaking => shaking.push(id),
                ServerEnd::Session(_) => self.network.wake(id, End::Server),
            }
        }
        shaking.into_iter().for_each(|id| self.drop_server_end(id));
    }

    /// Closes whatever session the hub left open, and every later one.
    pub(super) fn close_all(&mut self) {
        self.settle_store(OwnerState::close_all);
        self.close_sessions(CloseReason::ServerShutdown);
    }

    fn close_sessions(&mut self, reason: CloseReason) {
        let keys = self.server.as_ref().map_or(0, |server| server.keys.len() as u64);
        (0..keys).for_each(|key| self.close(SessionKey(key), Farewell::at_once(reason)));
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
