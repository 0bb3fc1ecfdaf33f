//! The clients' ends of connections by messages: dialling, reading, writing, closing.

use std::fmt;

use signal_hub::client::DisconnectReason;
use signal_hub::client::state::Input;
use signal_hub::protocol::codec::hand_over;
use signal_hub::protocol::{ClientFrame, CloseReason};

use super::client::ClientId;
use super::network::{Dial, HUB, HostId, Messages, Read, Sending, Unsent};
use super::raw::RawId;
use super::websocket::Message;
use super::world::World;
use crate::net::{ConnectionId, End};

/// Bytes after which a client's codec waits for the network.
const ENCODED_BYTES: usize = 8 * 1024;

/// A client's or a raw connection's end of a connection.
pub struct ClientEnd {
    pub holder: Holder,
    pub state: DialState,
    /// What the codec holds.
    pub encoded: Unsent,
    /// Whether it has said hub:connect: from then on it may say more at once.
    pub greeted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
        let (state, encoded) = (DialState::Dialling, Unsent::default());
        let end = ClientEnd { holder, state, encoded, greeted: false };
        self.client_ends.insert(id, end);
        id
    }

    /// Queues the close frame; what is left to do is to wait for the end of the stream.
    pub(super) fn say_goodbye(&mut self, link: ConnectionId) {
        if let Some(end) = self.client_ends.get_mut(link) {
            end.state = DialState::Closing;
            end.encoded.push(Message::Close(None));
            self.network.wake(link, End::Client);
        }
    }

    pub(super) fn drop_ends_of(&mut self, holder: Holder) {
        self.still.remove(&holder);
        let held = self.client_ends.iter().filter(|(_, end)| end.holder == holder);
        for link in held.map(|(link, _)| link).collect::<Vec<_>>() {
            self.drop_client_end(link);
        }
    }

    pub(super) fn drop_client_end(&mut self, link: ConnectionId) {
        self.client_ends.remove(link);
        self.network.release(self.now, link, End::Client);
    }

    /// How large a message the hub reads of the client as it stands.
    pub(super) fn bytes_max(&self, link: ConnectionId) -> usize {
        let greeted = self.client_ends.get(link).is_some_and(|end| end.greeted);
        let hub = &self.scenario.hub;
        if greeted { hub.message_bytes_max } else { hub.connect_bytes_max() }
    }

    pub(super) fn queue_as_client(&mut self, link: ConnectionId, message: Message) {
        if let Some(end) = self.client_ends.get_mut(link) {
            end.greeted |= message.is_connect();
            end.encoded.push(message);
            self.network.wake(link, End::Client);
        }
    }

    /// What the hub will read of a frame.
    pub(super) fn said(&self, link: ConnectionId, frame: ClientFrame) -> Message {
        Message::said(frame, self.bytes_max(link), &self.scenario.hub)
    }

    /// Something may have arrived for this end, or there is room to write.
    pub(super) fn poll_client(&mut self, id: ConnectionId) {
        let Some(holder) = self.client_ends.get(id).map(|end| end.holder) else { return };
        if self.still.contains_key(&holder) {
            return;
        }
        loop {
            self.write_as_client(id);
            let input = self.read_as_client(id);
            match (holder, input) {
                (Holder::Client(client), Some(input)) => self.client_hears(client, id, input),
                (Holder::Client(client), None) => return self.client_idle(client),
                (Holder::Raw(raw), Some(input)) => self.raw_hears(raw, id, input),
                // As in its task: it reads what there is before it obeys.
                (Holder::Raw(raw), None) => return self.obey_raw(raw),
            }
        }
    }

    /// What comes next, if there is anything.
    fn read_as_client(&mut self, id: ConnectionId) -> Option<Input> {
        loop {
            let end = self.client_ends.get_mut(id)?;
            if end.state == DialState::Dialling {
                match self.network.dial(id) {
                    Dial::Pending => return None,
                    Dial::Failed(why) => return Some(not_opened(why)),
                    Dial::Established => {
                        end.state = DialState::Upgrading;
                        end.encoded.push(Message::Upgrade);
                        self.write_as_client(id);
                        continue;
                    }
                }
            }
            return Some(match (self.network.read(self.now, id, End::Client), end.state) {
                (Read::Nothing, _) => return None,
                (Read::Data(Message::Ping), DialState::Up) => {
                    end.encoded.push(Message::Pong);
                    Input::Alive
                }
                (Read::Data(Message::Part { first, of }), DialState::Up) => {
                    Input::Part { first, declared: of as u64 }
                }
                (Read::Data(Message::Upgraded), _) => {
                    end.state = DialState::Up;
                    Input::Opened
                }
                (Read::Data(Message::Sent(message)), DialState::Up) => {
                    Input::Frame(Ok(hand_over(&message, &self.scenario.hub.hub_address)))
                }
                (Read::Data(Message::Close(reason)), DialState::Up) => {
                    let code = reason.map(CloseReason::code);
                    let reason = reason.map_or("", CloseReason::text).to_owned();
                    Input::Lost(DisconnectReason::Closed { code, reason })
                }
                (Read::Data(_), _) => continue,
                (Read::Ended | Read::Failed(_), DialState::Closing) => {
                    self.drop_client_end(id);
                    Input::Lost(DisconnectReason::Dropped)
                }
                (Read::Ended, DialState::Upgrading) => {
                    not_opened("the stream ended in the handshake")
                }
                (Read::Failed(why), DialState::Upgrading) => not_opened(why),
                (Read::Ended, _) => {
                    let why = "the stream ended without a close frame".to_owned();
                    Input::Lost(DisconnectReason::Broken(why))
                }
                (Read::Failed(why), _) => Input::Lost(DisconnectReason::Broken(why.to_string())),
            });
        }
    }

    fn write_as_client(&mut self, id: ConnectionId) {
        loop {
            while self.client_ends.get(id).is_some_and(|end| end.encoded.bytes() < ENCODED_BYTES)
                && let Some(message) = self.next_message(id)
                && let Some(end) = self.client_ends.get_mut(id)
            {
                end.encoded.push(message);
            }
            let end = self.client_ends.get_mut(id).filter(|end| end.encoded.len() > 0);
            let Some(end) = end else { return };
            match self.network.send(self.now, id, End::Client, &mut end.encoded) {
                Sending::Sent => {}
                Sending::Full => return,
                // The hub's last words can still be on their way.
                Sending::Broken => end.encoded = Unsent::default(),
            }
        }
    }

    fn next_message(&mut self, id: ConnectionId) -> Option<Message> {
        let end = self.client_ends.get_mut(id)?;
        let (Holder::Client(client), DialState::Up) = (end.holder, end.state) else { return None };
        let frame = self.client(client)?.state.next_frame()?;
        let message = self.said(id, frame);
        self.client_ends.get_mut(id)?.greeted |= message.is_connect();
        Some(message)
    }

    pub(super) fn wake_ends(&mut self, holder: Holder) {
        let held = self.client_ends.iter().filter(|(_, end)| end.holder == holder);
        held.for_each(|(id, _)| self.network.wake(id, End::Client));
    }
}

fn not_opened(why: impl fmt::Display) -> Input {
    Input::Lost(DisconnectReason::ConnectFailed(why.to_string()))
}
