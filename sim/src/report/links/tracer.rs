//! Follows what is on its way between clients and the hub, until it arrives or never will.

use std::collections::{BTreeMap, VecDeque};

use signal_hub::hub::{Input, Output};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{Body, ClientFrame};

use super::{Arrow, Carries, Connection, Fate, HubSession, Way};
use crate::history::{ClientEvent, ClientName, HubEvent};

/// Follows what is on its way. Each direction of a connection keeps its order.
#[derive(Debug, Default)]
pub struct Tracer {
    pub sessions: BTreeMap<HubSession, Connection>,
    pub arrows: Vec<Arrow>,
    ways: BTreeMap<Connection, OnTheWay>,
}

/// Both ways of a connection.
#[derive(Debug, Default)]
struct OnTheWay {
    to_hub: Travellers,
    from_hub: Travellers,
    end: Ending,
}

/// Arrows without an end, each with the id of its message; pings and pongs have none.
#[derive(Debug, Default)]
struct Travellers {
    waiting: VecDeque<(Option<String>, usize)>,
    /// Whether nobody will take what comes.
    is_deaf: bool,
}

impl OnTheWay {
    fn travellers(&mut self, way: Way) -> &mut Travellers {
        match way {
            Way::ToHub => &mut self.to_hub,
            Way::FromHub => &mut self.from_hub,
        }
    }
}

#[derive(Debug, Default)]
enum Ending {
    #[default]
    NotYet,
    OneSideKnows {
        way: Way,
        arrow: usize,
    },
    BothKnow,
}

impl Tracer {
    pub fn new(sessions: BTreeMap<HubSession, Connection>) -> Self {
        Self { sessions, ..Self::default() }
    }

    pub fn hub(&mut self, number: usize, restarts: u32, hub: &HubEvent) {
        let session = |key| HubSession { restarts, key };
        if let Some(connection) = hub.input.session().and_then(|k| self.sessions.get(&session(k))) {
            let connection = connection.clone();
            match &hub.input {
                Input::Frame(_, Ok(frame)) => {
                    let way = &mut self.ways.entry(connection).or_default().to_hub;
                    way.arrive(&mut self.arrows, client_id(frame), number);
                }
                Input::Closed(..) => self.end(number, connection, Way::FromHub),
                Input::Restored(_)
                | Input::Opened(..)
                | Input::Frame(_, Err(_))
                | Input::Alive(_)
                | Input::Drained(..)
                | Input::Tick
                | Input::Late(_)
                | Input::Shutdown => {}
            }
        }
        for (index, output) in hub.outputs.iter().enumerate() {
            let (Output::Send(key, _) | Output::Close(key, _) | Output::Linger(key, _)) = output
            else {
                continue;
            };
            let Some(connection) = self.sessions.get(&session(*key)).cloned() else { continue };
            let arrow = self.depart(number, &connection, Way::FromHub, Carries::Output(index));
            let ways = self.ways.entry(connection).or_default();
            match output {
                Output::Send(_, message) => {
                    let id = (!matches!(message.body, Body::Pong)).then(|| message.id.to_string());
                    ways.from_hub.depart(&mut self.arrows, id, arrow);
                }
                Output::Close(..) | Output::Linger(..) => {
                    if let Ending::NotYet = ways.end {
                        ways.end = Ending::OneSideKnows { way: Way::FromHub, arrow };
                    }
                }
                Output::Audit(_) => {}
            }
        }
    }

    pub fn client(&mut self, number: usize, connection: Connection, event: &ClientEvent) {
        match event {
            ClientEvent::Sent(frame) => {
                let arrow = self.depart(number, &connection, Way::ToHub, Carries::Frame);
                let id = client_id(frame).map(str::to_owned);
                let ways = self.ways.entry(connection).or_default();
                ways.to_hub.depart(&mut self.arrows, id, arrow);
            }
            ClientEvent::Received(frame) => {
                let id = match frame {
                    HubFrame::Pong => None,
                    HubFrame::Message(message) => Some(message.id.as_str()),
                };
                let way = &mut self.ways.entry(connection).or_default().from_hub;
                way.arrive(&mut self.arrows, id, number);
            }
            ClientEvent::Lost { .. } => self.end(number, connection, Way::ToHub),
            ClientEvent::Ended => {
                self.deafen(Way::FromHub, |client| *client == connection.client);
            }
            ClientEvent::Started { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Told { .. }
            | ClientEvent::Said(_) => {}
        }
    }

    fn depart(
        &mut self,
        from: usize,
        connection: &Connection,
        way: Way,
        carries: Carries,
    ) -> usize {
        let connection = connection.clone();
        self.arrows.push(Arrow { connection, way, carries, from, fate: Fate::UnderWay });
        self.arrows.len() - 1
    }

    /// One side sees the end: either it learns of the other's, or it is the first.
    fn end(&mut self, number: usize, connection: Connection, way: Way) {
        let ways = self.ways.entry(connection.clone()).or_default();
        let coming = ways.travellers(way.back());
        coming.deafen(&mut self.arrows);
        match ways.end {
            Ending::OneSideKnows { way: known, arrow } if known != way => {
                self.arrows[arrow].fate = Fate::Arrived(number);
                ways.end = Ending::BothKnow;
            }
            Ending::NotYet => {
                let arrow = self.depart(number, &connection, way, Carries::End);
                self.ways.entry(connection).or_default().end = Ending::OneSideKnows { way, arrow };
            }
            Ending::OneSideKnows { .. } | Ending::BothKnow => {}
        }
    }

    /// Those who would take what goes this way, on the connections of some clients, are gone.
    pub fn deafen(&mut self, way: Way, of: impl Fn(&ClientName) -> bool) {
        for (_, ways) in self.ways.iter_mut().filter(|(connection, _)| of(&connection.client)) {
            ways.travellers(way).deafen(&mut self.arrows);
            if let Ending::OneSideKnows { way: known, arrow } = ways.end
                && known == way
            {
                self.arrows[arrow].fate = Fate::Lost;
            }
        }
    }
}

impl Travellers {
    fn depart(&mut self, arrows: &mut [Arrow], id: Option<String>, arrow: usize) {
        if self.is_deaf {
            arrows[arrow].fate = Fate::Lost;
        } else {
            self.waiting.push_back((id, arrow));
        }
    }

    /// Ends the arrow of this message; what was sent before it and has not come never will.
    fn arrive(&mut self, arrows: &mut [Arrow], id: Option<&str>, number: usize) {
        let Some(place) = self.waiting.iter().position(|(known, _)| known.as_deref() == id) else {
            return;
        };
        for (_, arrow) in self.waiting.drain(..place) {
            arrows[arrow].fate = Fate::Lost;
        }
        let arrived = self.waiting.pop_front();
        arrived.into_iter().for_each(|(_, arrow)| arrows[arrow].fate = Fate::Arrived(number));
    }

    fn deafen(&mut self, arrows: &mut [Arrow]) {
        self.is_deaf = true;
        self.waiting.drain(..).for_each(|(_, arrow)| arrows[arrow].fate = Fate::Lost);
    }
}

pub fn client_id(frame: &ClientFrame) -> Option<&str> {
    match frame {
        ClientFrame::Ping => None,
        ClientFrame::Request(request) => Some(request.id.as_str()),
    }
}
