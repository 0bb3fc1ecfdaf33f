//! A client with a clock and a memory: it gives up a connection that is silent for a second, and counts them.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use dst::history::Event;
use dst::runtime::{Listener, Runtime};
use dst::scenario::{Actor, Scenario};
use dst::service::{self, Log, Nothing, Orders, Service};
use dst::verdict::Violation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mute::Invariant;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Patient;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    Hurry,
}

#[derive(Debug, Clone)]
pub struct GivesUp(u32);

impl fmt::Display for GivesUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gives up {}", self.0)
    }
}

impl service::Note for GivesUp {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
    #[default]
    AllSilent,
}

impl Service for Patient {
    type Settings = Nothing;
    type Action = Action;
    type Note = GivesUp;
    type Invariant = Invariant;
    type Memory = ();
    /// Connections that it gave up.
    type Kept = u32;
    type Profile = Profile;

    const NAME: &str = "patient";
    const COMMAND: &str = "patient";

    async fn serve<R: Runtime>(_: R, mut listener: R::Listener, _: Nothing, _: Log<GivesUp>) {
        let mut silent = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            silent.push(stream);
        }
    }

    async fn talk<R: Runtime>(
        runtime: R,
        _stream: R::Stream,
        given_up: &mut u32,
        orders: &mut Orders<Action>,
        log: Log<GivesUp>,
    ) {
        tokio::select! {
            biased;
            // Whatever it is told, it hurries.
            _ = orders.next() => {}
            () = runtime.sleep(Duration::from_secs(1)) => {
                *given_up += 1;
                log.note(GivesUp(*given_up));
            }
        }
    }

    fn judge(_memory: &mut (), _event: &Event<Patient>) -> Result<(), Violation<Patient>> {
        Ok(())
    }

    fn generate(_profile: Profile, seed: u64) -> Scenario<Patient> {
        Scenario { seed, actors: vec![Actor::client("alice")], ..Scenario::default() }
    }
}
