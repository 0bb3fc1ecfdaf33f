//! The clients by messages: what a client's shell does with its state, and what its user reads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use signal_hub::client::state::{ClientState, Input, Output};
use signal_hub::client::{ClientConfig, Command, CommandId, Dice, Event as Told, Loss};
use signal_hub::protocol::codec::hand_over;
use signal_hub::protocol::{ActorAddress, CloseReason, Outgoing};
use tokio::sync::oneshot;

use super::agenda::Event;
use super::alarm::Alarm;
use super::message::Message;
use super::network::{Dial, HostId, Read, Sending};
use super::raw::RawId;
use super::world::World;
use crate::backend::belief::Belief;
use crate::history::{ClientEvent, ClientName, What};
use crate::net::{ConnectionId, End};

/// A client, in the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// How long the close handshake of a transport may take before it is dropped.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// One client.
pub struct Client {
    pub name: ClientName,
    pub host: HostId,
    state: ClientState,
    outgoing_messages_max: usize,
    link: Option<ConnectionId>,
    /// What its user wants and the state has not been told.
    orders: VecDeque<(Command, oneshot::Sender<()>)>,
    callers: BTreeMap<CommandId, oneshot::Sender<()>>,
    commands: u64,
    alarm: Alarm,
    connection: u32,
    up: bool,
    pub paused: bool,
    deferred: Vec<Event>,
    pub belief: Belief,
}

/// A client's or a raw connection's end of a connection.
pub struct ClientEnd {
    pub holder: Holder,
    pub stage: Stage,
    pub outgoing: VecDeque<Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Client(ClientId),
    Raw(RawId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Dialling,
    Upgrading,
    Up,
    /// Its close frame is on the way; only the end of the stream is awaited.
    Closing,
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
        let outgoing_messages_max = config.outgoing_messages_max;
        self.clients.push(Some(Client {
            name,
            host,
            state: ClientState::new(config, Dice::new(seed)),
            outgoing_messages_max,
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

    fn obey(&mut self, id: ClientId) {
        loop {
            let Some(client) = self.client(id) else { return };
            if client.paused {
                return;
            }
            if client.state.ending().is_some() {
                return client.orders.clear();
            }
            let (link, most) = (client.link, client.outgoing_messages_max);
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
        let now = self.wall(host);
        let Some(client) = self.client(id) else { return };
        let outputs: Vec<Output> = client.state.handle(now, input).collect();
        let mut told = Vec::new();
        for output in outputs {
            match output {
                Output::Connect => self.connect(id, host),
                Output::Send(frame) => {
                    let Some(client) = self.client(id) else { return };
                    let (name, link) = (client.name.clone(), client.link);
                    let bytes_max = self.scenario.hub.message_bytes_max;
                    let link = link.expect("the state sends on an open transport only");
                    let event = ClientEvent::Sent(Box::new(frame));
                    let told = What::Client { client: name, event };
                    if let What::Client { event: ClientEvent::Sent(frame), .. } =
                        self.recorder.record_and_return(self.now, told)
                    {
                        self.queue_as_client(link, Message::said(*frame, bytes_max));
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
        told.into_iter().for_each(|event| self.told(id, event));
        self.set_client_alarm(id, host);
    }

    fn set_client_alarm(&mut self, id: ClientId, host: HostId) {
        let now = self.wall(host);
        let Some(client) = self.client(id) else { return };
        if client.state.ending().is_some() {
            client.callers.clear();
            return client.orders.clear();
        }
        let deadline = client.state.next_deadline();
        if let Some((pause, number)) = client.alarm.set(now, deadline) {
            self.plan(pause, Event::ClientAlarm { client: id, number });
        }
    }

    pub(super) fn client_alarm(&mut self, id: ClientId, number: u64) {
        let Some(client) = self.client(id) else { return };
        if client.state.ending().is_none() && client.alarm.ring(number) {
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

    pub(super) fn dial(&mut self, holder: Holder, host: HostId) -> ConnectionId {
        // The nonce of the handshake.
        self.network.random_seed(host);
        let id = self.network.open(self.now, host);
        let end = ClientEnd { holder, stage: Stage::Dialling, outgoing: VecDeque::new() };
        self.client_ends.insert(id, end);
        id
    }

    fn close_transport(&mut self, id: ClientId) {
        let Some(client) = self.client(id) else { return };
        let (name, link, connection) = (client.name.clone(), client.link.take(), client.connection);
        let event = match std::mem::replace(&mut client.up, false) {
            true => ClientEvent::Lost { connection, why: Loss::Dropped },
            false => ClientEvent::Said("gives up connecting".to_owned()),
        };
        self.record_client(&name, event);
        if let Some(link) = link {
            self.retire(id, link);
        }
    }

    /// Closes a transport aside.
    fn retire(&mut self, id: ClientId, link: ConnectionId) {
        let ended = self.client(id).is_some_and(|client| client.state.ending().is_some());
        let Some(end) = self.client_ends.get_mut(&link) else { return };
        if end.stage != Stage::Up {
            return self.drop_client_end(link);
        }
        if !ended {
            end.outgoing.clear();
        }
        self.say_goodbye(link);
        self.plan(CLOSE_TIMEOUT, Event::ClientCloseTimeout(link));
    }

    /// Queues the close frame; what is left to do is to wait for the end of the stream.
    pub(super) fn say_goodbye(&mut self, link: ConnectionId) {
        if let Some(end) = self.client_ends.get_mut(&link) {
            end.stage = Stage::Closing;
            end.outgoing.push_back(Message::Close(None));
            self.network.effects.awake.push_back((link, End::Client));
        }
    }

    pub(super) fn drop_client_end(&mut self, link: ConnectionId) {
        self.client_ends.remove(&link);
        self.network.release(self.now, link, End::Client);
    }

    pub(super) fn queue_as_client(&mut self, link: ConnectionId, message: Message) {
        if let Some(end) = self.client_ends.get_mut(&link) {
            end.outgoing.push_back(message);
            self.network.effects.awake.push_back((link, End::Client));
        }
    }

    /// Something may have arrived for this end, or there is room to write.
    pub(super) fn poll_client(&mut self, id: ConnectionId) {
        while let Some(holder) = self.client_ends.get(&id).map(|end| end.holder) {
            if self.is_paused(holder) {
                return;
            }
            let Some(end) = self.client_ends.get_mut(&id) else { return };
            let stage = end.stage;
            if stage == Stage::Dialling {
                match self.network.dial(id) {
                    Dial::Pending => return,
                    Dial::Failed(why) => return self.no_connection(id, holder, why.to_string()),
                    Dial::Established => {
                        end.stage = Stage::Upgrading;
                        end.outgoing.push_back(Message::Upgrade);
                    }
                }
                continue;
            }
            match self.network.read(self.now, id, End::Client) {
                Read::Nothing => break,
                Read::Message(Message::Ping) => end.outgoing.push_back(Message::Pong),
                Read::Message(Message::Upgraded) => {
                    end.stage = Stage::Up;
                    self.opened(id, holder);
                }
                Read::Message(Message::Sent(message)) if stage == Stage::Up => {
                    self.received(holder, &message);
                }
                Read::Message(Message::Close(reason)) if stage == Stage::Up => {
                    let code = reason.map(CloseReason::code);
                    let reason = reason.map_or("", CloseReason::text).to_owned();
                    self.lost(id, holder, Loss::Closed { code, reason });
                }
                Read::Message(_) => {}
                Read::Ended | Read::Failed(_) if stage == Stage::Closing => {
                    self.drop_client_end(id);
                    self.closed(id, holder);
                }
                Read::Ended if stage == Stage::Upgrading => {
                    let why = "connection closed before message completed".to_owned();
                    return self.no_connection(id, holder, why);
                }
                Read::Failed(why) if stage == Stage::Upgrading => {
                    return self.no_connection(id, holder, why.to_string());
                }
                Read::Ended => {
                    let why = "the stream ended without a close frame".to_owned();
                    self.lost(id, holder, Loss::Broken(why));
                }
                Read::Failed(why) => self.lost(id, holder, Loss::Broken(why.to_string())),
            }
        }
        self.write_as_client(id);
    }

    fn write_as_client(&mut self, id: ConnectionId) {
        let Some(end) = self.client_ends.get_mut(&id) else { return };
        let holder = end.holder;
        while let Some(message) = end.outgoing.pop_front() {
            let bytes = message.bytes();
            match self.network.send(self.now, id, End::Client, message, bytes) {
                Sending::Sent => {}
                Sending::Full(message) => return end.outgoing.push_front(message),
                // The hub's last words can still be on their way.
                Sending::Broken => end.outgoing.clear(),
            }
        }
        if let Holder::Client(id) = holder {
            self.obey(id);
        }
    }

    fn is_paused(&mut self, holder: Holder) -> bool {
        match holder {
            Holder::Client(id) => self.client(id).is_some_and(|client| client.paused),
            Holder::Raw(id) => self.raw(id).is_some_and(|raw| raw.paused),
        }
    }

    fn opened(&mut self, link: ConnectionId, holder: Holder) {
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

    fn received(&mut self, holder: Holder, message: &Outgoing) {
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

    fn no_connection(&mut self, link: ConnectionId, holder: Holder, why: String) {
        self.drop_client_end(link);
        let loss = Loss::ConnectFailed(why);
        let id = match holder {
            Holder::Client(id) => id,
            Holder::Raw(id) => return self.raw_not_opened(id, &loss),
        };
        let Some(client) = self.client(id) else { return };
        client.link = None;
        let name = client.name.clone();
        let Loss::ConnectFailed(why) = &loss else { return };
        self.record_client(&name, ClientEvent::Said(format!("cannot connect: {why}")));
        self.hand_in(id, Input::Lost(loss));
    }

    fn lost(&mut self, link: ConnectionId, holder: Holder, why: Loss) {
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
        let closed_by_hub = matches!(why, Loss::Closed { .. });
        if !closed_by_hub {
            self.drop_client_end(link);
        }
        self.hand_in(id, Input::Lost(why));
        if closed_by_hub {
            self.retire(id, link);
        }
    }

    /// A close handshake is over.
    fn closed(&mut self, link: ConnectionId, holder: Holder) {
        match holder {
            Holder::Client(_) => {}
            Holder::Raw(id) => self.raw_closed(id, link),
        }
    }

    /// Ends a client in the middle of whatever it does; the network is told before.
    pub(super) fn kill_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0) {
            *client = None;
        }
        self.client_ends.retain(|_, end| end.holder != Holder::Client(id));
    }

    pub(super) fn pause_client(&mut self, id: ClientId) {
        if let Some(client) = self.client(id) {
            client.paused = true;
        }
    }

    pub(super) fn resume_client(&mut self, id: ClientId) {
        let Some(client) = self.client(id) else { return };
        client.paused = false;
        for event in std::mem::take(&mut client.deferred) {
            self.agenda.plan(self.now, event);
        }
        self.wake_ends(Holder::Client(id));
        self.obey(id);
    }

    pub(super) fn wake_ends(&mut self, holder: Holder) {
        let held = self.client_ends.iter().filter(|(_, end)| end.holder == holder);
        self.network.effects.awake.extend(held.map(|(id, _)| (*id, End::Client)));
    }

    /// Keeps what is due in a client that stands still; gives back what need not wait.
    pub(super) fn defer(&mut self, holder: Holder, event: Event) -> Option<Event> {
        let deferred = match holder {
            Holder::Client(id) => {
                let client = self.client(id)?;
                client.paused.then_some(&mut client.deferred)
            }
            Holder::Raw(id) => {
                let raw = self.raw(id)?;
                raw.paused.then_some(&mut raw.deferred)
            }
        };
        match deferred {
            Some(deferred) => {
                deferred.push(event);
                None
            }
            None => Some(event),
        }
    }

    pub(super) fn record_client(&self, name: &ClientName, event: ClientEvent) {
        self.recorder.record(self.now, What::Client { client: name.clone(), event });
    }
}
