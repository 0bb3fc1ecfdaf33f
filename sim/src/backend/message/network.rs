//! The network by messages: [`crate::net`]'s, which carries them instead of their bytes.

use std::collections::VecDeque;
use std::time::Duration;

use super::websocket::Message;
use crate::net::{self, ConnectionId, End, Payload, Place};
pub(crate) use crate::net::{Dial, HostId, Plan};
use crate::scenario::{HUB_PORT, Scenario};

pub type Network = net::World<Box<Carried>>;
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

/// A segment: messages that are written at once, and so arrive at once, each with its bytes.
#[derive(Debug)]
pub struct Carried {
    first: (Message, usize),
    more: VecDeque<(Message, usize)>,
    /// Of those that are left.
    bytes: usize,
}

impl Carried {
    pub fn new(message: Message, bytes: usize) -> Box<Self> {
        Box::new(Self { first: (message, bytes), more: VecDeque::new(), bytes })
    }
}

/// On its way it is moved often, and it is large.
impl Payload for Box<Carried> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn hash(&self) -> Option<u64> {
        None
    }
}

/// What an end has to send.
#[derive(Debug, Default)]
pub struct Unsent {
    /// Each with its bytes that are not on their way.
    messages: VecDeque<(Message, usize)>,
    bytes: usize,
}

impl Unsent {
    pub fn push(&mut self, message: Message) {
        let bytes = message.bytes();
        self.bytes += bytes;
        self.messages.push_back((message, bytes));
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// As many messages as make a segment, or a part of one that is longer.
    fn take(&mut self, segment: usize) -> Option<Box<Carried>> {
        let (message, left) = self.messages.front_mut()?;
        if segment < *left {
            let whole = message.bytes();
            let part = Message::Part { first: *left == whole, of: whole };
            *left -= segment;
            self.bytes -= segment;
            return Some(Carried::new(part, segment));
        }
        let (first, left) = self.messages.pop_front()?;
        let mut carried = Carried::new(first, left);
        while let Some((_, bytes)) = self.messages.front()
            && carried.bytes + bytes <= segment
        {
            carried.bytes += bytes;
            carried.more.extend(self.messages.pop_front());
        }
        self.bytes -= carried.bytes;
        Some(carried)
    }
}

/// What became of messages that were to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    Sent,
    /// The window is full; the end is woken when it is not.
    Full,
    Broken,
}

/// What ends do with messages.
pub trait Messages {
    fn read(&mut self, now: Duration, id: ConnectionId, end: End) -> Read;

    /// Sends what there is room for, a segment at a time.
    fn send(&mut self, now: Duration, id: ConnectionId, end: End, unsent: &mut Unsent) -> Sending;
}

impl Messages for Network {
    fn read(&mut self, now: Duration, id: ConnectionId, end: End) -> Read {
        self.take(now, (id, end), |unread| {
            let carried = unread.front_mut().expect("there is something");
            carried.bytes -= carried.first.1;
            match carried.more.pop_front() {
                Some(next) => std::mem::replace(&mut carried.first, next),
                None => unread.pop_front().expect("it was just there").first,
            }
        })
    }

    fn send(&mut self, now: Duration, id: ConnectionId, end: End, unsent: &mut Unsent) -> Sending {
        while unsent.len() > 0 {
            let segment = match self.room(id, end, unsent.bytes) {
                Err(_) => return Sending::Broken,
                Ok(0) => return Sending::Full,
                Ok(segment) => segment,
            };
            if let Some(carried) = unsent.take(segment) {
                self.write(now, id, end, carried);
            }
        }
        Sending::Sent
    }
}
