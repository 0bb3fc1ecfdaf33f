//! A scenario is the whole input of a run: who takes part, how the hub and the network are set,
//! and who does what when. It is data; the same scenario always plays the same.

mod file;
mod generator;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use signal_hub::hub::Config;
use signal_hub::protocol::Topic;
use signal_hub::time::duration_text;

pub use file::{InvalidScenario, read, read_file};
pub use generator::storm;

use crate::net::{Fault, LinkConfig, Seen};

/// The name of the host that the hub runs on.
pub const HUB_HOST: &str = "hub";
/// Where the hub listens on its host.
pub const HUB_PORT: u16 = 9000;

/// Who does what when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What happens, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What would break in which kind of hub.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Seeds everything that is drawn during the run: ids, jitter, loss.
    pub seed: u64,
    #[serde(default)]
    pub hub: Config,
    /// Every link, both ways, unless a fault says otherwise.
    #[serde(default)]
    pub network: LinkConfig,
    /// How long a registration lives, in seconds.
    #[serde(default = "registration_ttl_seconds")]
    pub registration_ttl_seconds: u64,
    /// Each has one client from the start, on a host of its own, named like the actor.
    pub actors: Vec<String>,
    /// When the faults end and the calm is waited for.
    #[serde(with = "duration_text")]
    pub duration: Duration,
    /// In the order of time.
    pub steps: Vec<Step>,
}

fn registration_ttl_seconds() -> u64 {
    300
}

/// One action at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From the start of the run.
    #[serde(with = "duration_text")]
    pub at: Duration,
    pub action: Action,
}

/// What may happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Tells another actor something.
    Send {
        actor: String,
        to: String,
    },
    /// Asks the hub to deliver, and waits for its answer.
    Ask {
        actor: String,
        to: String,
    },
    /// Asks the hub to deliver and, when it knows the outcome or has lost hope, asks the same again.
    AskTwice {
        actor: String,
        to: String,
    },
    /// Sends to everyone who is registered.
    Broadcast {
        actor: String,
        exclude_self: bool,
    },
    Publish {
        actor: String,
        topic: Topic,
    },
    Subscribe {
        actor: String,
        topic: Topic,
    },
    Unsubscribe {
        actor: String,
        topic: Topic,
    },
    /// The actor's connection breaks: its client sees that at once and comes back; the hub sees it
    /// when it is said to.
    Reconnect {
        actor: String,
        hub_sees: Seen,
    },
    /// Another client of the same actor starts; the present one has to go.
    Replace {
        actor: String,
    },
    /// The client says goodbye; another one starts after the pause.
    Leave {
        actor: String,
        #[serde(with = "duration_text")]
        pause: Duration,
    },
    /// The hub ends and begins again with empty tables.
    RestartHub {
        abruptly: bool,
        #[serde(with = "duration_text")]
        pause: Duration,
    },
    /// Something happens to the network.
    Net {
        fault: Fault,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Send { actor, to } => write!(f, "{actor} tells {to}"),
            Action::Ask { actor, to } => write!(f, "{actor} asks {to}"),
            Action::AskTwice { actor, to } => write!(f, "{actor} asks {to} the same twice"),
            Action::Broadcast { actor, exclude_self: true } => {
                write!(f, "{actor} broadcasts to all others")
            }
            Action::Broadcast { actor, exclude_self: false } => write!(f, "{actor} broadcasts"),
            Action::Publish { actor, topic } => write!(f, "{actor} publishes on {topic}"),
            Action::Subscribe { actor, topic } => write!(f, "{actor} subscribes to {topic}"),
            Action::Unsubscribe { actor, topic } => {
                write!(f, "{actor} unsubscribes from {topic}")
            }
            Action::Reconnect { actor, hub_sees } => {
                write!(f, "{actor}'s connection breaks; the hub sees it: {hub_sees:?}")
            }
            Action::Replace { actor } => write!(f, "another client of {actor} starts"),
            Action::Leave { actor, pause } => write!(f, "{actor} leaves for {pause:?}"),
            Action::RestartHub { abruptly: true, pause } => {
                write!(f, "the hub crashes; it is back after {pause:?}")
            }
            Action::RestartHub { abruptly: false, pause } => {
                write!(f, "the hub shuts down; it is back after {pause:?}")
            }
            Action::Net { fault } => write!(f, "network: {fault:?}"),
        }
    }
}
