//! Which session belongs to which connection of which client, and where each message arrived: the
//! arrows of every picture. Read from the ids in the frames, so a history that lost its beginning
//! still tells most of it.

use std::collections::{BTreeMap, VecDeque};

use signal_hub::hub::{Input, Output, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{Body, ClientFrame, MessageId, Reply};

use crate::history::{ClientEvent, ClientName, Event, HubEvent, What};

/// A session of one of the hubs of a run: a hub that starts again counts its sessions anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubSession {
    pub restarts: u32,
    pub key: SessionKey,
}

/// One connection of one client, counted from 1; 0 is one that opened before the history begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    pub client: ClientName,
    pub number: u32,
}

/// Something that travels between a client and the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    pub connection: Connection,
    pub way: Way,
    pub carries: Carries,
    /// The event that it begins at.
    pub from: usize,
    /// The event that it ends at, if it arrived.
    pub to: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToHub,
    FromHub,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// A frame of the client.
    Frame,
    /// This output of the hub's event.
    Output(usize),
    /// The end of the connection, as one side learns it from the other.
    End,
}

/// What belongs together in a history.
#[derive(Debug, Default)]
pub struct Links {
    pub sessions: BTreeMap<HubSession, Connection>,
    /// In the order in which they begin.
    pub arrows: Vec<Arrow>,
}

impl Links {
    pub fn of(events: &[Event]) -> Self {
        let mut tracer = Tracer { sessions: sessions(events), ..Tracer::default() };
        let mut place = Place::default();
        for (number, event) in events.iter().enumerate() {
            place.pass(event);
            match &event.what {
                What::Hub(hub) => tracer.hub(number, place.restarts, hub),
                What::Client { client, event } => {
                    tracer.client(number, place.connection(client), event);
                }
                What::HubStarted { .. }
                | What::HubStopped { .. }
                | What::Net(_)
                | What::Run(_)
                | What::Step { .. } => {}
            }
        }
        Self { sessions: tracer.sessions, arrows: tracer.arrows }
    }
}

/// Where in a history one is: which hub runs, and on which connection each client is.
#[derive(Debug, Default)]
pub struct Place {
    pub restarts: u32,
    connections: BTreeMap<ClientName, u32>,
}

impl Place {
    pub fn pass(&mut self, event: &Event) {
        match &event.what {
            What::HubStarted { restarts } => self.restarts = *restarts,
            What::Client { client, event: ClientEvent::Opened { connection } } => {
                self.connections.insert(client.clone(), *connection);
            }
            What::Client { .. }
            | What::Hub(_)
            | What::HubStopped { .. }
            | What::Net(_)
            | What::Run(_)
            | What::Step { .. } => {}
        }
    }

    pub fn connection(&self, client: &ClientName) -> Connection {
        let number = self.connections.get(client).copied().unwrap_or_default();
        Connection { client: client.clone(), number }
    }

    pub fn session(&self, key: SessionKey) -> HubSession {
        HubSession { restarts: self.restarts, key }
    }
}

/// A session is that of the connection which sent what it says, or got its id.
fn sessions(events: &[Event]) -> BTreeMap<HubSession, Connection> {
    let mut place = Place::default();
    let mut senders: BTreeMap<&MessageId, Option<Connection>> = BTreeMap::new();
    let mut said: Vec<(HubSession, &MessageId)> = Vec::new();
    let mut by_id: BTreeMap<&str, HubSession> = BTreeMap::new();
    let mut sessions = BTreeMap::new();
    for event in events {
        place.pass(event);
        match &event.what {
            What::Hub(hub) => {
                for (key, row) in &hub.touched.sessions {
                    let row = row.as_ref();
                    row.map(|row| by_id.entry(row.id.as_str()).or_insert(place.session(*key)));
                }
                if let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input {
                    said.push((place.session(*key), &request.id));
                }
            }
            What::Client { client, event: ClientEvent::Sent(frame) } => {
                if let ClientFrame::Request(request) = frame.as_ref() {
                    let connection = place.connection(client);
                    let sender = senders.entry(&request.id).or_insert(Some(connection.clone()));
                    // An id that two connections sent tells nothing.
                    *sender = sender.take().filter(|known| *known == connection);
                }
            }
            What::Client { client, event: ClientEvent::Received(frame) } => {
                if let Some(session) = session_id(frame).and_then(|id| by_id.get(id)) {
                    sessions.insert(*session, place.connection(client));
                }
            }
            What::Client { .. }
            | What::HubStarted { .. }
            | What::HubStopped { .. }
            | What::Net(_)
            | What::Run(_)
            | What::Step { .. } => {}
        }
    }
    for (session, id) in said {
        if let Some(Some(connection)) = senders.get(id) {
            sessions.entry(session).or_insert_with(|| connection.clone());
        }
    }
    sessions
}

/// The id that the hub gives a session when it connects.
fn session_id(frame: &HubFrame) -> Option<&str> {
    let HubFrame::Message(message) = frame else { return None };
    match &message.body {
        HubBody::Reply { reply: Reply::Connected(connected), .. } => {
            Some(connected.session_id.as_str())
        }
        HubBody::Reply { .. }
        | HubBody::Notice(_)
        | HubBody::Delivery { .. }
        | HubBody::Unknown { .. } => None,
    }
}

/// Follows what is on its way. Each direction of a connection keeps its order.
#[derive(Debug, Default)]
struct Tracer {
    sessions: BTreeMap<HubSession, Connection>,
    arrows: Vec<Arrow>,
    ways: BTreeMap<Connection, OnTheWay>,
}

/// Arrows without an end, each with the id of its message; pings and pongs have none.
#[derive(Debug, Default)]
struct OnTheWay {
    to_hub: VecDeque<(Option<String>, usize)>,
    from_hub: VecDeque<(Option<String>, usize)>,
    end: Ending,
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
    fn hub(&mut self, number: usize, restarts: u32, hub: &HubEvent) {
        let session = |key| HubSession { restarts, key };
        if let Some(connection) = hub.input.session().and_then(|k| self.sessions.get(&session(k))) {
            let connection = connection.clone();
            match &hub.input {
                Input::Frame(_, Ok(frame)) => {
                    let way = &mut self.ways.entry(connection).or_default().to_hub;
                    arrive(&mut self.arrows, way, client_id(frame), number);
                }
                Input::Closed(..) => self.end(number, connection, Way::FromHub),
                Input::Opened(..)
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
                    ways.from_hub.push_back((id, arrow));
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

    fn client(&mut self, number: usize, connection: Connection, event: &ClientEvent) {
        match event {
            ClientEvent::Sent(frame) => {
                let arrow = self.depart(number, &connection, Way::ToHub, Carries::Frame);
                let id = client_id(frame).map(str::to_owned);
                self.ways.entry(connection).or_default().to_hub.push_back((id, arrow));
            }
            ClientEvent::Received(frame) => {
                let id = match frame.as_ref() {
                    HubFrame::Pong => None,
                    HubFrame::Message(message) => Some(message.id.as_str()),
                };
                let way = &mut self.ways.entry(connection).or_default().from_hub;
                arrive(&mut self.arrows, way, id, number);
            }
            ClientEvent::Lost { .. } => self.end(number, connection, Way::ToHub),
            ClientEvent::Started { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Ended
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
        self.arrows.push(Arrow { connection, way, carries, from, to: None });
        self.arrows.len() - 1
    }

    /// One side sees the end: either it learns of the other's, or it is the first.
    fn end(&mut self, number: usize, connection: Connection, way: Way) {
        let ways = self.ways.entry(connection.clone()).or_default();
        match ways.end {
            Ending::OneSideKnows { way: known, arrow } if known != way => {
                self.arrows[arrow].to = Some(number);
                ways.end = Ending::BothKnow;
            }
            Ending::NotYet => {
                let arrow = self.depart(number, &connection, way, Carries::End);
                self.ways.entry(connection).or_default().end = Ending::OneSideKnows { way, arrow };
            }
            Ending::OneSideKnows { .. } | Ending::BothKnow => {}
        }
    }
}

fn client_id(frame: &ClientFrame) -> Option<&str> {
    match frame {
        ClientFrame::Ping => None,
        ClientFrame::Request(request) => Some(request.id.as_str()),
    }
}

/// Ends the arrow of this message; what was sent before it and has not come never will.
fn arrive(
    arrows: &mut [Arrow],
    way: &mut VecDeque<(Option<String>, usize)>,
    id: Option<&str>,
    number: usize,
) {
    let Some(place) = way.iter().position(|(known, _)| known.as_deref() == id) else { return };
    if let Some((_, arrow)) = way.drain(..=place).next_back() {
        arrows[arrow].to = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{self, Backend};
    use crate::run::Keep;
    use crate::scenario;

    fn storm() -> Vec<Event> {
        let storm = scenario::generate(scenario::Profile::Halfopen, 7);
        backend::play(&storm, Backend::Simulated, Keep::All).expect("it can be played").events
    }

    #[test]
    fn whatever_a_client_hears_has_left_the_hub_before() {
        let events = storm();
        let arrows = Links::of(&events).arrows;
        for (number, event) in events.iter().enumerate() {
            let What::Client { client, event: ClientEvent::Received(_) } = &event.what else {
                continue;
            };
            let arriving: Vec<&Arrow> = arrows.iter().filter(|a| a.to == Some(number)).collect();
            let [arrow] = arriving[..] else { panic!("{event}: {} arrows", arriving.len()) };
            assert_eq!(arrow.way, Way::FromHub);
            assert_eq!(arrow.connection.client, *client);
            assert!(arrow.from < number);
        }
    }

    #[test]
    fn whatever_the_hub_is_asked_has_left_a_client_before() {
        let events = storm();
        let arrows = Links::of(&events).arrows;
        for (number, event) in events.iter().enumerate() {
            let What::Hub(hub) = &event.what else { continue };
            let Input::Frame(_, Ok(frame)) = &hub.input else { continue };
            let arriving: Vec<&Arrow> = arrows.iter().filter(|a| a.to == Some(number)).collect();
            let [arrow] = arriving[..] else { panic!("{event}: {} arrows", arriving.len()) };
            let What::Client { event: ClientEvent::Sent(sent), .. } = &events[arrow.from].what
            else {
                panic!("{event} comes from no frame");
            };
            assert_eq!(client_id(sent), client_id(frame));
        }
    }

    #[test]
    fn a_history_without_its_beginning_still_tells_whose_sessions_they_are() {
        let events = storm();
        let whole = Links::of(&events).sessions;
        let rest = Links::of(&events[200..]).sessions;
        assert!(rest.len() >= 4);
        for (session, connection) in rest {
            assert_eq!(connection.client, whole[&session].client);
        }
    }

    #[test]
    fn what_is_cut_off_never_arrives() {
        let events = storm();
        let arrows = Links::of(&events).arrows;
        assert!(arrows.iter().any(|arrow| arrow.to.is_none()), "a storm loses something");
        let late = |arrow: &&Arrow| arrow.to.is_some_and(|to| to <= arrow.from);
        assert_eq!(arrows.iter().find(late), None);
    }
}
