//! The least that can be under test: a server that says nothing, and an action whose word is the engine's.

use std::fmt;

use clap::ValueEnum;
use dst::history::Event;
use dst::runtime::Runtime;
use dst::scenario::Scenario;
use dst::service::{Log, Note, Nothing, Orders, Service};
use dst::verdict::Violation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Mute;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    Pause,
}

/// There is nothing to note.
#[derive(Debug, Clone)]
pub enum Silence {}

impl fmt::Display for Silence {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Note for Silence {}

dst::invariants! {
    /// Nothing but what the engine itself sees to.
    pub enum Invariant {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
    #[default]
    Any,
}

impl Service for Mute {
    type Settings = Nothing;
    type Action = Action;
    type Note = Silence;
    type Invariant = Invariant;
    type Memory = ();
    type Kept = ();
    type Profile = Profile;

    const NAME: &str = "mute";
    const COMMAND: &str = "mute";

    async fn serve<R: Runtime>(
        _runtime: R,
        _listener: R::Listener,
        _settings: Nothing,
        _log: Log<Silence>,
    ) {
        std::future::pending().await
    }

    async fn talk<R: Runtime>(
        _runtime: R,
        _stream: R::Stream,
        _kept: &mut (),
        orders: &mut Orders<Action>,
        _log: Log<Silence>,
    ) {
        while orders.next().await.is_some() {}
    }

    fn judge(_memory: &mut (), _event: &Event<Mute>) -> Result<(), Violation<Mute>> {
        Ok(())
    }

    fn generate(_profile: Profile, seed: u64) -> Scenario<Mute> {
        Scenario { seed, ..Scenario::default() }
    }
}
