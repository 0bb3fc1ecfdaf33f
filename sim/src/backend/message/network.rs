//! The network by messages: [`crate::net`]'s, which carries them whole.

use std::time::Duration;

use super::websocket::Message;
use crate::net::{self, ConnectionId, End, LinkConfig, Payload, Place};
pub(crate) use crate::net::{Dial, HostId, Plan};
use crate::scenario::{HUB_PORT, Scenario};

pub type Network = net::World<Carried>;
pub type Read = net::Read<Message>;

/// Where the hub listens.
pub const HUB: Place = Place { host: HostId::FIRST, port: HUB_PORT };

/// The network of a run.
pub fn new(scenario: &Scenario) -> Network {
    let mut network = Network::new(scenario.seed, scenario.network.clone());
    for host in scenario.hosts() {
        network.host(&host);
    }
    network
}

/// A message and what it takes of a window, in bytes.
#[derive(Debug)]
pub struct Carried(pub(super) Message, pub(super) usize);

impl Payload for Carried {
    fn bytes(&self) -> usize {
        self.1
    }

    /// A message that is longer than the window goes in parts; then none is behind it.
    fn room(offered: usize, used: usize, link: &LinkConfig) -> usize {
        let window = link.window_bytes;
        let full = window == 0 || used > 0 && used + offered > window;
        if full { 0 } else { offered }
    }

    /// Where bandwidth is bounded, a long message shows on its way that something comes.
    fn split(&mut self, nth: usize, link: &LinkConfig) -> Option<Self> {
        let most = link.segment_bytes_max.max(1);
        if link.bytes_per_second.is_none() || self.1 <= most {
            return None;
        }
        let part = Message::Part { first: nth == 0, of: self.1 + nth * most };
        self.1 -= most;
        Some(Self(part, most))
    }

    fn hash(&self) -> Option<u64> {
        None
    }
}

/// What became of a message that was to be sent.
#[derive(Debug)]
pub enum Sending {
    Sent,
    /// The window is full; the end is woken when it is not.
    Full(Message),
    Broken,
}

/// What ends do with whole messages.
pub trait Messages {
    fn read(&mut self, now: Duration, id: ConnectionId, end: End) -> Read;

    fn send(&mut self, now: Duration, id: ConnectionId, end: End, message: Message) -> Sending;
}

impl Messages for Network {
    fn read(&mut self, now: Duration, id: ConnectionId, end: End) -> Read {
        self.take(now, (id, end), |unread| {
            let Carried(message, bytes) = unread.pop_front().expect("there is something");
            (message, bytes)
        })
    }

    fn send(&mut self, now: Duration, id: ConnectionId, end: End, message: Message) -> Sending {
        let bytes = message.bytes();
        match self.room(id, end, bytes) {
            Err(_) => Sending::Broken,
            Ok(0) => Sending::Full(message),
            Ok(_) => {
                self.write(now, id, end, Carried(message, bytes));
                Sending::Sent
            }
        }
    }
}
