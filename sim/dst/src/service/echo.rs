use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use dst::history::{ClientName, Event, What};
use dst::net::Fault;
use dst::runtime::{Listener, Runtime};
use dst::scenario::{Act, Actor, HUB_HOST, Scenario, Step, Who};
use dst::service::{self, Log, Nothing, Orders, Seen, Service};
use dst::verdict::Violation;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// A server that sends each line back, and its clients.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Echo;

/// What a step can tell a client to do.
#[derive(
    Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Action {
    Say { text: String },
}

/// What clients note.
#[derive(Debug, Clone)]
enum Note {
    Says(String),
    Hears(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Says(text) => write!(f, "says {text}"),
            Note::Hears(text) => write!(f, "hears {text}"),
        }
    }
}

impl service::Note for Note {
    fn message(&self) -> Option<&str> {
        if let Note::Hears(text) = self { Some(text) } else { None }
    }
}

dst::invariants! {
    enum Invariant {
        safety LinesComeBack: "What a client says on a connection comes back to it, in order.",
    }
}

/// What kinds of scenarios there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, clap::ValueEnum)]
enum Profile {
    #[default]
    Quiet,
    Stalls,
}

impl Service for Echo {
    type Settings = Nothing;
    type Action = Action;
    type Note = Note;
    type Invariant = Invariant;
    /// What each client has said on its connection and not heard yet.
    type Memory = BTreeMap<ClientName, VecDeque<String>>;
    type Kept = ();
    type Profile = Profile;

    const NAME: &str = "echo";
    const COMMAND: &str = "cargo run --";
    const MUST_COME_UP: &[&str] = &["hears"];

    async fn serve<R: Runtime>(runtime: R, mut listener: R::Listener, _: Nothing, _log: Log<Note>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            runtime.spawn(async move {
                let mut chunk = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                    // The bug: what one read brings is taken for one line.
                    let line = chunk[..length].split_inclusive(|byte| *byte == b'\n').next();
                    if stream.write_all(line.unwrap_or_default()).await.is_err() {
                        return;
                    }
                }
            });
        }
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
                    Ok(Some(line)) => log.note(Note::Hears(line)),
                    Ok(None) | Err(_) => return,
                },
                order = orders.next() => {
                    let Some(order) = order else { return };
                    let Action::Say { text } = &order.action;
                    log.note(Note::Says(text.clone()));
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
            Seen::Noted(Note::Says(text)) => open.push_back(text.clone()),
            Seen::Noted(Note::Hears(text)) => {
                let next = open.pop_front().unwrap_or_default();
                if next != *text {
                    let evidence = format!("{client} hears {text:?}, {next:?} was to come");
                    return Err(Violation::new(Invariant::LinesComeBack, evidence));
                }
            }
        }
        Ok(())
    }

    fn generate(profile: Profile, seed: u64) -> Scenario<Echo> {
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut steps: Vec<Step<Echo>> = Vec::new();
        for number in 0..20 {
            let at = Duration::from_millis(number * 500 + dice.random_range(0..400));
            let say = Action::Say { text: format!("line {number}") };
            steps.push(Step::at(at, Who::Client("alice".to_owned()), Act::Do(say)));
        }
        if profile == Profile::Stalls {
            let (from, to) = ("alice".to_owned(), HUB_HOST.to_owned());
            let at = Duration::from_millis(dice.random_range(0..8_000));
            let lasts = Duration::from_millis(dice.random_range(100..2_000));
            steps.push(Step::fault(at, Fault::Stall { from, to, lasts }));
        }
        steps.sort_by_key(Step::begins_at);
        Scenario { seed, actors: vec![Actor::client("alice")], steps, ..Scenario::default() }
    }
}
