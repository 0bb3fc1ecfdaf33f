//! Scenario files: JSON, checked before anything is played, with errors that name file and line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use super::bounds;
use super::{Act, ActorKind, HUB_HOST, ProcessAct, Scenario, Step, VERSION, What, Who};
use crate::System;

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScenario {
    /// The file cannot be read.
    #[error("cannot read {file}: {error}")]
    Unreadable {
        /// Its path.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// What is in the file is no scenario.
    #[error("{file}:{error}")]
    File {
        /// Its path.
        file: String,
        /// Where and why: a [`InvalidScenario::Line`].
        error: Box<InvalidScenario>,
    },
    /// A line cannot be right.
    #[error("{line}: {what}")]
    Line {
        /// From 1 on; what is wrong with the whole is in the first.
        line: usize,
        /// The field and, if one is near, the word that was meant.
        what: String,
    },
}

/// Reads and checks a file.
///
/// # Errors
/// If it cannot be read, or is no scenario that can be played: with the file and the line.
pub fn read_file<S: System>(path: &Path) -> Result<Scenario<S>, InvalidScenario> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            read(&text).map_err(|error| InvalidScenario::File { file, error: Box::new(error) })
        }
        Err(error) => Err(InvalidScenario::Unreadable { file, error }),
    }
}

/// Steps are read one by one: an error in one is known by its line.
#[derive(Deserialize)]
struct Outline<'a> {
    version: Option<u32>,
    #[serde(borrow, default)]
    steps: Vec<&'a RawValue>,
}

/// Reads and checks the text of a file.
///
/// # Errors
/// If it is no scenario that can be played: an [`InvalidScenario::Line`].
pub fn read<S: System>(text: &str) -> Result<Scenario<S>, InvalidScenario> {
    if text.starts_with('\u{feff}') {
        let what = "the file begins with a byte order mark: save it as UTF-8 without one";
        return Err(InvalidScenario::Line { line: 1, what: what.to_owned() });
    }
    let outline: Outline<'_> = serde_json::from_str(text).map_err(|error| at_error(&error))?;
    if outline.version != Some(VERSION) {
        let what = match outline.version {
            Some(version) => format!("version {version} is unknown: this program reads {VERSION}"),
            None => format!("the format has no version: add \"version\": {VERSION}"),
        };
        return Err(InvalidScenario::Line { line: 1, what });
    }
    for (number, raw) in (1..).zip(&outline.steps) {
        serde_json::from_str::<Step<S>>(raw.get()).map_err(|error| InvalidScenario::Line {
            line: line_of(text, raw),
            what: format!("step {number}: {}", explained(&error)),
        })?;
    }
    let scenario: Scenario<S> = serde_json::from_str(text).map_err(|error| at_error(&error))?;
    check_fields::<S>(text)?;
    check_actors(&scenario)?;
    let line_of_head = |what| InvalidScenario::Line { line: 1, what };
    for (step, raw) in scenario.steps.iter().zip(&outline.steps) {
        check_step(&scenario, step)
            .and_then(|()| bounds::check_step(step))
            .map_err(|what| InvalidScenario::Line { line: line_of(text, raw), what })?;
    }
    bounds::check(&scenario).map_err(line_of_head)?;
    Ok(scenario)
}

/// A file as people write it, a line a step, with every setting in full: a default that changes
/// later changes nothing of what it means.
pub fn write<S: System>(scenario: &Scenario<S>) -> String {
    let mut text = format!("{{\n  \"version\": {VERSION}");
    let whole = serde_json::to_value(scenario).expect("a scenario is JSON");
    let head = lines(&whole, &["title", "why", "seed"]);
    let settings = lines(&whole, &settings_fields::<S>());
    let tail = lines(&whole, &["actors", "ending", "races"]);
    for line in head.into_iter().chain(settings).chain(tail) {
        write!(text, ",\n  {line}").expect("a String takes all");
    }
    text.push_str(",\n  \"steps\": [");
    for (number, step) in scenario.steps.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(text, "{comma}\n    {}", spaced(step)).expect("a String takes all");
    }
    text.push_str("\n  ]\n}\n");
    text
}

/// How the hub and the network are set, a line each, as files have it: what is not the default.
pub fn settings<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let mut set = serde_json::to_value(scenario).expect("a scenario is JSON");
    let plain = serde_json::to_value(Scenario::<S>::default()).expect("a scenario is JSON");
    leave_out(&mut set, &plain);
    lines(&set, &settings_fields::<S>())
}

/// The fields of a file that say how hub, network and clients are set.
fn settings_fields<S: System>() -> Vec<String> {
    let clients = serde_json::to_value(S::Clients::default()).expect("settings are JSON");
    let clients = clients.as_object().into_iter().flat_map(|fields| fields.keys().cloned());
    ["hub", "network"].map(str::to_owned).into_iter().chain(clients).collect()
}

/// A field that nobody reads would be a setting that is not set.
fn check_fields<S: System>(text: &str) -> Result<(), InvalidScenario> {
    let own = ["$schema", "version", "title", "why", "seed", "actors", "ending", "races", "steps"];
    let settings = settings_fields::<S>();
    let known = || own.into_iter().chain(settings.iter().map(String::as_str));
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| at_error(&error))?;
    let Some((name, value)) = fields.iter().find(|(name, _)| !known().any(|known| known == *name))
    else {
        return Ok(());
    };
    let known: Vec<String> = known().map(|name| format!("`{name}`")).collect();
    let what = format!("unknown field `{name}`, expected one of {}", known.join(", "));
    Err(InvalidScenario::Line { line: line_of(text, value), what: nearest_word(&what) })
}

/// The line of a part of the text; lines count from 1.
fn line_of(text: &str, part: &RawValue) -> usize {
    let offset = part.get().as_ptr().addr() - text.as_ptr().addr();
    1 + text[..offset].matches('\n').count()
}

/// What a file says of these fields, a line each.
fn lines<N: AsRef<str>>(scenario: &Value, names: &[N]) -> Vec<String> {
    let line = |name: &N| {
        let name = name.as_ref();
        Some(format!("\"{name}\": {}", spaced(scenario.get(name)?)))
    };
    names.iter().filter_map(line).collect()
}

fn leave_out(value: &mut Value, default: &Value) {
    let (Value::Object(fields), Value::Object(defaults)) = (value, default) else { return };
    fields.retain(|name, field| {
        let default = defaults.get(name);
        if let Some(default) = default.filter(|default| default.is_object()) {
            leave_out(field, default);
            return field.as_object().is_none_or(|fields| !fields.is_empty());
        }
        default != Some(field)
    });
}

/// On one line, with room to read.
fn spaced<T: Serialize>(value: &T) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Spaced);
    value.serialize(&mut serializer).expect("a scenario is JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"{ ")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" }")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}

fn at_error(error: &serde_json::Error) -> InvalidScenario {
    InvalidScenario::Line { line: error.line(), what: explained(error) }
}

/// What serde says, without its position, and which of the words it knows is the nearest.
fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    nearest_word(text.split(" at line ").next().unwrap_or_default())
}

/// The same, with the nearest of the words that were expected.
fn nearest_word(text: &str) -> String {
    let mut words = text.split('`').skip(1).step_by(2);
    let wrong = words.next().unwrap_or_default();
    let is_unknown = text.starts_with("unknown ");
    let nearest = words
        .max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)));
    match nearest {
        Some(nearest) if is_unknown && strsim::jaro_winkler(wrong, nearest) > 0.7 => {
            format!("{text}; did you mean `{nearest}`?")
        }
        Some(_) | None => text.to_owned(),
    }
}

fn check_actors<S: System>(scenario: &Scenario<S>) -> Result<(), InvalidScenario> {
    let mut names = BTreeSet::new();
    for actor in &scenario.actors {
        let name = &actor.name;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let what = if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            format!("{name:?} is no name for an actor: use letters, digits and . _ ~ - only")
        } else if name == HUB_HOST || name == "network" {
            format!("an actor cannot be called {name:?}: steps need that word")
        } else if !names.insert(name) {
            format!("two actors are called {name:?}")
        } else {
            continue;
        };
        return Err(InvalidScenario::Line { line: 1, what });
    }
    Ok(())
}

fn check_step<S: System>(scenario: &Scenario<S>, step: &Step<S>) -> Result<(), String> {
    match &step.what {
        What::Hub(_) => Ok(()),
        What::Network(fault) => fault
            .hosts()
            .into_iter()
            .filter(|host| *host != HUB_HOST)
            .try_for_each(|host| known(scenario, &host.parse().map_err(|_| host.to_owned())?)),
        What::Act { who, speaker, act } => {
            known(scenario, who)?;
            S::check_step(speaker.as_deref(), act.own())?;
            check_kind(scenario, who, act)
        }
    }
}

/// Whether whoever is named can do it.
fn check_kind<S: System>(scenario: &Scenario<S>, who: &Who, act: &Act<S>) -> Result<(), String> {
    let word = || act.to_value().map_or_else(|_| String::new(), |value| value["do"].to_string());
    let has_no_client = |actor: &str| {
        let mut actors = scenario.actors.iter();
        actors.any(|known| known.name == *actor && known.kind == ActorKind::Raw)
    };
    match (who, act.only_for()) {
        (Who::Client(actor), Some(ActorKind::Raw)) => {
            Err(format!("{} is for raw connections, such as {actor}/1", word()))
        }
        (Who::Raw(actor, _), Some(ActorKind::Client)) => {
            Err(format!("{} is for clients, such as {actor}", word()))
        }
        (Who::Client(actor), _)
            if !matches!(act, Act::Process(ProcessAct::Start)) && has_no_client(actor) =>
        {
            Err(format!("{actor} has no client: name a connection, such as {actor}/1"))
        }
        (Who::Client(_) | Who::Raw(..), _) => Ok(()),
    }
}

fn known<S: System>(scenario: &Scenario<S>, who: &Who) -> Result<(), String> {
    let names = || scenario.actors.iter().map(|actor| actor.name.as_str());
    if names().any(|name| name == who.actor()) {
        return Ok(());
    }
    let near = |name: &&str| strsim::jaro_winkler(name, who.actor());
    let nearest = names().max_by(|a, b| near(a).total_cmp(&near(b)));
    match nearest.filter(|name| near(name) > 0.7) {
        Some(name) => Err(format!("nobody is called {:?}; did you mean {name:?}?", who.actor())),
        None => {
            let all: Vec<&str> = names().collect();
            Err(format!("nobody is called {:?}; the actors are {}", who.actor(), all.join(", ")))
        }
    }
}
