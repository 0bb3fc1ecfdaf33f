//! The clients by messages: the state that the client's shell drives, and what its user reads.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use signal_hub::client::link::{LinkState, Output};
use signal_hub::client::state::Input;
use signal_hub::client::{ClientConfig, Command, Dice, TokenSource};
use signal_hub::protocol::ActorAddress;
use signal_hub::runtime::{Alarm, Reading};
use signal_hub::time::Timestamp;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::client_end::Holder;
use super::network::HostId;
use super::world::World;
use crate::backend::belief::{Belief, Connections};
use crate::history::{ClientEvent, ClientName, What};
use crate::net::{ConnectionId, End};

/// A client, in the order of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub usize);

/// One client.
pub struct Client {
    name: ClientName,
    host: HostId,
    pub(super) state: LinkState<oneshot::Sender<()>>,
    clock: Reading,
    token_source: Option<TokenSource>,
    link: Option<ConnectionId>,
    /// What its user wants and the state has not been told.
    commands: VecDeque<(Command, oneshot::Sender<()>)>,
    /// By the client's clock, and when that is.
    alarm: Alarm<Timestamp, Duration>,
    connections: Connections,
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
        self.clients.push(Some(Client {
            name,
            host,
            token_source: config.token_source.clone(),
            state: LinkState::new(config, Dice::new(seed)),
            clock: Reading::new(self.now, self.wall(host)),
            link: None,
            commands: VecDeque::new(),
            alarm: Alarm::default(),
            connections: Connections::default(),
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
            client.commands.push_back((command, done));
            self.client_idle(id);
        }
        when_done
    }

    /// Nothing is there for a client to read.
    pub(super) fn client_idle(&mut self, id: ClientId) {
        while let Some(client) = self.client(id) {
            client.state.idle();
            let waiting = client.commands.len();
            self.obey(id);
            if self.client(id).is_some_and(|client| client.commands.len() == waiting) {
                return;
            }
        }
    }

    /// Something came for a client by its connection.
    pub(super) fn client_hears(&mut self, id: ClientId, from: ConnectionId, input: Input) {
        let Some(client) = self.client(id).filter(|client| client.link == Some(from)) else {
            return;
        };
        if let Input::Frame(Ok(frame)) = &input {
            let (client, event) = (client.name.clone(), ClientEvent::Received(frame.clone()));
            self.recorder.record(self.now, What::Client { client, event });
        }
        self.hand_in(id, input);
        self.obey(id);
    }

    pub(super) fn client_alarm(&mut self, id: ClientId) {
        let now = self.now;
        if self.client(id).is_some_and(|client| client.alarm.rings(|at| *at <= now)) {
            self.hand_in(id, Input::Tick);
            // As in its task: it reads what there is before it obeys.
            match self.client(id).and_then(|client| client.link) {
                Some(link) => self.network.wake(link, End::Client),
                None => self.obey(id),
            }
        }
    }

    /// Its source answers at once.
    pub(super) fn client_gets_token(&mut self, id: ClientId) {
        let source = self.client(id).and_then(|client| client.token_source.as_ref());
        let Some(mut request) = source.map(TokenSource::request) else { return };
        let mut task = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = request.as_mut().poll(&mut task) {
            self.hand_in(id, Input::Token(answer));
            self.obey(id);
        }
    }

    fn obey(&mut self, id: ClientId) {
        let stands_still = self.still.contains_key(&Holder::Client(id));
        while let Some(client) = self.client(id)
            && client.state.takes_commands()
            && !stands_still
            && let Some((command, caller)) = client.commands.pop_front()
        {
            client.belief.is_told(&command);
            let number = client.state.take_command(caller);
            self.hand_in(id, Input::Command(number, command));
        }
        if let Some(client) = self.client(id).filter(|client| client.state.ending().is_some()) {
            client.commands.clear();
        }
    }

    fn hand_in(&mut self, id: ClientId, input: Input) {
        let Some(host) = self.client(id).map(|client| client.host) else { return };
        let (at, wall) = (self.now, self.wall(host));
        let Some(client) = self.client(id) else { return };
        client.clock.advance(at, wall);
        let (clock, now) = (client.clock, client.clock.timestamp());
        client.state.handle(now, |moment| clock.to_wall(wall, moment), input);
        while let Some(output) = self.client(id).and_then(|client| client.state.next_output()) {
            self.carry_out_for(id, host, output);
        }
        while let Some(client) = self.client(id)
            && let Some(event) = client.state.next_event()
        {
            let said = client.belief.follow(event);
            self.record_of(id, said);
        }
        let Self { clients, agenda, .. } = self;
        let Some(client) = clients.get_mut(id.0).and_then(Option::as_mut) else { return };
        client.alarm.set(client.state.next_deadline(), |deadline| {
            let rings = at.saturating_add(deadline.since(now));
            agenda.plan(rings, Event::ClientAlarm(id));
            rings
        });
    }

    fn carry_out_for(&mut self, id: ClientId, host: HostId, output: Output<oneshot::Sender<()>>) {
        let Some(client) = self.client(id) else { return };
        match output {
            Output::Changed(change) => {
                let seen = client.connections.follow(&change);
                self.record_of(id, seen);
            }
            Output::Sent(frame) => {
                let link = client.link;
                self.record_of(id, Some(ClientEvent::Sent(frame)));
                link.into_iter().for_each(|link| self.network.wake(link, End::Client));
            }
            Output::RequestToken => self.agenda.plan(self.now, Event::ClientToken(id)),
            Output::Dial => {
                let link = self.dial(Holder::Client(id), host);
                self.client(id).into_iter().for_each(|client| client.link = Some(link));
            }
            Output::Drop => {
                let link = client.link.take();
                link.into_iter().for_each(|link| self.drop_client_end(link));
            }
            Output::Close { last, timeout } => {
                let Some(link) = client.link.take() else { return };
                for frame in last {
                    let message = self.said(link, frame);
                    self.queue_as_client(link, message);
                }
                self.say_goodbye(link);
                self.plan(timeout, Event::ClientCloseTimeout(link));
            }
            Output::Resolve(caller, _) => {
                // The caller may have given up.
                let _ = caller.send(());
            }
        }
    }

    /// Ends a client in the middle of whatever it does. In a crash, the network is told before.
    pub(super) fn kill_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id.0) {
            *client = None;
        }
        self.drop_ends_of(Holder::Client(id));
    }

    pub(super) fn resume_client(&mut self, id: ClientId) {
        // What it was told meanwhile waits in tasks of its process, which run behind the client's own.
        let told = self.client(id).map(|client| std::mem::take(&mut client.commands));
        // As in that one: its alarm goes before what it could read.
        for event in self.still.remove(&Holder::Client(id)).unwrap_or_default() {
            self.happen(event);
        }
        if let Some(link) = self.client(id).and_then(|client| client.link) {
            self.poll_client(link);
        }
        if let (Some(client), Some(told)) = (self.client(id), told) {
            client.commands.extend(told);
        }
        self.wake_ends(Holder::Client(id));
        self.client_idle(id);
    }

    pub(super) fn record_client(&self, name: &ClientName, event: ClientEvent) {
        self.recorder.record(self.now, What::Client { client: name.clone(), event });
    }

    fn record_of(&mut self, id: ClientId, event: Option<ClientEvent>) {
        let name = self.client(id).map(|client| client.name.clone());
        if let (Some(name), Some(event)) = (name, event) {
            self.record_client(&name, event);
        }
    }
}
