//! What happened in a run: the only thing that invariants, reports and people read. Compact values
//! are recorded; text is made only for those who want to see it.

mod text;
mod untimed;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use signal_hub::client::DisconnectReason;
use signal_hub::hub::{Input, Output, View, Work};
use signal_hub::protocol::codec::HubFrame;
use signal_hub::protocol::{ActorAddress, ClientFrame};
use signal_hub::time::Timestamp;

pub use untimed::{untimed, untimed_lanes};

use crate::net::NetEventKind;
use crate::scenario::{Step, Who};

/// One event of a run, in virtual time.
#[derive(Debug, Clone)]
pub struct Event {
    /// From the start of the run.
    pub at: Duration,
    pub what: What,
}

/// What an event is.
#[derive(Debug, Clone)]
pub enum What {
    /// A hub began, with empty tables; how often that happened before.
    HubStarted { restarts: u32 },
    /// The hub's process ended.
    HubStopped { abruptly: bool },
    /// The hub handled one input.
    Hub(Box<HubEvent>),
    /// A client of an actor did or saw something.
    Client { client: ClientName, event: ClientEvent },
    /// A byte stream did something, or a fault struck.
    Net(NetEventKind),
    /// The run itself went on to another part.
    Run(Milestone),
    /// A step of the scenario begins; they count from 1.
    Step { number: usize, step: Arc<Step> },
}

/// One call of `Hub::handle`.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// The hub's clock.
    pub now: Timestamp,
    pub input: Input,
    pub outputs: Vec<Output>,
    /// The rows that the input touched, as they are after it.
    pub touched: View,
    /// How much it made the hub do.
    pub work: Work,
}

/// Names one client or one raw connection: an actor may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    pub actor: Arc<str>,
    pub kind: ClientKind,
    /// Counts the clients of the actor, from 1; of a raw connection, the number in its name.
    pub number: u32,
}

/// What speaks for an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKind {
    /// The client of this project.
    Client,
    /// A connection that does what steps say and nothing else.
    Raw,
}

/// By actor, kind and number. Names are looked up all the time, and most share their text.
impl Ord for ClientName {
    fn cmp(&self, other: &Self) -> Ordering {
        let actor = if Arc::ptr_eq(&self.actor, &other.actor) {
            Ordering::Equal
        } else {
            self.actor.cmp(&other.actor)
        };
        actor.then_with(|| (self.kind, self.number).cmp(&(other.kind, other.number)))
    }
}

impl PartialOrd for ClientName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ClientName {
    /// Who that is in the words of a scenario.
    pub fn who(&self) -> Who {
        match self.kind {
            ClientKind::Client => Who::Client(self.actor.to_string()),
            ClientKind::Raw => Who::Raw(self.actor.to_string(), self.number),
        }
    }
}

/// What a client did or saw.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// The scenario has it begin.
    Started {
        address: ActorAddress,
    },
    /// The WebSocket is open. Counts this client's connections, from 1.
    Opened {
        connection: u32,
    },
    /// The WebSocket is gone.
    Lost {
        connection: u32,
        why: DisconnectReason,
    },
    Sent(Box<ClientFrame>),
    Received(Box<HubFrame>),
    /// It gave up or was told to go.
    Ended,
    /// What the client tells its user, beyond the frames.
    Said(String),
}

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// Steps are played and faults strike.
    Storm,
    /// All faults are lifted; what is broken stays broken until someone finds it.
    Heal,
    /// Everybody who keeps trying is back.
    Calm,
    /// Every actor asks every other one.
    Probe,
    /// All clients go away without a word.
    Leave,
    /// All deadlines are past.
    Rest,
}

impl ClientEvent {
    /// Whether the client did it, or met it, itself; what it says to the hub shows at the hub.
    pub const fn is_own_doing(&self) -> bool {
        match self {
            ClientEvent::Started { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Lost { .. }
            | ClientEvent::Ended
            | ClientEvent::Said(_) => true,
            ClientEvent::Sent(_) | ClientEvent::Received(_) => false,
        }
    }
}
