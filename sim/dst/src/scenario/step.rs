//! One line of a scenario: when, who, what.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::HUB_HOST;
use super::act::{self, Act, HubAction};
use crate::System;
use crate::duration_text;
use crate::net::Fault;

/// What the network is called where a step says who.
const NETWORK: &str = "network";

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<S: System> {
    /// When it begins.
    pub when: When,
    /// Who does what.
    pub what: What<S>,
}

impl<S: System> Step<S> {
    /// A step of an actor's client or connection, so long after the start.
    pub fn at(at: Duration, who: Who, act: impl Into<Act<S>>) -> Self {
        Self { when: When::At(at), what: What::Act { who, speaker: None, act: act.into() } }
    }

    /// How long after the start it begins, if it says so.
    pub const fn begins_at(&self) -> Option<Duration> {
        match self.when {
            When::At(at) => Some(at),
            When::After(_) | When::Then => None,
        }
    }

    /// Who does what, on one line for people.
    pub fn in_short(&self) -> String {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return String::new() };
        let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let mut text = format!("{}: {}", word("who"), word("do"));
        for (name, value) in fields.iter().filter(|(name, _)| !FRAME_FIELDS.contains(&&***name)) {
            match value {
                _ if name == "do" => {}
                Value::String(value) => text.push_str(&format!(" {name} {value}")),
                value => text.push_str(&format!(" {name} {value}")),
            }
        }
        text
    }

    /// A fault, so long after the start.
    pub fn fault(at: Duration, fault: Fault) -> Self {
        Self { when: When::At(at), what: What::Network(fault) }
    }
}

/// When a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `"at": "2s"`: so long after the start of the run, whether or not the step before is done.
    At(Duration),
    /// `"after": "2s"`: so long after the step before is done.
    After(Duration),
    /// Neither: as soon as the step before is done.
    Then,
}

/// Who does what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<S: System> {
    /// A client or a connection does something, or has to see something.
    Act {
        /// Whose client or connection.
        who: Who,
        /// `"as": "carol"`: the sender that its request names, in place of its first address.
        speaker: Option<String>,
        /// What it does or has to see.
        act: Act<S>,
    },
    /// `"who": "hub"`.
    Hub(HubAction),
    /// `"who": "network"`.
    Network(Fault),
}

/// Somebody who speaks for an actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// `"alice"`: the youngest client of the actor that has not ended.
    Client(String),
    /// `"alice/1"`: a connection under the control of the steps alone.
    Raw(String, u32),
}

impl Who {
    /// The name of the actor.
    pub fn actor(&self) -> &str {
        match self {
            Who::Client(actor) | Who::Raw(actor, _) => actor,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Client(actor) => f.write_str(actor),
            Who::Raw(actor, number) => write!(f, "{actor}/{number}"),
        }
    }
}

/// Text that names neither a client nor a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is nobody: \"alice\" is the client of alice, \"alice/1\" her first raw connection")]
pub struct InvalidWho(String);

impl FromStr for Who {
    type Err = InvalidWho;

    fn from_str(text: &str) -> Result<Self, InvalidWho> {
        let invalid = || InvalidWho(text.to_owned());
        match text.split_once('/') {
            None if text.is_empty() => Err(invalid()),
            None => Ok(Who::Client(text.to_owned())),
            Some((actor, number)) => match number.parse() {
                Ok(number) if number > 0 && !actor.is_empty() => {
                    Ok(Who::Raw(actor.to_owned(), number))
                }
                Ok(_) | Err(_) => Err(invalid()),
            },
        }
    }
}

/// The fields of a step that are the same whatever happens.
#[derive(Deserialize)]
struct Frame {
    #[serde(default, with = "duration_text::optional")]
    at: Option<Duration>,
    #[serde(default, with = "duration_text::optional")]
    after: Option<Duration>,
    who: String,
    #[serde(rename = "as")]
    speaker: Option<String>,
}

const FRAME_FIELDS: [&str; 4] = ["at", "after", "who", "as"];

impl<'de, S: System> Deserialize<'de> for Step<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let mut frame = Map::new();
        for name in FRAME_FIELDS {
            frame.extend(fields.remove_entry(name));
        }
        let frame: Frame = read(frame)?;
        let when = match (frame.at, frame.after) {
            (Some(at), None) => When::At(at),
            (None, Some(after)) => When::After(after),
            (None, None) => When::Then,
            (Some(_), Some(_)) => {
                return Err(D::Error::custom("a step has `at` or `after`, not both"));
            }
        };
        let what = match (frame.who.as_str(), frame.speaker) {
            (HUB_HOST, None) => What::Hub(act::read(fields)?),
            (NETWORK, None) => What::Network(act::read(fields)?),
            (HUB_HOST | NETWORK, Some(_)) => {
                return Err(D::Error::custom("`as` is for actors only"));
            }
            (who, speaker) => {
                let who = who.parse().map_err(D::Error::custom)?;
                What::Act { who, speaker, act: Act::from_fields(fields)? }
            }
        };
        Ok(Step { when, what })
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned, E: serde::de::Error>(
    fields: Map<String, Value>,
) -> Result<T, E> {
    serde_json::from_value(Value::Object(fields)).map_err(E::custom)
}

impl<S: System> Serialize for Step<S> {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        let value = |what: serde_json::Result<Value>| what.map_err(R::Error::custom);
        let (who, speaker, what) = match &self.what {
            What::Act { who, speaker, act } => {
                (who.to_string(), speaker.as_ref(), value(act.to_value())?)
            }
            What::Hub(action) => (HUB_HOST.to_owned(), None, value(serde_json::to_value(action))?),
            What::Network(fault) => (NETWORK.to_owned(), None, value(serde_json::to_value(fault))?),
        };
        let mut map = serializer.serialize_map(None)?;
        match self.when {
            When::At(at) => {
                map.serialize_entry("at", &humantime::format_duration(at).to_string())?
            }
            When::After(after) => {
                map.serialize_entry("after", &humantime::format_duration(after).to_string())?;
            }
            When::Then => {}
        }
        map.serialize_entry("who", &who)?;
        if let Some(speaker) = speaker {
            map.serialize_entry("as", speaker)?;
        }
        let Value::Object(mut fields) = what else {
            return Err(R::Error::custom("an action is an object"));
        };
        if let Some(word) = fields.remove("do") {
            map.serialize_entry("do", &word)?;
        }
        for (name, field) in &fields {
            map.serialize_entry(name, field)?;
        }
        map.end()
    }
}

/// As in the words of a file, for a story.
impl<S: System> fmt::Display for Step<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
