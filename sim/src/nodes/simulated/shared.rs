//! What the hosts of a run have in common beside the network: the world, and what frames between hubs and engine mean.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use dst::net::{ConnectionId, Net};
use signal_hub::cluster::Place;
use signal_hub::cluster::engine::{Event, NodeName, Request, RequestId, Revision};
use signal_hub::hub::{Hub, Output, SessionKey};
use signal_hub::protocol::codec::{HubBody, HubMessage};
use signal_hub::protocol::{Body, Epoch, MessageId, Position, Recovery, Reply};
use signal_hub::server::ServerLost;
use signal_hub::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::invariants::Invariant;
use crate::nodes::judge::Violation;
use crate::nodes::talk;
use crate::nodes::world::World;

/// What passes between a hub and the engine; on the network goes its number.
pub enum Frame {
    /// Whose connection this is.
    Hello(NodeName),
    /// A request, the life that asked, and the last write of its row then.
    Ask(Request, Option<Place>, Option<Revision>),
    /// What a node hears.
    Tell(Event),
    /// The engine is there.
    Beat,
}

/// The engine's end of a process's connection.
pub struct Session {
    number: u64,
    outbox: mpsc::Sender<Event>,
    /// The watch that it carries.
    watch: Option<RequestId>,
}

/// A client's connection, and the process that it leads to.
pub struct Client {
    pub process: NodeName,
    pub texts: mpsc::UnboundedSender<String>,
}

/// Everything that is not on its way.
pub struct State {
    pub world: World,
    /// The first thing that broke.
    pub broken: Option<Violation>,
    /// The clients' ends, and their connections once they are open.
    pub clients: BTreeMap<SessionKey, Client>,
    pub sockets: BTreeMap<SessionKey, ConnectionId>,
    /// Which connection comes from where.
    pub dialled: BTreeMap<SocketAddr, SessionKey>,
    /// What hubs said and clients have not got.
    pub unread: BTreeMap<SessionKey, VecDeque<MessageId>>,
    /// The epoch that each client reads, as far as it knows.
    epochs: BTreeMap<SessionKey, Epoch>,
    /// The lives of the processes.
    pub places: BTreeMap<NodeName, Option<Place>>,
    /// By which processes are told to end.
    pub stops: BTreeMap<NodeName, oneshot::Sender<()>>,
    /// Processes whose hubs make room for others of their names.
    pub superseded: BTreeSet<NodeName>,
    /// Processes that have ended since it was looked at last.
    pub ended: BTreeSet<NodeName>,
    /// Processes that are to show their hubs.
    pub asked_to_show: BTreeSet<NodeName>,
    frames: BTreeMap<u64, Frame>,
    framed: u64,
    sessions: BTreeMap<NodeName, Session>,
    begun: u64,
}

/// Events on their way from the engine to a node, beside those on the network.
const OUTBOX_EVENTS: usize = 64;

/// A handle that all hosts have.
#[derive(Clone)]
pub struct Shared {
    pub net: Net,
    state: Arc<Mutex<State>>,
}

impl Shared {
    pub fn new(net: Net, world: World) -> Self {
        let state = State {
            world,
            broken: None,
            clients: BTreeMap::new(),
            sockets: BTreeMap::new(),
            dialled: BTreeMap::new(),
            unread: BTreeMap::new(),
            epochs: BTreeMap::new(),
            places: BTreeMap::new(),
            stops: BTreeMap::new(),
            superseded: BTreeSet::new(),
            ended: BTreeSet::new(),
            asked_to_show: BTreeSet::new(),
            frames: BTreeMap::new(),
            framed: 0,
            sessions: BTreeMap::new(),
            begun: 0,
        };
        Self { net, state: Arc::new(Mutex::new(state)) }
    }

    /// Does something now.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let now = self.net.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.world.comes_to(now);
        act(&mut state)
    }
}

impl State {
    /// The first violation counts.
    pub fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            self.broken.get_or_insert(violation);
        }
    }

    /// A server has ended as its hub says, and its process with it.
    pub fn ended(&mut self, process: &NodeName, served: Result<(), ServerLost>) {
        let is_superseded = self.superseded.remove(process);
        let expected = if is_superseded { Err(ServerLost::Superseded) } else { Ok(()) };
        assert_eq!(served, expected, "a server ends in another way than its hub");
        self.world.has_ended(process, is_superseded);
        self.ended.insert(process.clone());
    }

    pub fn frame(&mut self, frame: Frame) -> u64 {
        self.framed += 1;
        self.frames.insert(self.framed, frame);
        self.framed
    }

    /// The frame of what a hub asks now.
    pub fn ask_frame(&self, process: &NodeName, request: Request) -> Frame {
        let last = self.world.last_write(&request);
        Frame::Ask(request, self.places.get(process).cloned().flatten(), last)
    }

    pub fn unframe(&mut self, number: u64) -> Frame {
        self.frames.remove(&number).expect("each frame arrives once at most")
    }

    /// A process's connection arrives at the engine, in place of the one before.
    pub fn begin(&mut self, process: &NodeName) -> (u64, mpsc::Receiver<Event>) {
        let (outbox, events) = mpsc::channel(OUTBOX_EVENTS);
        self.begun += 1;
        let session = Session { number: self.begun, outbox, watch: None };
        self.sessions.insert(process.clone(), session);
        self.world.engine_reached(process);
        (self.begun, events)
    }

    /// The engine finds that a connection has ended.
    pub fn end(&mut self, process: &NodeName, number: u64) {
        if self.sessions.get(process).is_some_and(|session| session.number == number) {
            self.sessions.remove(process);
            self.world.engine_left(process);
        }
    }

    /// The engine's process is gone.
    pub fn end_all(&mut self) {
        self.sessions.clear();
    }

    /// A request arrives at the engine by a connection; one that another has replaced carries nothing any more.
    pub fn ask(
        &mut self,
        process: &NodeName,
        number: u64,
        (request, place, last): (Request, Option<Place>, Option<Revision>),
    ) {
        let session = self.sessions.get_mut(process).filter(|session| session.number == number);
        let Some(session) = session else { return };
        if let Request::Watch { id } = &request {
            session.watch = Some(*id);
        }
        let verdict = self.world.engine_asked(process, request, place, last);
        self.judge(verdict);
        self.pump();
    }

    /// What the engine has for the processes is on its way, as far as there is room.
    pub fn pump(&mut self) {
        for (process, session) in &self.sessions {
            while session.outbox.capacity() > 0
                && let Some(event) = self.world.engine_tells(process)
            {
                // If the connection has ended, the event is lost with it.
                let _ = session.outbox.try_send(event);
            }
        }
    }

    /// A hub hears of the engine. What a watch shows that the engine no longer carries may be of before it lost rows.
    pub fn hears(&mut self, process: &NodeName, event: &Event) {
        let carried = self.sessions.get(process).and_then(|session| session.watch);
        let is_past = match event {
            Event::CaughtUp { watch, .. } => carried != Some(*watch),
            _ => false,
        };
        self.world.hub_hears(process, event, is_past);
    }

    /// A hub did something for sessions; the keys are those of the world.
    pub fn does(&mut self, process: &NodeName, hub: &Hub, now: Timestamp, outputs: Vec<Output>) {
        for output in &outputs {
            if let Output::Send(key, message) = output
                && !matches!(message.body, Body::Pong)
            {
                self.unread.entry(*key).or_default().push_back(MessageId::from(message.id));
            }
        }
        let verdict = self.world.hub_does(process, hub, now, outputs.into_iter());
        self.judge(verdict);
        if self.asked_to_show.remove(process) {
            self.world.shows(process, hub);
        }
    }

    /// A client gets a message: the next of those that its hub said.
    pub fn arrived(&mut self, key: SessionKey, message: &HubMessage) {
        let id = &message.id;
        let next = self.unread.get_mut(&key).and_then(VecDeque::pop_front);
        if next.as_ref() != Some(id) {
            let what = format!("{key} gets {id} of its hub, and the next is {next:?}");
            self.judge(Err(Violation::new(Invariant::I20, what)));
        }
        match &message.body {
            HubBody::Reply { reply: Reply::Registered(told), .. } => {
                self.epochs.remove(&key);
                if let Some(position) = told.recovery.as_ref().and_then(Recovery::position) {
                    self.epochs.insert(key, position.epoch);
                    self.world.client_gets(key, position, None);
                }
            }
            HubBody::Delivery { origin: Some(origin), .. } => {
                if let (Some(seq), Some(epoch)) = (message.seq, self.epochs.get(&key)) {
                    let position = Position { epoch: *epoch, after: seq.get() };
                    self.world.client_gets(key, position, Some(talk::number_of(origin)));
                }
            }
            _ => {}
        }
    }

    /// When all is quiet, whoever is connected has got all that its hub said.
    pub fn all_read(&self) -> Result<(), Violation> {
        for key in self.world.all_connected() {
            if let Some(id) = self.unread.get(&key).and_then(VecDeque::front) {
                let what = format!("its hub said {id} to {key}, which has not got it");
                return Err(Violation::new(Invariant::L4, what));
            }
        }
        Ok(())
    }
}
