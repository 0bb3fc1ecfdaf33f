//! A hub that nobody here wrote: a server that echoes lines, its client, one invariant and one bug on
//! purpose. What it takes to put it under test is in this file.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use dst::backend::testbed::{self, Doing, Order};
use dst::backend::{self, Backend, Deploy, FullStack, Outcome, Skipped, Wire, WireProcess};
use dst::campaign::{self, Plan, Watcher};
use dst::coverage::{self, Sightings};
use dst::history::{AtClient, AtHub, ClientName, Event, What};
use dst::run::Keep;
use dst::runtime::{Listener, Runtime};
use dst::scenario::{Actor, Expectation, Scenario, Step, Who};
use dst::verdict::{self, Time, Violation};
use dst::{System, explain, failures, report, scenario};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

/// The hub under test.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Echo;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The bug: a line that says so is swallowed.
    swallows: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Clients {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Action {
    Say { text: String },
}

/// The server got a line.
#[derive(Debug, Clone)]
struct Got(String);

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "got {}", self.0)
    }
}

impl AtHub for Got {
    fn kind(&self) -> String {
        "line".to_owned()
    }
}

#[derive(Debug, Clone)]
enum Line {
    Said(String),
    Heard(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Said(text) => write!(f, "says {text}"),
            Line::Heard(text) => write!(f, "hears {text}"),
        }
    }
}

impl AtClient for Line {
    fn kind(&self) -> String {
        match self {
            Line::Said(_) => "said".to_owned(),
            Line::Heard(_) => "heard".to_owned(),
        }
    }

    fn is_opening(&self) -> bool {
        false
    }

    fn closing(&self) -> Option<Option<u16>> {
        None
    }

    fn message_type(&self) -> Option<&str> {
        if let Line::Heard(text) = self { Some(text) } else { None }
    }

    fn is_expected(&self, expectation: &Expectation) -> bool {
        self.message_type() == Some(&expectation.kind)
    }

    fn probe(&self) -> Option<&str> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
enum Invariant {
    EveryLineComesBack,
    Expected,
    NoPanic,
    Deterministic,
    SameOnBackends,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl verdict::Invariant for Invariant {
    const ALL: &'static [Self] = &[Invariant::EveryLineComesBack];
    const EXPECTED: Self = Invariant::Expected;
    const NO_PANIC: Self = Invariant::NoPanic;
    const DETERMINISTIC: Self = Invariant::Deterministic;
    const SAME_ON_BACKENDS: Self = Invariant::SameOnBackends;

    fn sentence(self) -> &'static str {
        "What a client says comes back to it, line by line, in order."
    }

    fn is_liveness(self) -> bool {
        false
    }

    fn goes_by_time(self) -> bool {
        false
    }

    fn is_shown_by_event(self) -> bool {
        true
    }
}

/// What each client has said and not heard.
struct Judge(BTreeMap<ClientName, VecDeque<String>>);

impl verdict::Judge<Echo> for Judge {
    fn new(_scenario: &Scenario<Echo>, _time: Time) -> Self {
        Self(BTreeMap::new())
    }

    fn observe(&mut self, event: &Event<Echo>) -> Result<(), Violation<Echo>> {
        let What::Client { client, event } = &event.what else { return Ok(()) };
        let open = self.0.entry(client.clone()).or_default();
        match event {
            Line::Said(text) => open.push_back(text.clone()),
            Line::Heard(text) => {
                let next = open.pop_front();
                if next.as_ref() != Some(text) {
                    let evidence = format!("{client} heard {text}, not {next:?}");
                    return Err(Violation::new(Invariant::EveryLineComesBack, evidence));
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Situation {
    Echoed,
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line came back")
    }
}

impl coverage::Situation for Situation {
    const ALL: &'static [Self] = &[Situation::Echoed];

    fn index(self) -> usize {
        self as usize
    }

    fn sentence(self) -> &'static str {
        "A client hears what it said."
    }
}

struct Watch(u64);

impl verdict::Watch<Echo> for Watch {
    fn new(_scenario: &Scenario<Echo>) -> Self {
        Self(0)
    }

    fn observe(&mut self, event: &Event<Echo>, _judge: &Judge) {
        let heard = matches!(&event.what, What::Client { event: Line::Heard(_), .. });
        self.0 += u64::from(heard);
    }

    fn sightings(&self, seed: u64) -> Sightings<Situation> {
        Sightings::of_run(seed, |_| self.0)
    }

    fn shape(&self, _judge: &Judge) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
enum Profile {
    #[default]
    Sound,
    Forgetful,
}

impl System for Echo {
    type Settings = Settings;
    type Clients = Clients;
    type Action = Action;
    type HubEvent = Got;
    type ClientEvent = Line;
    type Invariant = Invariant;
    type Judge = Judge;
    type Situation = Situation;
    type Watch = Watch;
    type Shape = ();
    type Profile = Profile;

    const NAME: &str = "echo";
    const COMMAND: &str = "echo-sim";

    fn generate(profile: Profile, seed: u64) -> Scenario<Echo> {
        let swallows = (profile == Profile::Forgetful).then(|| "line 3".to_owned());
        let say = |number: u64| {
            let at = Duration::from_millis(100 * number + seed);
            let text = format!("line {number}");
            Step::at(at, Who::Client("alice".to_owned()), scenario::Act::Do(Action::Say { text }))
        };
        Scenario {
            seed,
            hub: Settings { swallows },
            actors: vec![Actor::client("alice"), Actor::client("bob")],
            steps: (1..10 + seed % 10).map(say).collect(),
            ..Scenario::default()
        }
    }

    fn required(_profile: Profile) -> Vec<Situation> {
        vec![Situation::Echoed]
    }

    fn play(
        scenario: &Scenario<Echo>,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome<Echo>, Duration), Skipped> {
        backend::play_once(scenario, backend, keep)
    }
}

/// The server, until it is told to stop.
struct Server(oneshot::Sender<()>);

impl testbed::Hub for Server {
    async fn shut_down(self) {
        // Its process may be gone.
        let _ = self.0.send(());
    }
}

/// A client's commands, one line each, and how it says that they are written.
struct Client(mpsc::UnboundedSender<(String, oneshot::Sender<()>)>);

impl testbed::Client<Echo> for Client {
    fn obey(&self, commands: Vec<String>) -> Doing {
        let (done, written) = oneshot::channel();
        let text = commands.concat();
        if self.0.send((text, done)).is_err() {
            return testbed::done();
        }
        testbed::ended(written)
    }

    fn leave(&self) -> Doing {
        testbed::done()
    }

    fn belief<T>(&self, look: impl FnOnce(&Knows) -> T) -> T {
        look(&Knows)
    }
}

/// What a client knows of itself: nothing.
struct Knows;

impl backend::Belief<Echo> for Knows {
    fn has_ended(&self) -> bool {
        false
    }

    fn wants(&self, _wishes: &Lines) -> bool {
        true
    }

    fn agreement(&self, _wishes: &Lines) -> Option<()> {
        None
    }
}

/// What an actor wants of its clients: that they say its lines.
struct Lines;

impl backend::Wishes<Echo> for Lines {
    fn of(_scenario: &Scenario<Echo>, _actor: &Actor) -> Self {
        Self
    }

    fn commands(&mut self, _number: usize, _speaker: Option<&str>, action: &Action) -> Vec<String> {
        let Action::Say { text } = action;
        vec![text.clone()]
    }
}

/// Nobody speaks for an actor but its client.
struct Nobody;

impl testbed::Raw<Echo> for Nobody {
    fn order(&self, order: Order<Echo>) {
        drop(order);
    }
}

impl Deploy for Echo {
    type Wishes = Lines;
    type Command = String;
    type Belief = Knows;
    type Agreement = ();
    type Left = ();
    type Hub = Server;
    type Client<W: Wire> = Client;
    type Raw = Nobody;

    fn start_hub<W: Wire>(stack: &FullStack<Self, W>) -> (W::Process, Server) {
        let process = stack.wire.process("hub", "hub");
        let (stop, stopped) = oneshot::channel();
        let (runtime, stack) = (process.runtime(), stack.clone());
        process.runtime().spawn(async move {
            let mut listener = runtime.listen(stack.wire.hub_binds()).await.expect("it listens");
            stack.wire.hub_listens(listener.local_address().expect("it has an address"));
            let serve = async {
                while let Ok((stream, _)) = listener.accept().await {
                    runtime.spawn(echo(stream, stack.clone()));
                }
            };
            tokio::select! {
                biased;
                _ = stopped => {}
                () = serve => {}
            }
        });
        (process, Server(stop))
    }

    fn start_client<W: Wire>(
        stack: &FullStack<Self, W>,
        name: ClientName,
        _wishes: &Lines,
    ) -> (W::Process, Client) {
        let process = stack.wire.process(&name.actor, &name.to_string());
        let (orders, mut ordered) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
        let (runtime, stack) = (process.runtime(), stack.clone());
        process.runtime().spawn(async move {
            let hub = stack.wire.hub_authority(&name.actor);
            let stream = runtime.connect(&hub).await.expect("the hub listens");
            let (read, mut write) = tokio::io::split(stream);
            let mut lines = BufReader::new(read).lines();
            loop {
                let event = tokio::select! {
                    biased;
                    line = lines.next_line() => match line {
                        Ok(Some(line)) => Line::Heard(line),
                        Ok(None) | Err(_) => return,
                    },
                    Some((text, done)) = ordered.recv() => {
                        let written = write.write_all(format!("{text}\n").as_bytes()).await;
                        // Nobody has to wait for it.
                        let _ = written.map(|()| done.send(()));
                        Line::Said(text)
                    }
                };
                stack.record(What::Client { client: name.clone(), event });
            }
        });
        (process, Client(orders))
    }

    fn start_raw<W: Wire>(stack: &FullStack<Self, W>, name: ClientName) -> (W::Process, Nobody) {
        (stack.wire.process(&name.actor, &name.to_string()), Nobody)
    }

    fn probe(_to: &str, payload: &str) -> Vec<String> {
        vec![payload.to_owned()]
    }
}

async fn echo<W: Wire>(
    stream: <<W::Process as WireProcess>::Runtime as Runtime>::Stream,
    stack: FullStack<Echo, W>,
) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        stack.record(What::Hub(Box::new(Got(line.clone()))));
        if stack.scenario.hub.swallows.as_ref() == Some(&line) {
            continue;
        }
        if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_sound_server_passes_a_campaign_in_which_all_comes_up() {
    let plan = Plan::<Echo>::of(Profile::Sound, Backend::Simulated, 0..20);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    assert_eq!((findings.runs, findings.failures.len()), (20, 0));
    assert!(findings.missing(&plan).is_empty());
}

#[test]
fn a_bug_is_found_shrunk_to_what_it_takes_and_told() {
    let plan = Plan::<Echo>::of(Profile::Forgetful, Backend::Simulated, 0..1);
    let findings = campaign::run(&plan, &Watcher::SILENT);
    let failure = findings.failures.get(&0).expect("it fails");
    assert_eq!(failure.violation.invariant, Invariant::EveryLineComesBack);
    let storm = Echo::generate(Profile::Forgetful, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let steps: Vec<String> = shrunk.scenario.steps.iter().map(Step::in_short).collect();
    // The last one waits until the answer is there.
    assert_eq!(steps, ["alice: say text line 3", "alice: say text line 4", "network: heal"]);
    let story = report::failure(&shrunk.outcome, "echo-sim replay FILE");
    assert!(story.contains("alice#1 heard line 4, not Some(\"line 3\")"), "{story}");
    assert!(story.ends_with("alice#1   hears line 4\n"), "{story}");
    let page = Echo::page(&shrunk.scenario, "echo-sim replay FILE", &shrunk.outcome, None);
    assert!(page.contains("alice#1   says line 3") && page.ends_with("</pre>\n"), "{page}");
    assert_eq!(
        scenario::read::<Echo>(&scenario::write(&shrunk.scenario)).expect("a file"),
        shrunk.scenario
    );
}

#[test]
fn a_failure_is_explained_by_when_what_and_why() {
    let storm = Echo::generate(Profile::Forgetful, 0);
    let shrunk = failures::shrink(&storm, Backend::Simulated, &mut |_| false).expect("it fails");
    let explain = || {
        let (scenario, storm) = (&shrunk.scenario, Some(&shrunk.storm));
        let explained = explain::explain(scenario, storm, &[Backend::Simulated]);
        let explained = explained.expect("simulated plays it").expect("it fails");
        report::explanation(scenario, &explained)
    };
    let text = explain();
    assert_eq!(text, explain());
    assert_eq!(text, include_str!("echo.explained.txt"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
    let file = failures::leave(&folder, &shrunk).expect("the build folder can be written");
    assert_eq!(failures::storm_beside(&file).expect("a scenario"), Some(storm));
}

#[test]
fn the_same_server_is_played_on_real_sockets() {
    let scenario = Echo::generate(Profile::Forgetful, 1);
    let outcome = backend::play(&scenario, Backend::Real, Keep::All).expect("real plays it");
    let violation = outcome.violation.expect("the bug is there, too");
    assert_eq!(violation.invariant, Invariant::EveryLineComesBack);
    let skipped = backend::play(&scenario, Backend::Message, Keep::All).map(|_| ());
    assert_eq!(skipped.expect_err("nobody wrote one").reason, "echo has no model by messages");
}
