//! What a step can do, whatever the hub: to a process, to a connection, and what has to be seen.

use std::sync::LazyLock;
use std::time::Duration;

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::System;
use crate::duration_text;
use crate::net::{Peers, Seen};

/// What an actor's client or raw connection does, or has to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act<S: System> {
    /// What only this hub's actors can do.
    Do(S::Action),
    /// What happens to its process.
    Process(ProcessAct),
    /// What happens to its connection.
    Connection(ConnectionAct),
    /// What it has to see.
    Expect(Expect),
}

/// What happens to the process of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ProcessAct {
    /// Starts one more client of the actor; one that is there has to go.
    Start,
    /// The client takes leave; another one starts after the pause.
    Leave {
        /// How long nobody is there.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The client's process dies; another one starts after the pause.
    Crash {
        /// What the hub sees of it.
        peers: Peers,
        /// How long nobody is there.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The machine stops for a while: no task runs, bytes wait.
    Pause {
        /// How long it stands still.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
}

/// What happens to an actor's connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectionAct {
    /// The connection breaks: its own end sees that at once, the hub when it is said to. A client
    /// comes back.
    Reconnect {
        /// When the hub learns of it.
        hub_sees: Seen,
    },
    /// Reads nothing for a while.
    PauseReading {
        /// How long it reads nothing.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
}

/// What has to be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// Waits for a message.
    Sees(Expectation),
    /// Sees to it that no such message comes for so long, and none came unnoticed.
    SeesNo {
        /// The message's type.
        #[serde(rename = "type")]
        kind: String,
        /// How long to watch.
        #[serde(rename = "for", with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// Waits for the end of the connection.
    ClosedWith {
        /// The code of the close frame; none if there must be no close frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
}

/// A message that has to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The message's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sender: an actor's name or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the payload has to contain: of objects these keys, of everything else the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// How long to wait.
    #[serde(with = "duration_text", default = "within")]
    #[schemars(with = "String")]
    pub within: Duration,
}

impl Expectation {
    /// Any message of this type, soon.
    pub fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), from: None, payload: None, within: within() }
    }
}

fn within() -> Duration {
    Duration::from_secs(5)
}

/// What happens to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum HubAction {
    /// The hub ends and, after a pause, begins again, with nothing but what its disk holds.
    Restart {
        /// Whether its machine goes down, with what the disk had not synced; otherwise the hub shuts
        /// down in order.
        abruptly: bool,
        /// How long it is down.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The hub shuts down in order, and stays down.
    Shutdown,
    /// The hub's machine stops for a while: no task runs, bytes wait.
    Pause {
        /// How long it stands still.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// The hub's disk takes nothing more for a while.
    DiskFull {
        /// How long.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// The hub's disk fails, in the middle of what it does, until the hub's next start.
    DiskFails {
        /// How many more writes and syncs succeed.
        operations: u32,
    },
}

impl<S: System> From<ProcessAct> for Act<S> {
    fn from(act: ProcessAct) -> Self {
        Act::Process(act)
    }
}

impl<S: System> From<ConnectionAct> for Act<S> {
    fn from(act: ConnectionAct) -> Self {
        Act::Connection(act)
    }
}

impl<S: System> From<Expect> for Act<S> {
    fn from(act: Expect) -> Self {
        Act::Expect(act)
    }
}

impl<S: System> Act<S> {
    /// What only this hub's actors can do.
    pub const fn own(&self) -> Option<&S::Action> {
        match self {
            Act::Do(action) => Some(action),
            Act::Process(_) | Act::Connection(_) | Act::Expect(_) => None,
        }
    }

    /// What it waits for, if it waits for what others do.
    pub fn expects(&self) -> Option<Expect> {
        match self {
            Act::Do(action) => S::awaits(action).map(Expect::Sees),
            Act::Expect(expected) => Some(expected.clone()),
            Act::Process(_) | Act::Connection(_) => None,
        }
    }

    /// The only kind of actor that can do it, if not both can: a raw connection does not come back on
    /// its own.
    pub(super) fn only_for(&self) -> Option<super::ActorKind> {
        match self {
            Act::Do(action) => S::only_for(action),
            Act::Process(
                ProcessAct::Start | ProcessAct::Leave { .. } | ProcessAct::Crash { .. },
            ) => Some(super::ActorKind::Client),
            Act::Process(ProcessAct::Pause { .. }) | Act::Connection(_) | Act::Expect(_) => None,
        }
    }

    /// From the fields of a step that say what is done.
    pub(super) fn from_fields<E: serde::de::Error>(fields: Map<String, Value>) -> Result<Self, E> {
        let word = fields.get("do").and_then(Value::as_str).map(str::to_owned);
        let is = |words: &[String]| word.as_ref().is_some_and(|word| words.contains(word));
        let [process, connection, expect] = &*WORDS;
        if is(process) {
            return read(fields).map(Act::Process);
        }
        if is(connection) {
            return read(fields).map(Act::Connection);
        }
        if is(expect) {
            return read(fields).map(Act::Expect);
        }
        read::<_, serde_json::Error>(fields).map(Act::Do).map_err(|error| {
            let text = error.to_string();
            let is_word = |word: &String| text.starts_with(&format!("unknown variant `{word}`"));
            if !word.as_ref().is_some_and(is_word) {
                return E::custom(text);
            }
            let others: Vec<String> =
                WORDS.iter().flatten().map(|word| format!("`{word}`")).collect();
            E::custom(format!("{text}, {}", others.join(", ")))
        })
    }

    pub(super) fn to_value(&self) -> serde_json::Result<Value> {
        match self {
            Act::Do(action) => serde_json::to_value(action),
            Act::Process(act) => serde_json::to_value(act),
            Act::Connection(act) => serde_json::to_value(act),
            Act::Expect(expect) => serde_json::to_value(expect),
        }
    }
}

/// What the fields of a step say is done, which `"do"` names.
pub(super) fn read<T, E>(fields: Map<String, Value>) -> Result<T, E>
where
    T: DeserializeOwned + Serialize + JsonSchema,
    E: serde::de::Error,
{
    let names: Vec<String> = fields.keys().filter(|name| *name != "do").cloned().collect();
    let word = fields.get("do").and_then(Value::as_str).map(str::to_owned);
    let done: T = serde_json::from_value(Value::Object(fields)).map_err(E::custom)?;
    let (Some(name), Some(word)) = (names.first(), word) else { return Ok(done) };
    // Beside a word that takes no fields, serde lets any pass.
    let says = serde_json::to_value(&done).map_err(E::custom)?;
    if says.as_object().is_some_and(|said| said.len() == 1) && takes_nothing::<T>(&word) {
        return Err(E::custom(format!("unknown field `{name}`: `{word}` takes none")));
    }
    Ok(done)
}

/// Says which word of the system's actions is one of the engine's, too: what it means in a file, nobody could tell.
pub(crate) fn clash<S: System>() -> Option<String> {
    let own = words::<S::Action>();
    let word = own.iter().find(|word| WORDS.iter().flatten().any(|other| other == *word))?;
    Some(format!("the action `{word}` is a word of the engine's own: give it another name"))
}

fn takes_nothing<T: JsonSchema>(word: &str) -> bool {
    variants::<T>().iter().any(|variant| {
        let fields = variant["properties"].as_object();
        variant["properties"]["do"]["const"] == word && fields.is_some_and(|all| all.len() == 1)
    })
}

/// The words of what every process and connection can do, and of what is expected.
static WORDS: LazyLock<[Vec<String>; 3]> =
    LazyLock::new(|| [words::<ProcessAct>(), words::<ConnectionAct>(), words::<Expect>()]);

fn words<T: JsonSchema>() -> Vec<String> {
    let variants = variants::<T>();
    let words = variants.iter().filter_map(|variant| variant["properties"]["do"]["const"].as_str());
    words.map(str::to_owned).collect()
}

fn variants<T: JsonSchema>() -> Vec<Value> {
    let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
    schema["oneOf"].as_array().cloned().unwrap_or_default()
}
