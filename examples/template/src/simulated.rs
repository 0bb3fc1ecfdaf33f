//! What the simulator has to know of the server: how it starts, what a client does, what must hold, and
//! the scenario of a seed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use dst::history::{ClientName, Event, What};
use dst::net::{Choice, Fault};
use dst::runtime::Runtime;
use dst::scenario::{Act, Actor, Ending, HUB_HOST, Scenario, Step, Who};
use dst::service::{self, Log, Orders, Seen, Service};
use dst::verdict::Violation;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::server::{self, Settings};

/// How long a storm lasts, in milliseconds.
const LASTS: u64 = 20_000;

/// The server with its clients.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Echo;

/// What a step can tell a client to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Says a line.
    Say {
        /// The line.
        text: String,
    },
}

/// What server and clients note.
#[derive(Debug, Clone)]
pub enum Note {
    /// The server got a line.
    Got(String),
    /// A client says a line.
    Said(String),
    /// A line came to a client.
    Heard(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Got(text) => write!(f, "got {text}"),
            Note::Said(text) => write!(f, "says {text}"),
            Note::Heard(text) => write!(f, "hears {text}"),
        }
    }
}

impl service::Note for Note {
    fn carries(&self) -> Option<&str> {
        let (Note::Got(text) | Note::Said(text) | Note::Heard(text)) = self;
        Some(text)
    }

    fn message(&self) -> Option<&str> {
        if let Note::Heard(text) = self { Some(text) } else { None }
    }
}

dst::invariants! {
    /// What must hold.
    pub enum Invariant {
        safety EveryLineComesBack: "What a client says on a connection comes back to it, in order.",
    }
}

/// The server of a storm, with or without its bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
    /// As it should be.
    #[default]
    Sound,
    /// With its bug.
    Careless,
}

impl Service for Echo {
    type Settings = Settings;
    type Action = Action;
    type Note = Note;
    type Invariant = Invariant;
    /// What each client has said on its connection and not heard yet.
    type Memory = BTreeMap<ClientName, VecDeque<String>>;
    type Kept = ();
    type Profile = Profile;

    const NAME: &str = "echo";
    const COMMAND: &str = crate::COMMAND;
    const MUST_COME_UP: &[&str] = &["heard", "lost"];

    async fn serve<R: Runtime>(
        runtime: R,
        listener: R::Listener,
        settings: Settings,
        log: Log<Note>,
    ) {
        let heard = move |line: &str| log.note(Note::Got(line.to_owned()));
        server::serve(runtime, listener, settings, heard).await;
    }

    async fn talk<R: Runtime>(
        _runtime: R,
        stream: R::Stream,
        _kept: &mut (),
        orders: &mut Orders<Action>,
        log: Log<Note>,
    ) {
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        loop {
            tokio::select! {
                biased;
                line = lines.next_line() => match line {
                    Ok(Some(line)) => log.note(Note::Heard(line)),
                    Ok(None) | Err(_) => return,
                },
                order = orders.next() => {
                    let Some(order) = order else { return };
                    let Action::Say { text } = &order.action;
                    log.note(Note::Said(text.clone()));
                    if write.write_all(format!("{text}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn judge(said: &mut Self::Memory, event: &Event<Echo>) -> Result<(), Violation<Echo>> {
        let What::Client { client, event } = &event.what else { return Ok(()) };
        let open = said.entry(client.clone()).or_default();
        match event {
            Seen::Connected | Seen::Lost => open.clear(),
            Seen::Noted(Note::Said(text)) => open.push_back(text.clone()),
            Seen::Noted(Note::Heard(text)) => {
                let next = open.pop_front();
                if next.as_ref() != Some(text) {
                    let next = next.unwrap_or_else(|| "silence".to_owned());
                    let evidence = format!("{client} heard {text:?} where {next:?} was to come");
                    return Err(Violation::new(Invariant::EveryLineComesBack, evidence));
                }
            }
            Seen::Noted(Note::Got(_)) => {}
        }
        Ok(())
    }

    fn generate(profile: Profile, seed: u64) -> Scenario<Echo> {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut steps: Vec<Step<Echo>> = Vec::new();
        for number in 0..30 {
            let actor = if number % 2 == 0 { "alice" } else { "bob" }.to_owned();
            let at = Duration::from_millis(dice.random_range(0..LASTS));
            steps.push(if number % 5 == 3 {
                Step::fault(at, trouble(actor, &mut dice))
            } else {
                let say = Action::Say { text: format!("line {number}") };
                Step::at(at, Who::Client(actor), Act::Do(say))
            });
        }
        steps.sort_by_key(Step::begins_at);
        Scenario {
            seed,
            hub: Settings { first_line_only: profile == Profile::Careless },
            actors: vec![Actor::client("alice"), Actor::client("bob")],
            ending: Ending::Calm,
            steps,
            ..Scenario::default()
        }
    }

    fn probe(payload: &str) -> Option<Action> {
        Some(Action::Say { text: payload.to_owned() })
    }
}

/// Something that happens to the network between the actor and the server.
fn trouble(actor: String, dice: &mut ChaCha8Rng) -> Fault {
    let hub = HUB_HOST.to_owned();
    if dice.random_bool(0.7) {
        let lasts = Duration::from_millis(dice.random_range(500..8_000));
        Fault::Stall { from: actor, to: hub, lasts }
    } else {
        Fault::Reset { connections: Choice::Latest { client: actor, server: hub } }
    }
}
