//! A scenario is the whole input of a run: who takes part, how the hub and the network are set,
//! and who does what when. It is data; the same scenario always plays the same.
//!
//! As a file, of [`Echo`](crate::service#all-of-one):
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::scenario;
//!
//! let text = r#"{
//!   "version": 1,
//!   "title": "a line comes back",
//!   "actors": ["alice"],
//!   "steps": [
//!     { "at": "1s", "who": "alice", "do": "say", "text": "hi" },
//!     { "who": "alice", "do": "sees", "type": "hi", "within": "2s" },
//!     { "at": "5s", "who": "network", "do": "stall", "from": "alice", "to": "hub", "lasts": "3s" }
//!   ]
//! }"#;
//! let scenario = scenario::read::<Echo>(text)?;
//! assert_eq!(scenario.steps[0].begins_at(), Some(Duration::from_secs(1)));
//! // What is written has every setting in full, and is the same scenario.
//! assert_eq!(scenario::read::<Echo>(&scenario::write(&scenario))?, scenario);
//!
//! // What cannot be played is told with its line, and the word that was meant.
//! let mistake = scenario::read::<Echo>(&text.replace("stall", "stal")).unwrap_err().to_string();
//! assert!(mistake.starts_with("8: step 3: `do`: unknown word `stal`"));
//! assert!(mistake.ends_with("did you mean `stall`?"));
//!
//! // The shrinker keeps what a failure takes; whoever asks says what fails, and when.
//! let mut fails = |candidate: &Scenario<Echo>| {
//!     let stall = candidate.steps.iter().find(|step| step.in_short().contains("stall"))?;
//!     stall.begins_at()
//! };
//! let shrunk = scenario::shrink(&scenario, Duration::from_secs(5), &mut fails, &mut |_| false);
//! assert_eq!(shrunk.scenario.steps.len(), 1);
//! assert!(shrunk.finished);
//! # Ok(())
//! # }
//! ```

mod act;
mod bounds;
mod check;
mod file;
mod mistake;
mod mutator;
mod reference;
mod schema;
mod shrinker;
mod step;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub(crate) use act::clash;
pub use act::{Act, ConnectionAct, Expect, Expectation, HubAction, ProcessAct};
pub use bounds::at_most;
pub(crate) use check::check;
pub use file::{InvalidScenario, read, read_file, settings, write};
pub use mistake::{explained, nearest};
pub use mutator::{Sources, is_storm, mutate};
pub use reference::reference;
pub use schema::{FILE as SCHEMA_FILE, schema};
pub use shrinker::{Progress, Shrunk, shrink, thin, until};
pub use step::{Step, What, When, Who};

use crate::System;
use crate::net::{Fault, LinkConfig};

/// The name of the host that the hub runs on.
pub const HUB_HOST: &str = "hub";
/// Where the hub listens on its host.
pub const HUB_PORT: u16 = 9000;
/// A word for an address that nobody has.
pub const NOBODY: &str = "nobody";
/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

/// Who does what when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Scenario<S: System> {
    /// Where editors find the format.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Of the format: 1.
    pub version: u32,
    /// What happens, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What would break in which kind of hub.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Seeds everything that is drawn during the run: ids, jitter, loss.
    #[serde(default)]
    pub seed: u64,
    /// How the hub is set.
    #[serde(default)]
    pub hub: S::Settings,
    /// Every link, both ways, unless a fault says otherwise.
    #[serde(default)]
    pub network: LinkConfig,
    /// How the actors' clients are set.
    #[serde(flatten)]
    pub clients: S::Clients,
    /// Each has a host of its own, named like the actor.
    pub actors: Vec<Actor>,
    /// What comes after the last step.
    #[serde(default)]
    pub ending: Ending,
    /// Why what the actors see depends on who is first; without it, all backends must show the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub races: Option<String>,
    /// A failure that is known and left for now; without it, nothing may fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_failure: Option<ExpectedFailure>,
    /// In the order in which they begin.
    pub steps: Vec<Step<S>>,
}

/// How a scenario fails on the simulated network until that is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The code of what breaks, such as `I14`.
    pub breaks: String,
    /// Why it is left for now.
    pub reason: String,
}

impl<S: System> Scenario<S> {
    /// All hosts, the hub's first, in an order that decides their addresses.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let actors = self.actors.iter().map(|actor| actor.name.clone());
        let raws = self.steps.iter().filter_map(|step| match &step.what {
            What::Act { who: who @ Who::Raw(..), .. } => Some(who.to_string()),
            What::Act { .. } | What::Hub(_) | What::Network(_) => None,
        });
        // The link of one that says nothing has a fault, too.
        let faults = self.steps.iter().filter_map(|step| match &step.what {
            What::Network(fault) => Some(fault),
            What::Act { .. } | What::Hub(_) => None,
        });
        let named = faults.flat_map(Fault::hosts).map(str::to_owned);
        std::iter::once(HUB_HOST.to_owned()).chain(actors).chain(raws).chain(named)
    }
}

impl<S: System> Default for Scenario<S> {
    fn default() -> Self {
        Self {
            schema: None,
            version: VERSION,
            title: String::new(),
            why: String::new(),
            seed: 0,
            hub: S::Settings::default(),
            network: LinkConfig::default(),
            clients: S::Clients::default(),
            actors: Vec::new(),
            ending: Ending::default(),
            races: None,
            expect_failure: None,
            steps: Vec::new(),
        }
    }
}

/// Somebody who takes part: `"alice"`, or with more to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ActorText", into = "ActorText")]
pub struct Actor {
    /// Its host and its address: `alice` is `@(alice)`.
    pub name: String,
    /// Who speaks for it.
    pub kind: ActorKind,
    /// What else its client registers, after `name`.
    pub addresses: Vec<String>,
}

impl Actor {
    /// An actor with a client.
    pub fn client(name: &str) -> Self {
        Self { name: name.to_owned(), kind: ActorKind::Client, addresses: Vec::new() }
    }
}

/// Who speaks for an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The client of this project, from the start: it connects, registers, and comes back.
    #[default]
    Client,
    /// Nobody, until a step opens a connection for it: `alice/1`.
    Raw,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum ActorText {
    Name(String),
    Full(ActorFields),
}

impl<'de> Deserialize<'de> for ActorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self::Name(name)),
            Value::Object(fields) => step::read(fields).map(Self::Full),
            other => Err(D::Error::custom(format!("expected a name or an object, found {other}"))),
        }
    }
}

/// An actor with more to say than its name.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActorFields {
    name: String,
    #[serde(default)]
    kind: ActorKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
}

impl From<ActorText> for Actor {
    fn from(text: ActorText) -> Self {
        match text {
            ActorText::Name(name) => Self::client(&name),
            ActorText::Full(ActorFields { name, kind, addresses }) => {
                Self { name, kind, addresses }
            }
        }
    }
}

impl From<Actor> for ActorText {
    fn from(actor: Actor) -> Self {
        let Actor { name, kind, addresses } = actor;
        match kind {
            ActorKind::Client if addresses.is_empty() => ActorText::Name(name),
            ActorKind::Client | ActorKind::Raw => {
                ActorText::Full(ActorFields { name, kind, addresses })
            }
        }
    }
}

/// What comes after the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Nothing.
    #[default]
    Stop,
    /// The faults are lifted, everybody comes back, is probed, and leaves; nothing may be left.
    Calm,
}
