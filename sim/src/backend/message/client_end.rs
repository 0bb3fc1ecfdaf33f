//! The clients' ends of connections by messages: dialling, reading, writing, closing.

use std::collections::VecDeque;

use signal_hub::client::DisconnectReason;
use signal_hub::client::state::Input;
use signal_hub::protocol::CloseReason;

use super::agenda::Event;
use super::client::ClientId;
use super::network::{Dial, HUB, HostId, Messages, Read, Sending};
use super::raw::RawId;
use super::websocket::Message;
use super::world::World;
use crate::net::{ConnectionId, End};

/// A client's or a raw connection's end of a connection.
pub struct ClientEnd {
    pub holder: Holder,
    pub state: DialState,
    pub outgoing: VecDeque<Message>,
    /// Whether it has said hub:connect: from then on it may say more at once.
    pub greeted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Client(ClientId),
    Raw(RawId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialState {
    Dialling,
    Upgrading,
    Up,
    /// Its close frame is on the way; only the end of the stream is awaited.
    Closing,
}

impl World {
    pub(super) fn dial(&mut self, holder: Holder, host: HostId) -> ConnectionId {
        // The nonce of the handshake.
        self.network.random_seed(host);
        let id = self.network.open(self.now, host, HUB);
        let (state, outgoing) = (DialState::Dialling, VecDeque::new());
        let end = ClientEnd { holder, state, outgoing, greeted: false };
        self.client_ends.insert(id, end);
        id
    }

    /// Closes a transport aside.
    pub(super) fn retire(&mut self, id: ClientId, link: ConnectionId) {
        let Some(client) = self.client(id) else { return };
        let (ended, timeout) = (client.state.ending().is_some(), client.config.close_timeout);
        let Some(end) = self.client_ends.get_mut(&link) else { return };
        if end.state != DialState::Up {
            return self.drop_client_end(link);
        }
        if !ended {
            end.outgoing.clear();
        }
        self.say_goodbye(link);
        self.plan(timeout, Event::ClientCloseTimeout(link));
    }

    /// Queues the close frame; what is left to do is to wait for the end of the stream.
    pub(super) fn say_goodbye(&mut self, link: ConnectionId) {
        if let Some(end) = self.client_ends.get_mut(&link) {
            end.state = DialState::Closing;
            end.outgoing.push_back(Message::Close(None));
            self.network.wake(link, End::Client);
        }
    }

    pub(super) fn drop_ends_of(&mut self, holder: Holder) {
        let held = self.client_ends.iter().filter(|(_, end)| end.holder == holder);
        for link in held.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.drop_client_end(link);
        }
    }

    pub(super) fn drop_client_end(&mut self, link: ConnectionId) {
        self.client_ends.remove(&link);
        self.network.release(self.now, link, End::Client);
    }

    /// How large a message the hub reads of the client as it stands.
    pub(super) fn bytes_max(&self, link: ConnectionId) -> usize {
        let greeted = self.client_ends.get(&link).is_some_and(|end| end.greeted);
        match greeted {
            true => self.scenario.hub.message_bytes_max,
            false => self.scenario.hub.connect_bytes_max(),
        }
    }

    pub(super) fn queue_as_client(&mut self, link: ConnectionId, message: Message) {
        if let Some(end) = self.client_ends.get_mut(&link) {
            end.greeted |= message.is_connect();
            end.outgoing.push_back(message);
            self.network.wake(link, End::Client);
        }
    }

    /// Something may have arrived for this end, or there is room to write.
    pub(super) fn poll_client(&mut self, id: ConnectionId) {
        while let Some(holder) = self.client_ends.get(&id).map(|end| end.holder) {
            if self.is_paused(holder) {
                return;
            }
            let Some(end) = self.client_ends.get_mut(&id) else { return };
            let state = end.state;
            if state == DialState::Dialling {
                match self.network.dial(id) {
                    Dial::Pending => return,
                    Dial::Failed(why) => return self.no_connection(id, holder, why.to_string()),
                    Dial::Established => {
                        end.state = DialState::Upgrading;
                        end.outgoing.push_back(Message::Upgrade);
                    }
                }
                continue;
            }
            match self.network.read(self.now, id, End::Client) {
                Read::Nothing => break,
                Read::Data(Message::Ping) => {
                    end.outgoing.push_back(Message::Pong);
                    self.alive(holder, Input::Alive);
                }
                Read::Data(Message::Part { first, of }) => {
                    self.alive(holder, Input::Part { first, declared: of as u64 });
                }
                Read::Data(Message::Upgraded) => {
                    end.state = DialState::Up;
                    self.opened(id, holder);
                }
                Read::Data(Message::Sent(message)) if state == DialState::Up => {
                    self.received(holder, &message);
                }
                Read::Data(Message::Close(reason)) if state == DialState::Up => {
                    let code = reason.map(CloseReason::code);
                    let reason = reason.map_or("", CloseReason::text).to_owned();
                    self.lost(id, holder, DisconnectReason::Closed { code, reason });
                }
                Read::Data(_) => {}
                Read::Ended | Read::Failed(_) if state == DialState::Closing => {
                    self.drop_client_end(id);
                    self.closed(id, holder);
                }
                Read::Ended if state == DialState::Upgrading => {
                    let why = "the stream ended in the handshake".to_owned();
                    return self.no_connection(id, holder, why);
                }
                Read::Failed(why) if state == DialState::Upgrading => {
                    return self.no_connection(id, holder, why.to_string());
                }
                Read::Ended => {
                    let why = "the stream ended without a close frame".to_owned();
                    self.lost(id, holder, DisconnectReason::Broken(why));
                }
                Read::Failed(why) => {
                    self.lost(id, holder, DisconnectReason::Broken(why.to_string()))
                }
            }
        }
        self.write_as_client(id);
    }

    fn write_as_client(&mut self, id: ConnectionId) {
        let Some(end) = self.client_ends.get_mut(&id) else { return };
        let holder = end.holder;
        while let Some(message) = end.outgoing.pop_front() {
            match self.network.send(self.now, id, End::Client, message) {
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

    pub(super) fn wake_ends(&mut self, holder: Holder) {
        let held = self.client_ends.iter().filter(|(_, end)| end.holder == holder);
        held.for_each(|(id, _)| self.network.wake(*id, End::Client));
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
}
