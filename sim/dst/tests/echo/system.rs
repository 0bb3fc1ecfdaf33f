//! What is under test: a server that echoes lines, one invariant, one situation, and a bug on purpose.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use dst::System;
use dst::backend::{self, Backend, Outcome, Skipped};
use dst::coverage::{self, Sightings};
use dst::history::{AtClient, AtHub, ClientName, Event, What};
use dst::run::Keep;
use dst::scenario::{self, Actor, Expectation, Scenario, Step, Who};
use dst::verdict::{self, Time, Violation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The hub under test.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Echo;

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The bug: a line that says so is swallowed.
    pub swallows: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clients {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    Say { text: String },
}

/// The server got a line.
#[derive(Debug, Clone)]
pub struct Got(pub String);

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
pub enum Line {
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
pub enum Invariant {
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
pub struct Judge(BTreeMap<ClientName, VecDeque<String>>);

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
pub enum Situation {
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

pub struct Watch(u64);

impl verdict::Watch<Echo> for Watch {
    fn new(_scenario: &Scenario<Echo>) -> Self {
        Self(0)
    }

    fn observe(&mut self, event: &Event<Echo>, _judge: &Judge) {
        let heard = matches!(&event.what, What::Client { event: Line::Heard(_), .. });
        self.0 += u64::from(heard);
    }

    fn sightings(&self, seed: u64, _judge: &Judge) -> Sightings<Situation> {
        Sightings::of_run(seed, |_| self.0)
    }

    fn shape(&self, _judge: &Judge) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ValueEnum)]
pub enum Profile {
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
