//! A scenario is the whole input of a run: who takes part, how the hub and the network are set,
//! and who does what when. It is data; the same scenario always plays the same.

mod action;
mod bounds;
mod generator;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use dst::duration_text;
use dst::scenario;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signal_hub::server::StoreSync;

pub use action::{Action, MESSAGE_TYPES, NOTE, Speech, WhichPosition, WhichToken};
pub use bounds::doubts;
pub(crate) use bounds::{address, check, check_step, is_fair};
pub use dst::scenario::{
    Actor, ActorKind, ConnectionAct, Ending, Expect, Expectation, HUB_HOST, HUB_PORT, HubAction,
    InvalidScenario, ProcessAct, Progress, SCHEMA_FILE, VERSION, When, Who, settings, shrink,
    write,
};
pub use generator::{Due, LASTS, Profile, aim, generate, generate_lasting, is_aimed};
pub(crate) use token::SECRET;
pub use token::{Flaw, Shown, Token, secret};

use crate::SignalHub;

/// Who does what when.
pub type Scenario = scenario::Scenario<SignalHub>;
/// One thing that happens.
pub type Step = scenario::Step<SignalHub>;
/// Who does what.
pub type What = scenario::What<SignalHub>;
/// What an actor's client or raw connection does, or has to see.
pub type Act = scenario::Act<SignalHub>;
/// What became of a scenario that was shrunk.
pub type Shrunk = scenario::Shrunk<SignalHub>;

/// How the actors' clients are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clients {
    /// How long a registration lives that names no time of its own, in whole seconds.
    #[serde(with = "duration_text", default = "registration_ttl")]
    #[schemars(with = "String")]
    pub registration_ttl: Duration,
    /// What the clients connect with, by the names of actors. If there are any, the hub lets in only
    /// whoever has a token.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// The names of the actors whose clients recover what they missed.
    #[serde(default)]
    pub recovering: BTreeSet<String>,
    /// How the hub writes down what its next start has to know; without it, every start is empty.
    #[serde(default)]
    pub store: Option<Store>,
}

/// How the hub's store is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// When what was written is synced: `always`, `never`, or a time up to 1s.
    #[serde(default)]
    #[schemars(with = "String")]
    pub sync: StoreSync,
    /// Bytes of rows from which on it is full.
    #[serde(default = "store_bytes_max")]
    pub bytes_max: u64,
}

impl Store {
    /// For how long the hub waits with what it says.
    pub fn holds_back(self) -> Duration {
        match self.sync {
            StoreSync::Within(time) => time,
            StoreSync::Always | StoreSync::Never => Duration::ZERO,
        }
    }
}

fn store_bytes_max() -> u64 {
    1024 * 1024 * 1024
}

impl Default for Store {
    fn default() -> Self {
        Self { sync: StoreSync::default(), bytes_max: store_bytes_max() }
    }
}

fn registration_ttl() -> Duration {
    Duration::from_secs(300)
}

impl Default for Clients {
    fn default() -> Self {
        let (tokens, recovering, store) = Default::default();
        Self { registration_ttl: registration_ttl(), tokens, recovering, store }
    }
}

/// The longest time that a registration of this scenario can live without renewal.
pub fn registration_ttl_max(scenario: &Scenario) -> Duration {
    let named = scenario.steps.iter().filter_map(|step| match &step.what {
        What::Act { act: Act::Do(Action::Register { ttl, .. }), .. } => *ttl,
        What::Act { .. } | What::Hub(_) | What::Network(_) => None,
    });
    named.fold(scenario.clients.registration_ttl, Duration::max)
}

/// Reads and checks the text of a file.
///
/// # Errors
/// If it is no scenario of this hub, with the line.
pub fn read(text: &str) -> Result<Scenario, InvalidScenario> {
    scenario::read(text)
}

/// Reads and checks a file.
///
/// # Errors
/// If it cannot be read or is no scenario of this hub, with the line.
pub fn read_file(path: &Path) -> Result<Scenario, InvalidScenario> {
    scenario::read_file(path)
}

/// The format of scenario files as a JSON Schema.
pub fn schema() -> String {
    scenario::schema::<SignalHub>()
}

impl From<Action> for Act {
    fn from(action: Action) -> Self {
        Act::Do(action)
    }
}

/// The same for those who know nothing of recovery.
pub fn leave_recovery_out(scenario: &mut Scenario) {
    scenario.clients.recovering.clear();
    scenario.steps.retain(|step| {
        !matches!(&step.what, What::Act { act: Act::Do(Action::Recover { .. }), .. })
    });
    for step in &mut scenario.steps {
        if let What::Act { act: Act::Do(Action::Register { recovery, .. }), .. } = &mut step.what {
            *recovery = None;
        }
    }
}
