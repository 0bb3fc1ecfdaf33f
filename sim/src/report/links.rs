//! Which session belongs to which connection of which client, and where each message arrived: the
//! arrows of every picture. Read from the ids in the frames, so a history that lost its beginning
//! still tells most of it.

mod tracer;

use std::collections::BTreeMap;

use signal_hub::hub::{Input, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubFrame};
use signal_hub::protocol::{ClientFrame, MessageId, Reply, SessionId};

use crate::history::{ClientEvent, ClientName, Event, Milestone, What};
use crate::scenario::{Act, ProcessAct, What as Doing};
use tracer::Tracer;

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
    pub fate: Fate,
}

impl Arrow {
    /// The event that it ends at, if it arrived.
    pub const fn arrived(&self) -> Option<usize> {
        match self.fate {
            Fate::Arrived(event) => Some(event),
            Fate::UnderWay | Fate::Lost => None,
        }
    }
}

/// What became of something that travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The history ends before it is known.
    UnderWay,
    Arrived(usize),
    /// It never arrives: its place in the order has passed, or nobody listens any more.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToHub,
    FromHub,
}

impl Way {
    const fn back(self) -> Self {
        match self {
            Self::ToHub => Self::FromHub,
            Self::FromHub => Self::ToHub,
        }
    }
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
        let mut tracer = Tracer::new(sessions(events));
        let mut place = Place::default();
        for (number, event) in events.iter().enumerate() {
            place.pass(event);
            match &event.what {
                What::Hub(hub) => tracer.hub(number, place.restarts, hub),
                What::Client { client, event } => {
                    tracer.client(number, place.connection(client), event);
                }
                What::HubStopped { .. } => tracer.deafen(Way::ToHub, |_| true),
                What::Run(Milestone::Leave) => tracer.deafen(Way::FromHub, |_| true),
                What::Step { step, .. } => {
                    if let Doing::Act { who, act: Act::Process(ProcessAct::Crash { .. }), .. } =
                        &step.what
                    {
                        tracer.deafen(Way::FromHub, |client| client.who() == *who);
                    }
                }
                What::HubStarted { .. } | What::Net(_) | What::Run(_) => {}
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
    let mut by_id: BTreeMap<SessionId, HubSession> = BTreeMap::new();
    let mut sessions = BTreeMap::new();
    for event in events {
        place.pass(event);
        match &event.what {
            What::Hub(hub) => {
                for (key, row) in &hub.touched.sessions {
                    let row = row.as_ref();
                    row.map(|row| by_id.entry(row.id).or_insert(place.session(*key)));
                }
                if let Input::Frame(key, Ok(ClientFrame::Request(request))) = &hub.input {
                    said.push((place.session(*key), &request.id));
                }
            }
            What::Client { client, event: ClientEvent::Sent(frame) } => {
                if let ClientFrame::Request(request) = frame {
                    let connection = place.connection(client);
                    let sender = senders.entry(&request.id).or_insert(Some(connection.clone()));
                    // An id that two connections sent tells nothing.
                    *sender = sender.take().filter(|known| *known == connection);
                }
            }
            What::Client { client, event: ClientEvent::Received(frame) } => {
                if let Some(session) = session_id(frame).and_then(|id| by_id.get(&id)) {
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
fn session_id(frame: &HubFrame) -> Option<SessionId> {
    let HubFrame::Message(message) = frame else { return None };
    match &message.body {
        HubBody::Reply { reply: Reply::Connected(connected), .. } => Some(connected.session_id),
        HubBody::Reply { .. }
        | HubBody::Notice(_)
        | HubBody::Delivery { .. }
        | HubBody::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::tracer::client_id;
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
            let arriving: Vec<&Arrow> =
                arrows.iter().filter(|a| a.arrived() == Some(number)).collect();
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
            let arriving: Vec<&Arrow> =
                arrows.iter().filter(|a| a.arrived() == Some(number)).collect();
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
        assert!(arrows.iter().any(|arrow| arrow.fate == Fate::Lost), "a storm loses something");
        let late = |arrow: &&Arrow| arrow.arrived().is_some_and(|to| to <= arrow.from);
        assert_eq!(arrows.iter().find(late), None);
    }

    #[test]
    fn what_is_unfinished_when_the_history_ends_is_under_way() {
        let events = storm();
        let asks = |event: &Event| matches!(&event.what, What::Client { event: ClientEvent::Sent(f), .. } if client_id(f).is_some());
        let sent = events.iter().position(asks).expect("somebody asks");
        let arrows = Links::of(&events[..=sent]).arrows;
        assert_eq!(
            arrows.last().map(|arrow| (arrow.from, arrow.fate)),
            Some((sent, Fate::UnderWay))
        );
        let whole = Links::of(&events).arrows;
        let same = whole.iter().find(|arrow| arrow.from == sent);
        assert!(same.is_some_and(|arrow| arrow.arrived().is_some()));
    }
}
