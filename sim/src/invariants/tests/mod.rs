//! Short histories: a real hub plays each, so that it satisfies what must hold, and then something
//! in its last event is other than it should be.

mod answers;
mod delivery;
mod directory;
mod identity;
mod liveness;
mod narrowed;
mod recovery;
mod resources;
mod store;
mod subscriptions;
mod tokens;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use signal_hub::hub::{
    AddressRow, CloseCause, Config, Hub, Ids, Input, Output, Peer, SessionKey, SessionRow, Written,
};
use signal_hub::protocol::codec::hand_over;
use signal_hub::protocol::{
    ActorAddress, Body, ClientFrame, Connect, Delivery, Discover, Json, MessageId, Outgoing,
    PROTOCOL_VERSION, Pattern, Publish, Register, Renew, RenewalToken, Reply, Request, Send,
    Subscribe, Subscription, Topic, Unregister, Unsubscribe, Verb,
};
use signal_hub::time::Timestamp;

use super::{Invariant, Judge, Time};
use crate::history::{ClientEvent, ClientKind, ClientName, Event, HubEvent, Milestone, Stop, What};
use crate::scenario::Scenario;

const START: u64 = 1_000_000_000;
const TTL: Duration = Duration::from_secs(300);

/// A hub, what happened to it, and how it is judged.
struct Story {
    hub: Hub,
    at: Duration,
    requests: u64,
    events: Vec<Event>,
    /// What it is judged by; a hub that obeys another configuration breaks it.
    scenario: Scenario,
}

impl Story {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A story of a hub with another configuration.
    fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        adjust(&mut config);
        let scenario = Scenario { hub: config.clone(), ..Scenario::default() };
        let hub = Hub::new(config, Ids::new([7; 32]));
        let mut story = Self { hub, at: Duration::ZERO, requests: 0, events: Vec::new(), scenario };
        story.records(What::HubStarted { restarts: 0 });
        story
    }

    /// A story in which sessions 1, 2, ... have registered these.
    fn of<const N: usize>(names: [&str; N]) -> Self {
        let mut story = Self::new();
        story.all_registered(names);
        story
    }

    fn all_registered<const N: usize>(&mut self, names: [&str; N]) {
        for (key, name) in (1..).zip(names) {
            self.connected(key, name);
            self.asks(key, name, register(name));
        }
    }

    fn connected(&mut self, key: u64, name: &str) {
        self.opens(key);
        self.asks(key, name, connect());
    }

    fn opens(&mut self, key: u64) {
        let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)) };
        self.happens(Input::Opened(SessionKey(key), peer));
    }

    fn closes(&mut self, key: u64) {
        self.happens(Input::Closed(SessionKey(key), CloseCause::Lost));
    }

    /// Says something and takes in the answer, and with it all that waited.
    fn asks(&mut self, key: u64, from: &str, verb: Verb) {
        self.says(key, from, Pattern::Ask, verb);
    }

    fn tells(&mut self, key: u64, from: &str, verb: Verb) {
        self.says(key, from, Pattern::Tell, verb);
    }

    fn says(&mut self, key: u64, from: &str, pattern: Pattern, verb: Verb) {
        self.requests += 1;
        let id = MessageId::parse(&format!("m-{}", self.requests)).unwrap();
        self.sends(key, request(self.now(), id, from, pattern, verb));
    }

    fn sends(&mut self, key: u64, request: Request) {
        let frame = ClientFrame::Request(Arc::new(request));
        self.happens(Input::Frame(SessionKey(key), Ok(frame)));
    }

    /// The session's queue is written to its socket.
    fn drains(&mut self, key: u64, messages: usize) {
        let key = SessionKey(key);
        let bytes = self.hub.view().sessions[&key].as_ref().unwrap().queued.bytes;
        self.happens(Input::Drained(key, Written { messages, bytes, expired: Vec::new() }));
    }

    fn happens(&mut self, input: Input) {
        let now = self.now();
        let recorded = input.clone();
        let outputs: Vec<Output> = self.hub.handle(now, input).collect();
        let (touched, work) = (self.hub.touched(), self.hub.work());
        let event = HubEvent { now, input: recorded, outputs, touched, work };
        self.records(What::Hub(Box::new(event)));
    }

    fn passes(&mut self, time: Duration) {
        self.at += time;
    }

    /// So much later a deadline is due.
    fn ticks_after(&mut self, time: Duration) {
        self.passes(time);
        self.happens(Input::Tick);
    }

    fn records(&mut self, what: What) {
        self.events.push(Event { at: self.at, what });
    }

    fn reaches(&mut self, milestone: Milestone) {
        self.records(What::Run(milestone));
    }

    /// What a client did or saw.
    fn at_client(&mut self, event: ClientEvent) {
        let (actor, kind) = ("alice".into(), ClientKind::Client);
        self.records(What::Client { client: ClientName { actor, kind, number: 1 }, event });
    }

    /// The client gets one of the messages that the hub sent.
    fn receives(&mut self, message: &Outgoing) {
        let frame = hand_over(message, &self.scenario.hub.hub_address);
        self.at_client(ClientEvent::Received(frame));
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + self.at.as_millis() as u64)
    }

    /// The last input of the hub and what came of it.
    fn last(&mut self) -> &mut HubEvent {
        let hub = self.events.iter_mut().rev().find_map(|event| match &mut event.what {
            What::Hub(hub) => Some(hub),
            _ => None,
        });
        hub.expect("the hub did something")
    }

    /// The last event also touches the addresses that the hub touched `steps` inputs before.
    fn touches_again(&mut self, steps: usize) {
        let hub = self.events.iter().rev().filter_map(|event| match &event.what {
            What::Hub(hub) => Some(hub),
            _ => None,
        });
        let addresses = hub.clone().nth(steps).unwrap().touched.addresses.clone();
        self.last().touched.addresses = addresses;
    }

    fn judged(&self, time: Time) -> Result<(), (Invariant, usize)> {
        let mut judge = Judge::of(&self.scenario, time);
        for (number, event) in self.events.iter().enumerate() {
            judge.observe(event).map_err(|violation| (violation.invariant, number))?;
        }
        Ok(())
    }

    /// Nothing is broken.
    fn holds(&self) {
        assert_eq!(self.judged(Time::Virtual), Ok(()));
    }

    /// The last event breaks this, and none before it breaks anything.
    fn breaks(&self, invariant: Invariant) {
        assert_eq!(self.judged(Time::Virtual), Err((invariant, self.events.len() - 1)));
    }
}

/// What can be other than it should be in an event.
impl HubEvent {
    fn row(&mut self, name: &str) -> &mut AddressRow {
        let row = self.row_or_none(name);
        row.as_mut().expect("the address is known")
    }

    fn row_or_none(&mut self, name: &str) -> &mut Option<AddressRow> {
        let rows = &mut self.touched.addresses;
        let place = rows.keys().position(|address| *address == at(name));
        rows.values_mut().nth(place.expect("the address is touched")).unwrap()
    }

    fn session(&mut self, key: u64) -> &mut SessionRow {
        let rows = &mut self.touched.sessions;
        let place = rows.keys().position(|known| known.0 == key);
        let row = rows.values_mut().nth(place.expect("the session is touched")).unwrap();
        row.as_mut().expect("the session is there")
    }

    fn request(&mut self) -> &mut Request {
        match &mut self.input {
            Input::Frame(_, Ok(ClientFrame::Request(request))) => Arc::make_mut(request),
            _ => panic!("it is a request"),
        }
    }

    fn reply(&mut self) -> &mut Reply {
        let replies = self.outputs.iter_mut().filter_map(|output| match output {
            Output::Send(_, Outgoing { body: Body::Reply { reply, .. }, .. }) => Some(reply),
            _ => None,
        });
        replies.last().expect("there is a reply")
    }

    fn delivery(&mut self) -> &mut Delivery {
        let copies = self.outputs.iter_mut().filter_map(|output| match output {
            Output::Send(_, Outgoing { body: Body::Delivery(delivery), .. }) => Some(delivery),
            _ => None,
        });
        Arc::make_mut(copies.last().expect("there is a copy"))
    }

    /// The messages to a session, in order.
    fn sent_to(&self, key: u64) -> Vec<Outgoing> {
        let sent = self.outputs.iter().filter_map(|output| match output {
            Output::Send(to, message) if to.0 == key => Some(message.clone()),
            _ => None,
        });
        sent.collect()
    }

    /// Leaves the outputs out of which this is true.
    fn without(&mut self, unwanted: impl Fn(&Output) -> bool) {
        self.outputs.retain(|output| !unwanted(output));
    }
}

fn at(name: &str) -> ActorAddress {
    ActorAddress::from_path(name).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

fn request(
    timestamp: Timestamp,
    id: MessageId,
    from: &str,
    pattern: Pattern,
    verb: Verb,
) -> Request {
    Request::new(id, at(from), Config::default().hub_address, pattern, timestamp, verb)
}

fn connect() -> Verb {
    Verb::Connect(Connect {
        protocol_version: PROTOCOL_VERSION.to_owned(),
        capabilities: vec!["chat".to_owned()],
        auth_token: None,
        client_metadata: None,
    })
}

fn register(name: &str) -> Verb {
    Verb::Register(Register {
        actor_address: at(name),
        capabilities: vec!["chat".to_owned()],
        metadata: Json::EMPTY_OBJECT,
        ttl: TTL,
        renew_on_heartbeat: false,
        recovery: None,
    })
}

/// A registration that the hub refuses.
fn register_as_hub() -> Verb {
    register(Config::default().hub_address.path())
}

fn unregister() -> Verb {
    Verb::Unregister(Unregister { actor_address: None })
}

fn renew(renewal_token: Option<RenewalToken>) -> Verb {
    Verb::Renew(Renew { renewal_token })
}

fn subscribe(name: &str) -> Verb {
    Verb::Subscribe(Subscribe { topic: topic(name), durable: false })
}

fn unsubscribe(name: &str) -> Verb {
    Verb::Unsubscribe(Unsubscribe { subscription: Subscription::Topic(topic(name)) })
}

fn send(name: &str) -> Verb {
    Verb::Send(Send { to: at(name).into(), kind: "note".into(), data: Json::NULL, queue: true })
}

fn publish(name: &str) -> Verb {
    Verb::Publish(Publish { topic: topic(name), kind: "note".into(), data: Json::NULL })
}

fn discover() -> Verb {
    Verb::Discover(Discover::default())
}

fn is_notice(output: &Output) -> bool {
    matches!(output, Output::Send(_, Outgoing { body: Body::Notice(_), .. }))
}

fn is_delivery(output: &Output) -> bool {
    matches!(output, Output::Send(_, Outgoing { body: Body::Delivery(_), .. }))
}
