//! Raw connections by messages: what steps say, one after the other; nothing of their own.

use std::collections::{BTreeMap, VecDeque};

use dst::backend::testbed;
use signal_hub::client::DisconnectReason;
use signal_hub::client::state::Input;
use signal_hub::protocol::MessageId;
use signal_hub::protocol::codec::HubFrame;
use tokio::sync::oneshot;

use super::agenda::Event;
use super::client_end::Holder;
use super::network::HostId;
use super::websocket::Message;
use super::world::World;
use crate::SignalHub;
use crate::history::{ClientEvent, ClientName};
use crate::lower::{CLOSE_TIMEOUT, RawSession, answered};
use crate::net::ConnectionId;
use crate::scenario::Action;

type Order = testbed::Order<SignalHub>;

/// A raw connection, in the order of its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawId(pub usize);

/// A raw connection that is under way.
pub struct Raw {
    pub name: ClientName,
    host: HostId,
    session: RawSession,
    orders: VecDeque<Order>,
    link: Link,
    connection: u32,
    awaited: BTreeMap<MessageId, oneshot::Sender<()>>,
}

enum Link {
    Down,
    /// For the order that waits.
    Dialling(ConnectionId, Box<Order>),
    Up(ConnectionId),
    /// The order was to close it.
    Closing(ConnectionId, oneshot::Sender<()>),
}

impl World {
    /// Adds a raw connection; nothing is opened yet.
    pub(super) fn add_raw(&mut self, name: ClientName, host: HostId, session: RawSession) -> RawId {
        let id = RawId(self.raws.len());
        self.raws.push(Some(Raw {
            name,
            host,
            session,
            orders: VecDeque::new(),
            link: Link::Down,
            connection: 0,
            awaited: BTreeMap::new(),
        }));
        id
    }

    pub(super) fn raw(&mut self, id: RawId) -> Option<&mut Raw> {
        self.raws.get_mut(id.0)?.as_mut()
    }

    pub(super) fn order(&mut self, id: RawId, order: Order) {
        if let Some(raw) = self.raw(id) {
            raw.orders.push_back(order);
            self.obey_raw(id);
        }
    }

    /// Carries out orders as long as none has to wait.
    pub(super) fn obey_raw(&mut self, id: RawId) {
        let stands_still = self.still.contains_key(&Holder::Raw(id));
        while let Some(raw) = self.raw(id) {
            match raw.link {
                Link::Down | Link::Up(_) if !stands_still => {}
                Link::Down | Link::Up(_) | Link::Dialling(..) | Link::Closing(..) => return,
            }
            let Some(order) = raw.orders.pop_front() else { return };
            let opens = matches!(order.action, Action::Open | Action::Connect { .. });
            if opens && matches!(raw.link, Link::Down) {
                let host = raw.host;
                let link = self.dial(Holder::Raw(id), host);
                if let Some(raw) = self.raw(id) {
                    raw.link = Link::Dialling(link, Box::new(order));
                }
            } else {
                self.carry_out_order(id, order);
            }
        }
    }

    fn carry_out_order(&mut self, id: RawId, order: Order) {
        let Some(raw) = self.raw(id) else { return };
        let (host, link) = (raw.host, raw.up());
        let name = raw.name.clone();
        let now = self.wall(host);
        let bytes_max = link.map_or(0, |link| self.bytes_max(link));
        let Order { number, speaker, action, done } = order;
        let Some(raw) = self.raw(id) else { return };
        match (&action, link) {
            (Action::Close, Some(link)) => {
                raw.link = Link::Closing(link, done);
                self.say_goodbye(link);
                return self.plan(CLOSE_TIMEOUT, Event::RawCloseTimeout(id, link));
            }
            (Action::Write { text }, Some(link)) => {
                let message = Message::written(text.clone(), bytes_max, &self.scenario.hub);
                self.queue_as_client(link, message);
            }
            (Action::Open | Action::Close | Action::Write { .. }, _) => {}
            (action, link) => {
                let said = raw.session.say(now, number, speaker.as_deref(), action);
                let Some((frame, awaited)) = said else { return };
                let Some(link) = link else {
                    let said = "has no connection to say it on".to_owned();
                    return self.record_client(&name, ClientEvent::Said(said));
                };
                match awaited {
                    Some(awaited) => drop(raw.awaited.insert(awaited, done)),
                    None => drop(done.send(())),
                }
                let message = Message::said(frame.clone(), bytes_max, &self.scenario.hub);
                self.record_client(&name, ClientEvent::Sent(frame));
                return self.queue_as_client(link, message);
            }
        }
        // Whoever gave the order may not wait for it.
        let _ = done.send(());
    }

    /// Something came by the connection.
    pub(super) fn raw_hears(&mut self, id: RawId, link: ConnectionId, input: Input) {
        match input {
            Input::Opened => self.raw_opened(id),
            Input::Frame(Ok(frame)) => self.raw_received(id, frame),
            Input::Lost(why) => {
                self.drop_client_end(link);
                if matches!(why, DisconnectReason::ConnectFailed(_)) {
                    self.raw_not_opened(id, &why);
                } else {
                    self.raw_lost(id, why);
                }
            }
            Input::Alive | Input::Part { .. } | Input::Frame(Err(_)) => {}
            Input::Start
            | Input::Token(_)
            | Input::Command(..)
            | Input::Tick
            | Input::Stalled
            | Input::Stop => {
                unreachable!("these come by no connection")
            }
        }
    }

    fn raw_opened(&mut self, id: RawId) {
        let Some(raw) = self.raw(id) else { return };
        let Link::Dialling(link, order) = std::mem::replace(&mut raw.link, Link::Down) else {
            return;
        };
        raw.link = Link::Up(link);
        raw.connection += 1;
        let (name, connection) = (raw.name.clone(), raw.connection);
        self.record_client(&name, ClientEvent::Opened { connection });
        self.carry_out_order(id, *order);
    }

    fn raw_not_opened(&mut self, id: RawId, why: &DisconnectReason) {
        let Some(raw) = self.raw(id) else { return };
        let Link::Dialling(_, order) = std::mem::replace(&mut raw.link, Link::Down) else {
            return;
        };
        let name = raw.name.clone();
        self.record_client(&name, ClientEvent::Said(why.to_string()));
        self.carry_out_order(id, *order);
        self.obey_raw(id);
    }

    fn raw_received(&mut self, id: RawId, frame: HubFrame) {
        let Some(raw) = self.raw(id) else { return };
        raw.session.received(&frame);
        let done = answered(&frame).and_then(|id| raw.awaited.remove(id));
        let name = raw.name.clone();
        self.record_client(&name, ClientEvent::Received(frame));
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// The connection is gone, and its end with it.
    fn raw_lost(&mut self, id: RawId, why: DisconnectReason) {
        let Some(raw) = self.raw(id) else { return };
        let link = std::mem::replace(&mut raw.link, Link::Down);
        // A dropped sender tells that there is nothing to wait for.
        raw.awaited.clear();
        let (name, connection) = (raw.name.clone(), raw.connection);
        self.record_client(&name, ClientEvent::Lost { connection, why });
        if let Link::Closing(_, done) = link {
            let _ = done.send(());
        }
        self.obey_raw(id);
    }

    /// The close handshake is over, well or not.
    pub(super) fn raw_closed(&mut self, id: RawId, link: ConnectionId) {
        let closing = self.raw(id).is_some_and(|raw| raw.is_closing(link));
        if closing {
            self.drop_client_end(link);
            self.raw_lost(id, DisconnectReason::Dropped);
        }
    }

    /// Ends its process. In a crash, the network is told before.
    pub(super) fn kill_raw(&mut self, id: RawId) {
        if let Some(raw) = self.raws.get_mut(id.0) {
            *raw = None;
        }
        self.drop_ends_of(Holder::Raw(id));
    }

    pub(super) fn resume_raw(&mut self, id: RawId) {
        for event in self.still.remove(&Holder::Raw(id)).unwrap_or_default() {
            self.agenda.plan(self.now, event);
        }
        self.wake_ends(Holder::Raw(id));
        match self.raw(id).and_then(|raw| raw.up()) {
            Some(link) => self.poll_client(link),
            None => self.obey_raw(id),
        }
    }
}

impl Raw {
    fn up(&self) -> Option<ConnectionId> {
        match self.link {
            Link::Up(link) => Some(link),
            Link::Down | Link::Dialling(..) | Link::Closing(..) => None,
        }
    }

    fn is_closing(&self, wanted: ConnectionId) -> bool {
        matches!(self.link, Link::Closing(link, _) if link == wanted)
    }
}
