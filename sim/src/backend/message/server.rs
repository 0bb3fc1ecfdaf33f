//! The hub's process by messages: what the server's shell does with the hub and its sessions.

mod owner;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::auth::Access;
use signal_hub::hub::{Config, Hub, Ids, Input, Output, Peer, SessionKey, Sizes};
use signal_hub::protocol::{ClientFrame, CloseReason};
use signal_hub::runtime::{Alarm, Reading};
use signal_hub::server::{Farewell, Keeper, OwnerState, SessionState};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::network::{HostId, Messages, Read};
use super::session::{ServerEnd, Session};
use super::websocket::Message;
use super::world::World;
use crate::net::{ById, ConnectionId, End};

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
