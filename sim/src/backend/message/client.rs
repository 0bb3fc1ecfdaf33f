//! The clients by messages: what a client's shell does with its state, and what its user reads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use signal_hub::client::state::{ClientState, Input, Output};
use signal_hub::client::{ClientConfig, Command, CommandId, Dice, DisconnectReason, Event as Told};
use signal_hub::protocol::codec::hand_over;
use signal_hub::protocol::{ActorAddress, ClientFrame, Outgoing};
use signal_hub::runtime::{Alarm, Reading};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::client_end::Holder;
use super::network::HostId;
use super::websocket::Message;
use super::world::World;
use crate::backend::belief::Belief;
use crate::history::{ClientEvent, ClientName, What};
use crate::net::ConnectionId;

/// A client, in the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// One client.
pub struct Client {
    pub name: ClientName,
    pub host: HostId,
    pub state: ClientState,
    pub(super) config: ClientConfig,
    clock: Reading,
    link: Option<ConnectionId>,
    /// What its user wants and the state has not been told.
    orders: VecDeque<(Command, oneshot::Sender<()>)>,
    callers: BTreeMap<CommandId, oneshot::Sender<()>>,
    commands: u64,
    /// By the client's clock, and when that is.
    alarm: Alarm<Timestamp, Duration>,
    connection: u32,
    up: bool,
    pub paused: bool,
    pub deferred: Vec<Event>,
    pub belief: Belief,
}

impl World {
    /// Starts a client.
    pub(super) fn start_client(
        &mut self,
        name: ClientName,
        host: HostId,
        config: ClientConfig,
        address: ActorAddress,
    ) -> ClientId {
        let id = ClientId(self.clients.len());
        self.record_client(&name, ClientEvent::Started { address });
        let seed = self.network.random_seed(host);
        let clock = Reading::new(self.now, self.wall(host));
        self.clients.push(Some(Client {
            name,
            host,
            state: ClientState::new(config.clone(), Dice::new(seed)),
            config,
            clock,
            link: None,
            orders: VecDeque::new(),
            callers: BTreeMap::new(),
            commands: 0,
            alarm: Alarm::default(),
            connection: 0,
            up: false,
            paused: false,
            deferred: Vec::new(),
            belief: Belief::default(),
        }));
        self.hand_in(id, Input::Start);
        id
    }

    pub(super) fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(id.0)?.as_mut()
    }

    /// Has the client do something; ends when that is done or nobody is left to do it.
    pub(super) fn command(&mut self, id: ClientId, command: Command) -> oneshot::Receiver<()> {
        let (done, when_done) = oneshot::channel();
        if let Some(client) = self.client(id) {
            client.orders.push_back((command, done));
            self.obey(id);
        }
        when_done
    }

    pub(super) fn obey(&mut self, id: ClientId) {
        loop {
            let Some(client) = self.client(id) else { return };
            if client.paused {
                return;
            }
            if client.state.ending().is_some() {
                return client.orders.clear();
            }
            let (link, most) = (client.link, client.config.outgoing_messages_max);
            let queued =
                link.and_then(|link| self.client_ends.get(&link)).map_or(0, |e| e.outgoing.len());
            let Some(client) = self.client(id) else { return };
            if queued >= most {
                return;
            }
            let Some((command, caller)) = client.orders.pop_front() else { return };
            let number = CommandId(client.commands);
            client.commands += 1;
            client.callers.insert(number, caller);
            self.hand_in(id, Input::Command(number, command));
        }
    }

    fn hand_in(&mut self, id: ClientId, input: Input) {
        let Some(host) = self.client(id).map(|client| client.host) else { return };
        let (at, wall) = (self.now, self.wall(host));
        let mut outputs = std::mem::take(&mut self.client_outputs);
        let Some(client) = self.client(id) else { return };
        client.clock.advance(at, wall);
        let (clock, now) = (client.clock, client.clock.timestamp());
        outputs.extend(client.state.handle(now, input));
        let mut told = Vec::new();
        for output in outputs.drain(..) {
            match output {
                Output::Connect => self.connect(id, host),
                Output::Send(mut frame) => {
                    if let ClientFrame::Request(request) = &mut frame {
                        let timestamp = clock.to_wall(wall, request.timestamp);
                        Arc::make_mut(request).timestamp = timestamp;
                    }
                    let Some(client) = self.client(id) else { return };
                    let (name, link) = (client.name.clone(), client.link);
                    let link = link.expect("the state sends on an open transport only");
                    let event = ClientEvent::Sent(Box::new(frame));
                    let told = What::Client { client: name, event };
                    if let What::Client { event: ClientEvent::Sent(frame), .. } =
                        self.recorder.record_and_return(self.now, told)
                    {
                        let bytes_max = self.bytes_max(link);
                        let message = Message::said(*frame, bytes_max, &self.scenario.hub);
                        self.queue_as_client(link, message);
                    }
                }
                Output::CloseTransport => self.close_transport(id),
                Output::Event(event) => told.push(event),
                Output::Resolve(number, _) => {
                    if let Some(client) = self.client(id)
                        && let Some(caller) = client.callers.remove(&number)
                    {
                        // The caller may have given up.
                        let _ = caller.send(());
                    }
                }
            }
        }
        self.client_outputs = outputs;
        told.into_iter().for_each(|event| self.told(id, event));
        self.set_client_alarm(id, now);
    }

    fn set_client_alarm(&mut self, id: ClientId, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id.0).and_then(Option::as_mut) else { return };
        if client.state.ending().is_some() {
            client.callers.clear();
            return client.orders.clear();
        }
        let deadline = client.state.next_deadline();
        client.alarm.set(deadline, |at| {
            let rings = self.now.saturating_add(at.since(now));
            self.agenda.plan(rings, Event::ClientAlarm(id));
            rings
        });
    }

    pub(super) fn client_alarm(&mut self, id: ClientId) {
        let now = self.now;
        let Some(client) = self.client(id) else { return };
        if client.state.ending().is_none() && client.alarm.rings(|at| *at <= now) {
            self.hand_in(id, Input::Tick);
        }
    }

    /// Follows a client's event, as its user would.
    fn told(&mut self, id: ClientId, event: Told) {
        let Some(client) = self.client(id) else { return };
        let Some(said) = client.belief.follow(event) else { return };
        let name = client.name.clone();
        self.record_client(&name, said);
    }

    fn connect(&mut self, id: ClientId, host: HostId) {
        let link = self.dial(Holder::Client(id), host);
        if let Some(client) = self.client(id) {
            client.link = Some(link);
        }
    }

    fn close_transport(&mut self, id: ClientId) {
        let Some(client) = self.client(id) else { return };
        let (name, link, connection) = (client.name.clone(), client.link.take(), client.connection);
        let event = match std::mem::replace(&mut client.up, false) {
            true => ClientEvent::Lost { connection, why: DisconnectReason::Dropped },
            false => ClientEvent::Said("gives up connecting".to_owned()),
        };
        self.record_client(&name, event);
        if let Some(link) = link {
            self.retire(id, link);
        }
    }

    pub(super) fn opened(&mut self, link: ConnectionId, holder: Holder) {
        let id = match holder {
            Holder::Client(id) => id,
            Holder::Raw(id) => return self.raw_opened(id),
        };
        let Some(client) = self.client(id).filter(|client| client.link == Some(link)) else {
            return;
        };
        client.connection += 1;
        client.up = true;
        let (name, connection) = (client.name.clone(), client.connection);
        self.record_client(&name, ClientEvent::Opened { connection });
        self.hand_in(id, Input::Opened);
    }

    pub(super) fn received(&mut self, holder: Holder, message: &Outgoing) {
        let frame = hand_over(message, &self.scenario.hub.hub_address);
        match holder {
            Holder::Client(id) => {
                let Some(client) = self.client(id) else { return };
                let name = client.name.clone();
                let event = ClientEvent::Received(Box::new(frame));
                let told = What::Client { client: name, event };
                if let What::Client { event: ClientEvent::Received(frame), .. } =
                    self.recorder.record_and_return(self.now, told)
                {
                    self.hand_in(id, Input::Frame(Ok(*frame)));
                }
            }
            Holder::Raw(id) => self.raw_received(id, frame),
        }
    }

    /// Something came that makes no frame, or none yet.
    pub(super) fn alive(&mut self, holder: Holder, input: Input) {
        match holder {
            Holder::Client(id) => self.hand_in(id, input),
            Holder::Raw(_) => {}
        }
    }

    pub(super) fn no_connection(&mut self, link: ConnectionId, holder: Holder, why: String) {
        self.drop_client_end(link);
        let loss = DisconnectReason::ConnectFailed(why);
        let id = match holder {
            Holder::Client(id) => id,
            Holder::Raw(id) => return self.raw_not_opened(id, &loss),
        };
        let Some(client) = self.client(id) else { return };
        client.link = None;
        let name = client.name.clone();
        let DisconnectReason::ConnectFailed(why) = &loss else { return };
        self.record_client(&name, ClientEvent::Said(format!("cannot connect: {why}")));
        self.hand_in(id, Input::Lost(loss));
    }

    pub(super) fn lost(&mut self, link: ConnectionId, holder: Holder, why: DisconnectReason) {
        let id = match holder {
            Holder::Client(id) => id,
            Holder::Raw(id) => {
                self.drop_client_end(link);
                return self.raw_lost(id, why);
            }
        };
        let Some(client) = self.client(id) else { return };
        client.link = None;
        client.up = false;
        let (name, connection) = (client.name.clone(), client.connection);
        self.record_client(&name, ClientEvent::Lost { connection, why: why.clone() });
        let closed_by_hub = matches!(why, DisconnectReason::Closed { .. });
        if !closed_by_hub {
            self.drop_client_end(link);
        }
        self.hand_in(id, Input::Lost(why));
        if closed_by_hub {
            self.retire(id, link);
        }
    }

    /// A close handshake is over.
    pub(super) fn closed(&mut self, link: ConnectionId, holder: Holder) {
        match holder {
            Holder::Client(_) => {}
            Holder::Raw(id) => self.raw_closed(id, link),
        }
    }

    /// Ends a client in the middle of whatever it does. In a crash, the network is told before.
    pub(super) fn kill_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0) {
            *client = None;
        }
        self.drop_ends_of(Holder::Client(id));
    }

    pub(super) fn pause_client(&mut self, id: ClientId) {
        if let Some(client) = self.client(id) {
            client.paused = true;
        }
    }

    pub(super) fn resume_client(&mut self, id: ClientId) {
        let Some(client) = self.client(id) else { return };
        client.paused = false;
        // As in the client's task: its alarm goes before what it could read.
        for event in std::mem::take(&mut client.deferred) {
            self.happen(event);
        }
        // And what it could read before what its user wants.
        if let Some(link) = self.client(id).and_then(|client| client.link) {
            self.poll_client(link);
        }
        self.wake_ends(Holder::Client(id));
        self.obey(id);
    }

    pub(super) fn record_client(&self, name: &ClientName, event: ClientEvent) {
        self.recorder.record(self.now, What::Client { client: name.clone(), event });
    }
}
