//! What happened in a run: the only thing that invariants, reports and people read. Compact values
//! are recorded; text is made only for those who want to see it.
//!
//! Of a client of [`Echo`](crate::service#all-of-one):
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::history::{self, ClientKind};
//!
//! let alice = ClientName { actor: "alice".into(), kind: ClientKind::Client, number: 1 };
//! let event = |at, event| Event::<Echo> {
//!     at: Duration::from_millis(at),
//!     what: What::Client { client: alice.clone(), event },
//! };
//! let says = Seen::Noted(Note::Says("hi".to_owned()));
//! let events = [event(3, Seen::Connected), event(1_500, says)];
//! assert_eq!(events[1].to_string(), "    1.500000  alice#1   says hi");
//! // Without times: what two runs are compared by.
//! assert_eq!(history::untimed(&events), "alice#1\n  connects\n  says hi\n");
//! # Ok(())
//! # }
//! ```

mod text;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use crate::System;
use crate::net::NetEventKind;
use crate::scenario::{Expectation, Step, Who};

/// One event of a run, in virtual time.
#[derive(Debug, Clone)]
pub struct Event<S: System> {
    /// From the start of the run.
    pub at: Duration,
    /// What happened.
    pub what: What<S>,
}

/// What an event is.
#[derive(Debug, Clone)]
pub enum What<S: System> {
    /// A hub began, with empty tables; what its disk holds is its first input.
    HubStarted {
        /// How often that happened before.
        restarts: u32,
    },
    /// The hub's process ended.
    HubStopped {
        /// In which way.
        how: Stop,
    },
    /// The hub handled one input.
    Hub(Box<S::HubEvent>),
    /// A client of an actor did or saw something.
    Client {
        /// Which client or raw connection.
        client: ClientName,
        /// What it did or saw.
        event: S::ClientEvent,
    },
    /// A byte stream did something, or a fault struck.
    Net(NetEventKind),
    /// The run itself went on to another part.
    Run(Milestone),
    /// A step of the scenario begins.
    Step {
        /// Its place in the scenario, from 1.
        number: usize,
        /// As the scenario has it.
        step: Arc<Step<S>>,
    },
}

/// How the hub's process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It shut down.
    InOrder,
    /// Its machine went down.
    Crashed,
    /// It gave up by itself.
    Failed,
}

/// Names one client or one raw connection: an actor may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName {
    /// The name of the actor that it speaks for.
    pub actor: Arc<str>,
    /// Whether it is a client or a raw connection.
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

/// What the hub did at one input, as far as the engine looks at it.
pub trait AtHub: Debug + Display + Clone + Send + Sync + 'static {
    /// What sort of input it was: violations that the same sort shows are alike.
    fn kind(&self) -> String;
}

/// What a client did or saw, as far as the engine looks at it.
pub trait AtClient: Debug + Clone + Display + Send + Sync + 'static {
    /// What sort of event it is: violations that the same sort shows are alike.
    fn kind(&self) -> String;

    /// Returns whether a connection is open from now on.
    fn is_opening(&self) -> bool;

    /// The close code, if any, with which a connection came to its end, if one did.
    fn closing(&self) -> Option<Option<u16>>;

    /// The type of the message that came, if one did.
    fn message_type(&self) -> Option<&str>;

    /// Returns whether a message came that was to come.
    fn is_expected(&self, expectation: &Expectation) -> bool;

    /// What the probe says that came, if one did.
    fn probe(&self) -> Option<&str>;
}

/// What each actor said and saw in the steps, without times and with names for ids: the same on every
/// backend, for a scenario without races.
pub fn untimed<S: System>(events: &[Event<S>]) -> String {
    let mut text = String::new();
    for (name, lane) in S::untimed_lanes(events, Milestone::Heal) {
        text.push_str(&format!("{name}\n{lane}\n"));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What each client and each raw connection did and saw before `end`, a line each, in the words of its
/// events.
pub fn lanes<S: System>(events: &[Event<S>], end: Milestone) -> BTreeMap<ClientName, String> {
    let mut lanes = BTreeMap::<ClientName, String>::new();
    for event in events {
        match &event.what {
            What::Run(milestone) if *milestone == end => break,
            What::Client { client, event } => {
                lanes.entry(client.clone()).or_default().push_str(&format!("  {event}\n"));
            }
            _ => {}
        }
    }
    lanes
}
